//! A coroutine per connection: it is written like a thread, and gives way only where it says `suspend`.
//!
//! ```text
//! coroutine 1: read > answer > write > suspend ---+
//! coroutine 2: read > answer > write > suspend ---+--> scheduler: resumes whoever is ready, sleeps in epoll
//! coroutine 3: accept > spawn > accept > suspend -+
//! ```
//!
//! A suspended coroutine waits on a stack of its own, where its state is; nobody else waits but the scheduler. Each
//! worker thread has a scheduler, and whoever is accepted there stays there.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use contract::{
    AfterAccept, Block, Pool, READ_SIZE, ServeOptions, Service, Step, after_accept_error, drain,
    listener, run_workers,
};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::poller::Poller;
use crate::scheduler::{STEPS, Scheduler, Wait, Woken, Yielder};

pub(crate) fn serve(listener: TcpListener, options: &ServeOptions) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let (threads, options) = (Pool::new(options.blocking_threads), *options);
    run_workers(&options, |_| {
        let (poller, listener, threads) = (Poller::new()?, listener.try_clone()?, threads.clone());
        Ok(move || work(Scheduler::new(poller, threads), listener, options))
    })
}

/// What the coroutines of a worker share.
struct Worker {
    scheduler: Scheduler,
    options: ServeOptions,
    /// One for all, and no lock: what is read goes to a service before anybody else is resumed.
    buffer: RefCell<Vec<u8>>,
    stopped: Cell<bool>,
}

fn work(scheduler: Scheduler, listener: TcpListener, options: ServeOptions) -> io::Result<()> {
    let (buffer, stopped) = (RefCell::new(vec![0; READ_SIZE]), Cell::new(false));
    let worker = Rc::new(Worker { scheduler, options, buffer, stopped });
    worker.scheduler.poller.register(&listener)?;
    let accepting = Rc::clone(&worker);
    worker.scheduler.spawn(move |yielder| accept(yielder, &accepting, &listener))?;
    worker.scheduler.run_until(|| worker.stopped.get())
}

fn accept(yielder: &Yielder, worker: &Rc<Worker>, listener: &TcpListener) {
    let descriptor = listener.as_raw_fd();
    let sleep = |time| yielder.suspend(Wait::Time(Instant::now() + time));
    for step in 1_usize.. {
        match accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(stream) => {
                if let Err(error) = start(worker, stream.into()) {
                    sleep(listener::back_off("failed to start a coroutine", &error));
                }
            }
            Err(Errno::AGAIN) => drop(yielder.suspend(Wait::Readable { descriptor, until: None })),
            Err(error) => match after_accept_error(&error.into()) {
                AfterAccept::Stop => break,
                AfterAccept::Retry => {}
                AfterAccept::BackOff(pause) => drop(sleep(pause)),
            },
        }
        if step.is_multiple_of(STEPS) {
            yielder.suspend(Wait::Turn);
        }
    }
    for nap in drain() {
        sleep(nap);
    }
    worker.stopped.set(true);
}

/// A refused stack costs this client its connection, and the others a pause.
fn start(worker: &Rc<Worker>, stream: TcpStream) -> io::Result<()> {
    worker.scheduler.poller.register(&stream)?;
    let conversing = Rc::clone(worker);
    worker.scheduler.spawn(move |yielder| drop(converse(yielder, &conversing, stream)))
}

fn converse(yielder: &Yielder, worker: &Worker, mut stream: TcpStream) -> io::Result<()> {
    let (descriptor, block) = (stream.as_raw_fd(), worker.options.block);
    let mut service = Service::new(&worker.options);
    // A read that does not fill the buffer has emptied the socket: no second read asks for more.
    let mut emptied = true;
    let mut steps = 0;
    loop {
        match service.step() {
            Step::Read { deadline: until } if emptied => {
                steps = 0;
                emptied = yielder.suspend(Wait::Readable { descriptor, until }) == Woken::TimeOver;
                if emptied {
                    service.expired();
                }
            }
            Step::Read { .. } => {
                let mut buffer = worker.buffer.borrow_mut();
                match stream.read(&mut buffer) {
                    Ok(count) => {
                        emptied = count < buffer.len();
                        // Parsing goes deepest. On the scheduler's stack, it leaves a coroutine's own within one page.
                        let bytes = &buffer[..count];
                        yielder.on_parent_stack(|| service.received(bytes));
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => emptied = true,
                    Err(error) => return Err(error),
                }
            }
            Step::Write => match stream.write(service.output()) {
                Ok(count) => service.wrote(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    yielder.suspend(Wait::Writable { descriptor });
                    steps = 0;
                }
                Err(error) => return Err(error),
            },
            Step::Wait(duration) => {
                yielder.suspend(Wait::Time(Instant::now() + duration));
                service.waited();
            }
            Step::Block(duration) => {
                run(yielder, block, move || thread::sleep(duration));
                service.waited();
            }
            Step::Compute(work) => service.computed(run(yielder, block, move || work.run())),
            Step::Shutdown => stream.shutdown(Shutdown::Write)?,
            Step::Close => return Ok(()),
        }
        steps += 1;
        if steps == STEPS {
            yielder.suspend(Wait::Turn);
            steps = 0;
        }
    }
}

/// Inline, a call holds the worker; between two of them the others have their turn.
fn run<T: Send + 'static>(
    yielder: &Yielder,
    block: Block,
    call: impl Fn() -> T + Copy + Send + 'static,
) -> T {
    if block == Block::Offload {
        let (send, result) = mpsc::channel();
        let call = Box::new(move || drop(send.send(call())));
        // Late for all is better than never for one: without a thread, the call is made here.
        if yielder.suspend(Wait::Call(call)) == Woken::Ready
            && let Ok(result) = result.recv()
        {
            return result;
        }
    }
    let result = call();
    yielder.suspend(Wait::Turn);
    result
}
