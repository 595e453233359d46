//! How long does one message take through a live contestant and back? One connection, nothing else going on.
//!
//! Mostly this is the price of two wake-ups across CPUs, which no model can avoid; the sizes show what copying adds.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use benches::effects::{proven, timed};
use benches::live;
use criterion::{BenchmarkId, Criterion, Throughput};
use harness::registry::Registry;
use harness::workspace;

const SIZES: [usize; 3] = [64, 4 * 1024, 64 * 1024];

/// A server that answers nothing fails the bench instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(10);

fn echo_round_trip(criterion: &mut Criterion) {
    let cpus = measure::cpus::plan().expect("the affinity mask can be read");
    let mut group = criterion.benchmark_group("echo_round_trip");
    for model in Registry::embedded().names() {
        // Built and started when not filtered out; all sizes share a server, each has its connection.
        let mut server = None;
        for size in SIZES {
            let mut client = None;
            group.throughput(Throughput::Bytes(size.try_into().expect("a size fits 64 bits")));
            group.bench_function(BenchmarkId::new(model, size), |bencher| {
                let client = client.get_or_insert_with(|| {
                    let server = server.get_or_insert_with(|| {
                        let program = workspace::built_once().join(model);
                        let server =
                            live::start(&program, &["serve", "--service", "echo"], &cpus.server);
                        measure::cpus::pin_current_thread(&cpus.generator)
                            .expect("the plan names allowed CPUs");
                        server
                    });
                    Client::connect(server.address(), size)
                        .expect("the server announced this address")
                });
                bencher.iter_custom(proven(|iterations| {
                    timed(iterations, 1, || client.round_trip().expect("the server answers"))
                }));
            });
        }
    }
}

struct Client {
    stream: TcpStream,
    message: Vec<u8>,
    answer: Vec<u8>,
    /// Round trips made; each message carries its number, so that an old answer is a wrong one.
    count: u64,
}

impl Client {
    fn connect(address: SocketAddr, size: usize) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let message = (0..u8::MAX).cycle().take(size).collect();
        Ok(Self { stream, message, answer: vec![0; size], count: 0 })
    }

    /// How often the message came back: once, where it is the very message.
    fn round_trip(&mut self) -> io::Result<u64> {
        self.count += 1;
        self.message[..8].copy_from_slice(&self.count.to_ne_bytes());
        self.stream.write_all(&self.message)?;
        self.stream.read_exact(&mut self.answer)?;
        Ok(u64::from(self.answer == self.message))
    }
}

criterion::criterion_group! {
    name = benches;
    // Defaults: what the command line says goes before.
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).nresamples(10_000);
    targets = echo_round_trip
}
criterion::criterion_main!(benches);
