//! Loops side by side: set up, announced, run. What they do is each model's own.

use std::{io, panic, process, thread};

use crate::args::{ServeOptions, Workers};

/// Sets up as many loops as `--workers` says, announces, and runs them: the first on this thread, each other on its own.
///
/// All are set up before one runs, since the first connections may take every descriptor there is. A loop that fails
/// later ends the process: half a server that keeps its port is worse than none.
///
/// # Errors
/// What kept a loop from being set up, or what the first one failed of.
pub fn run_workers<W>(
    options: &ServeOptions,
    set_up: impl FnMut(usize) -> io::Result<W>,
) -> io::Result<()>
where
    W: FnOnce() -> io::Result<()> + Send + 'static,
{
    let workers = 0..options.workers_or(Workers::Cpus);
    let mut workers = workers.map(set_up).collect::<io::Result<Vec<W>>>()?;
    for worker in workers.drain(1..) {
        thread::Builder::new().spawn(|| {
            if let Err(error) = worker() {
                eprintln!("a worker failed: {error}");
                process::exit(1);
            }
        })?;
    }
    crate::announce()?;
    workers.remove(0)()
}

/// From now on a panic on any thread ends the process, loudly: for models in which it ends a loop and everything on it.
pub fn end_on_panic() {
    panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        process::exit(1);
    }));
}
