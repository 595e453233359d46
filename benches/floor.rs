//! What does a request cost on bare epoll, one thread on each side? Nothing that is measured elsewhere can cost less.

use std::path::Path;
use std::time::Duration;

use benches::effects::{checked, proven};
use benches::floor::load::{Load, Until};
use benches::live;
use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};

/// Connections; the time is per request whatever their number.
const CONNECTIONS: [usize; 3] = [100, 1_000, 10_000];
const CONNECTIONS_SMOKE: [usize; 1] = [10];

fn floor(criterion: &mut Criterion) {
    let cpus = measure::cpus::plan().expect("the affinity mask can be read");
    let mut group = criterion.benchmark_group("floor");
    // The same number of requests in each sample, and enough to keep every connection busy.
    group.sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Elements(1));
    let connections: &[usize] = if live::smoke() { &CONNECTIONS_SMOKE } else { &CONNECTIONS };
    for &connections in connections {
        // Started when this one is not filtered out; criterion calls the closure once for each sample.
        let mut pair = None;
        group.bench_function(BenchmarkId::from_parameter(connections), |bencher| {
            let (_server, load) = pair.get_or_insert_with(|| {
                benches::floor::raise_descriptor_limit()
                    .expect("the limit may be raised to the hard one");
                let server =
                    live::start(Path::new(env!("CARGO_BIN_EXE_floor-server")), &[], &cpus.server);
                measure::cpus::pin_current_thread(&cpus.generator)
                    .expect("the plan names allowed CPUs");
                let load =
                    Load::open(server.address(), "/", connections).expect("the server answers");
                (server, load)
            });
            bencher.iter_custom(proven(|requests| {
                let counts =
                    load.run(Until::Requests(requests)).expect("every request is answered");
                assert_eq!(
                    u128::from(counts.bytes),
                    u128::from(requests) * byte_count(load.answer_bytes())
                );
                checked(counts.duration, counts.requests, requests)
            }));
        });
    }
}

fn byte_count(bytes: usize) -> u128 {
    bytes.try_into().expect("a length fits 128 bits")
}

criterion::criterion_group! {
    name = benches;
    // Defaults: what the command line says goes before.
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(5)).nresamples(10_000);
    targets = floor
}
criterion::criterion_main!(benches);
