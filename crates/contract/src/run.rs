//! A contestant's `main`: arguments, listener, announcement, stop.

use std::io::{self, Write as _};
use std::net::TcpListener;
use std::num::NonZero;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{CommandFactory as _, FromArgMatches as _};
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike as _;
use serde_json::json;

use crate::args::{Cli, Command, FetchOptions, IdiomOptions, ServeOptions};
use crate::client::{Exchange, Fetched};
use crate::idiom::{Idiom, IdiomOutcome};
use crate::{fork, listener, stop};

/// One concurrency model: what its crate hands to [`run`].
#[derive(Clone, Copy, Debug)]
pub struct Contestant {
    /// The model's one name.
    pub name: &'static str,
    /// Serves `listener` until SIGTERM shuts it down, drains, and returns.
    pub serve: fn(TcpListener, &ServeOptions) -> io::Result<()>,
    /// Performs the exchanges, at most `concurrency` at once, and returns what became of each, in order.
    pub fetch: fn(Vec<Exchange>, NonZero<usize>) -> io::Result<Vec<Fetched>>,
    /// Runs a scheduling idiom over sleeps.
    pub idiom: fn(Idiom, &[Duration]) -> io::Result<IdiomOutcome>,
}

/// Runs a contestant: its `main` is this call.
///
/// Exit status: 0 done (for `serve`: after SIGTERM), 2 usage, 1 anything else.
#[must_use]
pub fn run(contestant: Contestant) -> ExitCode {
    let command = Cli::command().name(contestant.name).bin_name(contestant.name);
    let cli = match Cli::from_arg_matches(&command.get_matches()) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    raise_descriptor_limit();
    let done = match cli.command {
        Command::Serve(options) => serve(contestant, &options),
        Command::Fetch(options) => fetch(contestant, options),
        Command::Idiom(options) => idiom(contestant, &options),
    };
    // Not a return: connections that are idle may still hold threads, and those end here.
    match done {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            eprintln!("{}: {error}", contestant.name);
            std::process::exit(1)
        }
    }
}

/// Every descriptor that the system allows: the soft limit is often 1,024.
fn raise_descriptor_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // A failure shows itself as "too many open files", with the limit, when it matters.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

fn serve(contestant: Contestant, options: &ServeOptions) -> io::Result<()> {
    if options.die_with_parent {
        fork::die_with_parent()?;
    }
    if options.processes.get() > 1 {
        return serve_in_processes(contestant, options);
    }
    let listener = listener::bind(options.listen, options.backlog)?;
    stop::on_sigterm_shut_down(&listener)?;
    announce(&listener)?;
    (contestant.serve)(listener, options)
}

fn serve_in_processes(contestant: Contestant, options: &ServeOptions) -> io::Result<()> {
    let listeners =
        listener::bind_shared(options.listen, options.backlog, options.processes.get())?;
    fork::serve_each(listeners, announce, |listener| {
        stop::on_sigterm_shut_down(&listener)?;
        (contestant.serve)(listener, options)
    })
}

/// The only line on standard output.
fn announce(listener: &TcpListener) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening {}", listener.local_addr()?)?;
    stdout.flush()
}

fn fetch(contestant: Contestant, options: FetchOptions) -> io::Result<()> {
    let (urls, concurrency) = match (options.scenario, options.server) {
        (Some(scenario), Some(server)) => {
            let urls = scenario.urls(server);
            let all = NonZero::new(urls.len()).unwrap_or(NonZero::<usize>::MIN);
            (urls, all)
        }
        _ => (options.urls, options.concurrency),
    };
    let exchanges = urls.into_iter().map(Exchange::new).collect();
    let start = Instant::now();
    let fetched = (contestant.fetch)(exchanges, concurrency)?;
    let wall = start.elapsed();
    let mut stdout = io::stdout().lock();
    for one in &fetched {
        writeln!(stdout, "{}", serde_json::to_string(one)?)?;
    }
    writeln!(stdout, "{}", summary(&fetched, wall)?)?;
    stdout.flush()
}

/// The last line: what all fetches cost together, children included.
fn summary(fetched: &[Fetched], wall: Duration) -> io::Result<serde_json::Value> {
    let (own, children) =
        (getrusage(UsageWho::RUSAGE_SELF)?, getrusage(UsageWho::RUSAGE_CHILDREN)?);
    let cpu_us: i64 =
        [own.user_time(), own.system_time(), children.user_time(), children.system_time()]
            .iter()
            .map(nix::sys::time::TimeVal::num_microseconds)
            .sum();
    let failed = fetched.iter().filter(|one| one.error.is_some()).count();
    Ok(json!({
        "summary": {
            "fetched": fetched.len() - failed,
            "failed": failed,
            "body_bytes": fetched.iter().map(|one| one.body_bytes).sum::<u64>(),
            "wall_us": u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            "cpu_us": cpu_us,
            "voluntary_switches": own.voluntary_context_switches() + children.voluntary_context_switches(),
            "involuntary_switches": own.involuntary_context_switches() + children.involuntary_context_switches(),
            "max_rss_kib": own.max_rss().max(children.max_rss()),
        }
    }))
}

fn idiom(contestant: Contestant, options: &IdiomOptions) -> io::Result<()> {
    let sleeps: Vec<Duration> = options.sleeps.iter().copied().map(Duration::from_millis).collect();
    let start = Instant::now();
    let outcome = (contestant.idiom)(options.idiom, &sleeps)?;
    let line = outcome.to_json(options.idiom, &options.sleeps, start);
    writeln!(io::stdout().lock(), "{line}")
}
