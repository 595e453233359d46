//! How long after its reason does a waiting unit run? The reason is a timer, a channel, or a socket that has bytes.
//!
//! ```text
//! timer:   unit: sleeps 1 ms                      counted: what is beyond the millisecond
//! channel: this thread: sends   --> unit: runs    counted: from before the send until the unit runs
//! socket:  this thread: writes  --> unit: reads   counted: from before the write until the unit has read
//! ```
//!
//! The waker is an ordinary thread outside of the runtime, and pauses until the unit waits again: so this is the price
//! of waking a runtime that has nothing else to do, which is its dearest wake-up. `switch` has the one from inside.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use benches::effects::{checked, proven};
use benches::place::Placement;
use benches::runtimes;
use criterion::{Criterion, SamplingMode};
use mio::{Events, Interest, Poll, Token, Waker};

const WAIT: Duration = Duration::from_millis(1);

/// Many times the dearest wake-up: by then the unit that said that it ran waits again.
const PAUSE: Duration = Duration::from_micros(200);

/// How a unit says that it runs; the first time, that it is set up.
struct Say(mpsc::Sender<Instant>);

impl Say {
    fn now(&self) {
        self.0.send(Instant::now()).expect("the bench waits for it");
    }
}

/// Wakes a unit so many times; the time is from each reason until the unit runs.
type Run = fn(iterations: u64) -> Duration;

macro_rules! sleeps {
    ($iterations:expr, $sleep:expr) => {
        async move {
            let iterations: u64 = $iterations;
            let (mut late, mut slept) = (Duration::ZERO, 0);
            for _ in 0..iterations {
                let start = Instant::now();
                $sleep(WAIT).await;
                // One that wakes early did not wait.
                if let Some(beyond) = start.elapsed().checked_sub(WAIT) {
                    late += beyond;
                    slept += 1;
                }
            }
            checked(late, slept, iterations)
        }
    };
}

const TIMERS: [(&str, Run); 9] = [
    ("thread", sleeps_thread),
    ("loop-mio", sleeps_loop),
    ("green-thread-may", |iterations| runtimes::may(move || sleeps_green(iterations))),
    ("task-tokio", |iterations| runtimes::tokio_threads(sleeps!(iterations, tokio::time::sleep))),
    ("task-tokio-local", |iterations| {
        runtimes::tokio_local(sleeps!(iterations, tokio::time::sleep))
    }),
    ("task-smol", |iterations| runtimes::smol(sleeps!(iterations, smol::Timer::after))),
    ("task-async-std", |iterations| {
        runtimes::async_std(sleeps!(iterations, async_std::task::sleep))
    }),
    ("task-compio", |iterations| runtimes::compio(sleeps!(iterations, compio::time::sleep))),
    ("task-monoio", |iterations| runtimes::monoio(sleeps!(iterations, monoio::time::sleep))),
];

/// smol's channel on all of them, since not every runtime brings one.
macro_rules! receives {
    ($iterations:expr, $inside:path) => {{
        let (sender, receiver) = smol::channel::bounded::<()>(1);
        let unit = move |say: Say| {
            $inside(async move {
                say.now();
                while receiver.recv().await.is_ok() {
                    say.now();
                }
            });
        };
        wakes($iterations, unit, move || sender.send_blocking(()).expect("the unit receives"))
    }};
}

const CHANNELS: [(&str, Run); 9] = [
    ("thread", received_by_thread),
    ("loop-mio", received_by_loop),
    ("green-thread-may", received_by_green_thread),
    ("task-tokio", |iterations| receives!(iterations, runtimes::tokio_threads)),
    ("task-tokio-local", |iterations| receives!(iterations, runtimes::tokio_local)),
    ("task-smol", |iterations| receives!(iterations, runtimes::smol)),
    ("task-async-std", |iterations| receives!(iterations, runtimes::async_std)),
    ("task-compio", |iterations| receives!(iterations, runtimes::compio)),
    ("task-monoio", |iterations| receives!(iterations, runtimes::monoio)),
];

