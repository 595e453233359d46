//! The floor's server by hand: announces its address as a contestant does, and ends by SIGTERM with status 0.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;

use clap::Parser;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The bare epoll server that models are held against: one thread, one answer
#[derive(Debug, Parser)]
#[command(after_help = "Example:\n  floor-server --listen 127.0.0.1:8080\n\n\
    After SIGTERM it prints `requests N` on standard error: its own count of what it read.")]
struct Options {
    /// Address to listen on; port 0 lets the system choose
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Connections that the kernel completes ahead of accept; it caps this at net.core.somaxconn
    #[arg(long, value_name = "N", default_value = "4096", value_parser = clap::value_parser!(i32).range(1..))]
    backlog: i32,
    /// End at once when the parent process ends
    #[arg(long)]
    die_with_parent: bool,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.die_with_parent {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    }
    benches::floor::raise_descriptor_limit()?;
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let stop = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?;

    let listener = contract::listener::bind(options.listen, options.backlog)?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "listening {}", listener.local_addr()?)?;
    stdout.flush()?;

    let requests = benches::floor::server::serve(listener, stop.as_fd())?;
    eprintln!("requests {requests}");
    Ok(())
}
