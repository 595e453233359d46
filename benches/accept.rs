//! What does a client cost that connects, asks once and leaves? One at a time, through a live contestant.
//!
//! Beside the round trip of `echo_round_trip` there is all that a connection needs once: the handshake, a descriptor on
//! each side, whatever the model creates for it, and its end. The server closes first, as it is asked to, so that ports
//! wait on its side (`TIME_WAIT`) and the client's are free again.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use benches::effects::{proven, timed};
use benches::live;
use criterion::{BenchmarkId, Criterion, SamplingMode};
use harness::registry::Registry;
use harness::workspace;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n";

/// A server that answers nothing fails the bench instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(10);

fn accept(criterion: &mut Criterion) {
    let cpus = measure::cpus::plan().expect("the affinity mask can be read");
    let mut group = criterion.benchmark_group("accept");
    group.sampling_mode(SamplingMode::Flat);
    for model in Registry::embedded().names() {
        // Built and started when not filtered out; killed and reaped when the next one's turn comes.
        let mut server = None;
        let mut answer = Vec::new();
        group.bench_function(BenchmarkId::from_parameter(model), |bencher| {
            let server = server.get_or_insert_with(|| {
                let program = workspace::built_once().join(model);
                let server = live::start(&program, &["serve", "--service", "http"], &cpus.server);
                measure::cpus::pin_current_thread(&cpus.generator)
                    .expect("the plan names allowed CPUs");
                server
            });
            let address = server.address();
            bencher.iter_custom(proven(|iterations| {
                timed(iterations, 1, || {
                    ask_once(address, &mut answer).expect("the server answers");
                    u64::from(answer.starts_with(b"HTTP/1.1 200 OK\r\n"))
                })
            }));
        });
    }
}

/// The answer is all that comes until the server closes.
fn ask_once(address: SocketAddr, answer: &mut Vec<u8>) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(REQUEST)?;
    answer.clear();
    stream.read_to_end(answer)?;
    Ok(())
}

criterion::criterion_group! {
    name = benches;
    // Defaults: what the command line says goes before.
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_millis(500)).nresamples(10_000);
    targets = accept
}
criterion::criterion_main!(benches);