/// Connects inside, and reads byte by byte.
macro_rules! reads {
    ($iterations:expr, $inside:path, $connect:expr, |$stream:ident| $read:expr) => {
        written($iterations, |address, say| {
            $inside(async move {
                let mut $stream = $connect(address).await.expect("the bench listens");
                say.now();
                while $read.is_ok() {
                    say.now();
                }
            });
        })
    };
}

const SOCKETS: [(&str, Run); 9] = [
    ("thread", read_by_thread),
    ("loop-mio", read_by_loop),
    ("green-thread-may", read_by_green_thread),
    ("task-tokio", |iterations| {
        use tokio::{io::AsyncReadExt as _, net::TcpStream};
        reads!(iterations, runtimes::tokio_threads, TcpStream::connect, |stream| stream
            .read_u8()
            .await)
    }),
    ("task-tokio-local", |iterations| {
        use tokio::{io::AsyncReadExt as _, net::TcpStream};
        reads!(iterations, runtimes::tokio_local, TcpStream::connect, |stream| stream
            .read_u8()
            .await)
    }),
    ("task-smol", |iterations| {
        use smol::{io::AsyncReadExt as _, net::TcpStream};
        reads!(iterations, runtimes::smol, TcpStream::connect, |stream| stream
            .read_exact(&mut [0])
            .await)
    }),
    ("task-async-std", |iterations| {
        use async_std::{io::ReadExt as _, net::TcpStream};
        reads!(iterations, runtimes::async_std, TcpStream::connect, |stream| stream
            .read_exact(&mut [0])
            .await)
    }),
    ("task-compio", |iterations| {
        use compio::{io::AsyncReadExt as _, net::TcpStream};
        reads!(iterations, runtimes::compio, TcpStream::connect, |stream| stream.read_u8().await)
    }),
    ("task-monoio", |iterations| {
        use monoio::{io::AsyncReadRentExt as _, net::TcpStream};
        reads!(iterations, runtimes::monoio, TcpStream::connect_addr, |stream| stream
            .read_u8()
            .await)
    }),
];

/// Has a unit run on a thread of its own, and wakes it when it has had time to wait again. The unit says when it is set
/// up, and each time that it was woken.
fn wakes(iterations: u64, unit: impl FnOnce(Say) + Send, mut wake: impl FnMut()) -> Duration {
    let (say, said) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(move || unit(Say(say)));
        // Its runtime is not what is measured.
        said.recv().expect("the unit says when it is set up");
        let (mut took, mut woken) = (Duration::ZERO, 0);
        for _ in 0..iterations {
            thread::sleep(PAUSE);
            let start = Instant::now();
            wake();
            if let Ok(since) = said.recv() {
                took += since.saturating_duration_since(start);
                woken += 1;
            }
        }
        // The channel or the connection ends with it, and so does the unit.
        drop(wake);
        checked(took, woken, iterations)
    })
}

/// Wakes a unit that has connected by writing to it.
fn written(iterations: u64, unit: impl FnOnce(SocketAddr, Say) + Send) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let mut stream = None;
    let wake = move || {
        // The unit has connected before it is woken for the first time.
        let stream = stream.get_or_insert_with(|| accepted(&listener));
        stream.write_all(&[1]).expect("the unit reads");
    };
    wakes(iterations, move |say| unit(address, say), wake)
}

fn accepted(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("the unit connects");
    stream.set_nodelay(true).expect("it is a socket");
    stream
}

fn sleeps_thread(iterations: u64) -> Duration {
    late(iterations, || thread::sleep(WAIT))
}

/// Called in a green thread.
fn sleeps_green(iterations: u64) -> Duration {
    late(iterations, || may::coroutine::sleep(WAIT))
}

/// A loop's timer is the timeout of its wait.
fn sleeps_loop(iterations: u64) -> Duration {
    let (mut poll, mut events) = epoll();
    late(iterations, || poll.poll(&mut events, Some(WAIT)).expect("no signal comes"))
}

fn epoll() -> (Poll, Events) {
    (Poll::new().expect("epoll is there"), Events::with_capacity(1))
}

