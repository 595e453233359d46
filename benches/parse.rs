//! What does the service cost by the shape of a request? No socket is involved: bytes in, steps, bytes out.
//!
//! Every model pays this, so it is the part of a request that no model can win or lose.

use std::time::Duration;

use benches::effects::{proven, timed};
use contract::{Protocol, ServeOptions, Service, Step};
use criterion::{Criterion, Throughput};

/// Requests of the pipelined shape.
const PIPELINED: u64 = 16;

/// One way in which requests arrive.
struct Shape {
    name: &'static str,
    /// What each read brings.
    reads: Vec<Vec<u8>>,
    /// Requests in all of it.
    requests: u64,
}

fn shapes() -> Vec<Shape> {
    let small = b"GET / HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n\r\n".to_vec();
    // As a browser sends them: about twenty headers, a kilobyte of cookie among them.
    let mut browser = b"GET / HTTP/1.1\r\nhost: 127.0.0.1:8080\r\n".to_vec();
    for number in 0..20 {
        browser.extend_from_slice(
            format!("x-header-{number}: value of header {number}\r\n").as_bytes(),
        );
    }
    browser.extend_from_slice(format!("cookie: {}\r\n\r\n", "c".repeat(1024)).as_bytes());
    let (first, second) = small.split_at(small.len() / 2);
    let split = vec![first.to_vec(), second.to_vec()];
    let copies = usize::try_from(PIPELINED).expect("a small number fits");
    let pipelined = vec![small.repeat(copies)];
    vec![
        Shape { name: "small", reads: vec![small], requests: 1 },
        Shape { name: "many-headers", reads: vec![browser], requests: 1 },
        Shape { name: "pipelined-16", reads: pipelined, requests: PIPELINED },
        Shape { name: "split-in-two", reads: split, requests: 1 },
    ]
}

/// Feeds the reads to the service and performs its steps; what it writes goes to `sink`.
fn converse(service: &mut Service, reads: &[Vec<u8>], mut sink: impl FnMut(&[u8])) {
    let mut reads = reads.iter();
    loop {
        match service.step() {
            Step::Read { .. } => match reads.next() {
                Some(bytes) => service.received(bytes),
                None => return,
            },
            Step::Write => {
                sink(service.output());
                service.wrote(service.output().len());
            }
            step => panic!("`GET /` takes no step {step:?}"),
        }
    }
}

fn size(bytes: &[u8]) -> u64 {
    bytes.len().try_into().expect("a length fits 64 bits")
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for shape in shapes() {
        let mut service = Service::new(&ServeOptions::new(Protocol::Http));
        let mut answers = Vec::new();
        converse(&mut service, &shape.reads, |bytes| answers.extend_from_slice(bytes));
        let answered = answers.windows(15).filter(|window| window == b"HTTP/1.1 200 OK").count();
        assert_eq!(
            u64::try_from(answered).ok(),
            Some(shape.requests),
            "{} is answered",
            shape.name
        );

        // Every request is answered, every time: the answers' bytes are what the requests leave behind.
        let bytes_each = size(&answers);
        group.throughput(Throughput::Elements(shape.requests));
        group.bench_function(shape.name, |bencher| {
            bencher.iter_custom(proven(|iterations| {
                timed(iterations, bytes_each, || {
                    let mut bytes = 0;
                    converse(&mut service, &shape.reads, |output| bytes += size(output));
                    bytes
                })
            }));
        });
    }
}

criterion::criterion_group! {
    name = benches;
    // Defaults: what the command line says goes before.
    config = Criterion::default().sample_size(50).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3)).nresamples(10_000);
    targets = parse
}
criterion::criterion_main!(benches);
