//! A contestant's `main`: arguments, listener, stop.

use std::io::{self, Write as _};
use std::net::TcpListener;
use std::num::NonZero;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};
use nix::sys::time::TimeValLike as _;
use serde_json::json;

use crate::announce::{Announcement, on_announce};
use crate::args::{self, Asked, FetchOptions, Fetches, IdiomOptions, ServeOptions};
use crate::client::{Exchange, Fetched};
use crate::idiom::{Idiom, IdiomOutcome};
use crate::{fork, listener, stop};

/// One concurrency model: what its crate hands to [`run`].
#[derive(Clone, Copy, Debug)]
pub struct Contestant {
    /// The model's one name.
    pub name: &'static str,
    /// Sets up, [`announce`](crate::announce())s, serves `listener` until SIGTERM shuts it down, drains, and returns.
    pub serve: fn(TcpListener, &ServeOptions) -> io::Result<()>,
    /// Performs the exchanges, at most `concurrency` at once, and returns what became of each, in order.
    pub fetch: fn(Vec<Exchange>, NonZero<usize>) -> io::Result<Vec<Fetched>>,
    /// Runs a scheduling idiom over sleeps.
    pub idiom: fn(Idiom, &[Duration]) -> io::Result<IdiomOutcome>,
    /// As in the registry: it waits in loops, of which `--processes` may fork several onto one port.
    pub event_driven: bool,
}

/// Exit status of a contestant that was called wrongly.
const USAGE: u8 = 2;

/// Runs a contestant: its `main` is this call.
///
/// Exit status: 0 done (for `serve`: after SIGTERM), 2 usage, 1 anything else.
#[must_use]
pub fn run(contestant: Contestant) -> ExitCode {
    let asked = match args::parse(std::env::args_os().skip(1), &contestant) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{}: {error}", contestant.name);
            return ExitCode::from(USAGE);
        }
    };
    raise_descriptor_limit();
    let done = match asked {
        Asked::Help(page) => help(&page),
        Asked::Nothing => {
            eprint!("{}", args::PROGRAM.of(contestant.name));
            return ExitCode::from(USAGE);
        }
        Asked::Serve(options) => serve(contestant, &options),
        Asked::Fetch(options) => fetch(contestant, options),
        Asked::Idiom(options) => idiom(contestant, &options),
    };
    // Not a return: connections that are idle may still hold threads, and those end here.
    match done {
        Ok(()) => std::process::exit(0),
        Err(error) => {
            complain(contestant, &error);
            std::process::exit(1)
        }
    }
}

fn help(page: &str) -> io::Result<()> {
    io::stdout().lock().write_all(page.as_bytes()).or_else(|error| match error.kind() {
        // Piped into a reader that has seen enough.
        io::ErrorKind::BrokenPipe => Ok(()),
        _ => Err(error),
    })
}

fn complain(contestant: Contestant, error: &io::Error) {
    eprintln!("{}: {error}{}", contestant.name, remedy(error));
}

/// What to do when the system refuses a descriptor or a thread: a model passes the error on as it came.
fn remedy(error: &io::Error) -> &'static str {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE) => "; raise the limit with `ulimit -n`, or ask for fewer at once",
        Some(Errno::EAGAIN | Errno::ENOMEM) => {
            "; ask for fewer at once, or see what `c10k doctor` says of threads and processes"
        }
        _ => "",
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
    on_announce(Announcement::Line(listener.local_addr()?));
    (contestant.serve)(listener, options)
}

fn serve_in_processes(contestant: Contestant, options: &ServeOptions) -> io::Result<()> {
    let listeners =
        listener::bind_shared(options.listen, options.backlog, options.processes.get())?;
    let serve = |listener| {
        stop::on_sigterm_shut_down(&listener)?;
        (contestant.serve)(listener, options)
    };
    fork::serve_each(listeners, |listener| match serve(listener) {
        Ok(()) => 0,
        Err(error) => {
            complain(contestant, &error);
            1
        }
    })
}

fn fetch(contestant: Contestant, options: FetchOptions) -> io::Result<()> {
    let (urls, most, is_scenario) = match options.what {
        Fetches::Urls(urls) => (urls, options.concurrency.get(), false),
        Fetches::Scenario(scenario, server) => (scenario.urls(server), usize::MAX, true),
    };
    // A model may start as many threads or processes as it is allowed fetches: no more than there are.
    let concurrency = NonZero::new(most.min(urls.len())).unwrap_or(NonZero::<usize>::MIN);
    let exchanges = urls.into_iter().map(Exchange::new).collect();
    let start = Instant::now();
    let fetched = (contestant.fetch)(exchanges, concurrency)?;
    let wall = start.elapsed();
    let mut stdout = io::stdout().lock();
    for one in &fetched {
        writeln!(stdout, "{}", serde_json::to_string(one)?)?;
    }
    writeln!(stdout, "{}", summary(&fetched, wall)?)?;
    stdout.flush()?;
    // A scenario is timed from outside, and a refused connection takes no time at all.
    match fetched.iter().find_map(|one| one.error.as_deref().filter(|_| is_scenario)) {
        Some(error) => Err(io::Error::other(format!("a fetch of the scenario failed: {error}"))),
        None => Ok(()),
    }
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