fn late(iterations: u64, mut sleep: impl FnMut()) -> Duration {
    let (mut late, mut slept) = (Duration::ZERO, 0);
    for _ in 0..iterations {
        let start = Instant::now();
        sleep();
        if let Some(beyond) = start.elapsed().checked_sub(WAIT) {
            late += beyond;
            slept += 1;
        }
    }
    checked(late, slept, iterations)
}

fn received_by_thread(iterations: u64) -> Duration {
    let (sender, receiver) = mpsc::channel();
    let unit = |say: Say| {
        say.now();
        for () in receiver {
            say.now();
        }
    };
    wakes(iterations, unit, move || sender.send(()).expect("the unit receives"))
}

/// A loop waits for its poller alone, so that who sends must wake that.
fn received_by_loop(iterations: u64) -> Duration {
    let (mut poll, mut events) = epoll();
    let waker = Waker::new(poll.registry(), Token(0)).expect("an eventfd is allowed");
    let waker = Arc::new(waker);
    // An eventfd that is closed takes its last event along.
    let kept = Arc::clone(&waker);
    let (sender, receiver) = mpsc::channel::<bool>();
    let unit = move |say: Say| {
        let _kept = kept;
        say.now();
        loop {
            poll.poll(&mut events, None).expect("no signal comes");
            for go_on in receiver.try_iter() {
                if !go_on {
                    return;
                }
                say.now();
            }
        }
    };
    let told = Told { sender, waker };
    wakes(iterations, unit, move || told.send(true))
}

/// Who tells a loop to go on, and at the end, to end.
struct Told {
    sender: mpsc::Sender<bool>,
    waker: Arc<Waker>,
}

impl Told {
    fn send(&self, go_on: bool) {
        self.sender.send(go_on).expect("the loop receives");
        self.waker.wake().expect("an eventfd can be written");
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.send(false);
    }
}

fn received_by_green_thread(iterations: u64) -> Duration {
    let (sender, receiver) = may::sync::mpsc::channel();
    let unit = |say: Say| {
        runtimes::may(move || {
            say.now();
            for () in receiver {
                say.now();
            }
        });
    };
    wakes(iterations, unit, move || sender.send(()).expect("the unit receives"))
}

fn read_by_thread(iterations: u64) -> Duration {
    written(iterations, |address, say| {
        let mut stream = TcpStream::connect(address).expect("the bench listens");
        say.now();
        while stream.read_exact(&mut [0]).is_ok() {
            say.now();
        }
    })
}

fn read_by_loop(iterations: u64) -> Duration {
    written(iterations, |address, say| {
        let stream = TcpStream::connect(address).expect("the bench listens");
        stream.set_nonblocking(true).expect("it is a socket");
        let mut stream = mio::net::TcpStream::from_std(stream);
        let (mut poll, mut events) = epoll();
        let register = poll.registry().register(&mut stream, Token(0), Interest::READABLE);
        register.expect("a socket can be watched");
        say.now();
        loop {
            poll.poll(&mut events, None).expect("no signal comes");
            loop {
                match stream.read(&mut [0]) {
                    Ok(1) => say.now(),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    _ => return,
                }
            }
        }
    })
}

fn read_by_green_thread(iterations: u64) -> Duration {
    written(iterations, |address, say| {
        runtimes::may(move || {
            let mut stream = may::net::TcpStream::connect(address).expect("the bench listens");
            say.now();
            while stream.read_exact(&mut [0]).is_ok() {
                say.now();
            }
        });
    })
}

fn wake(criterion: &mut Criterion) {
    for placement in Placement::BOTH {
        placement.apply();
        for (reason, units) in
            [("wake-timer", TIMERS), ("wake-channel", CHANNELS), ("wake-socket", SOCKETS)]
        {
            let mut group = criterion.benchmark_group(placement.group(reason));
            group.sampling_mode(SamplingMode::Flat);
            for (name, run) in units {
                group.bench_function(name, |bencher| bencher.iter_custom(proven(run)));
            }
        }
    }
}

criterion::criterion_group! {
    name = benches;
    // Defaults: what the command line says goes before.
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(100)).measurement_time(Duration::from_millis(400)).nresamples(10_000);
    targets = wake
}
criterion::criterion_main!(benches);
