//! The command line: what may be said, in which units, and what it means for the load.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use clap::Parser;
use load::{Load, Pace, Step, Target, Until, Warmup};

use crate::ask::Ask;
use crate::life::Life;
use crate::output::Output;
use crate::pace::{Rates, rates};

const EXAMPLES: &str = "\
Examples:
  c10k-load http://127.0.0.1:8080/ -c 10000 -d 10s
      the ceiling: ten thousand connections, each asks again as soon as it is answered
  c10k-load http://127.0.0.1:8080/ -c 10000 -d 10s --active 1%
      many idle, few active: a hundred of ten thousand connections ask
  c10k-load http://[::1]:8080/ -c 100 -d 30s --rate 20000 --poisson
      the latency that users would see at 20,000 requests a second
  c10k-load http://127.0.0.1:8080/ -c 100 -d 10s --rate 25%,50%,75%,90% --poisson
      the ceiling first, then the latency at shares of it
  c10k-load http://127.0.0.1:8080/ -c 10000 --burst --greet -d 1s
      the storm: ten thousand connections at once, how long until each is served
  c10k-load http://127.0.0.1:8080/ -c 100 -d 10s --churn
      a connection for each request
  c10k-load http://127.0.0.1:8080/ -c 1000 -d 10s --think 50ms --think-random --ramp 500/s
      a thousand people who read before they click, arriving over two seconds
  c10k-load http://127.0.0.1:8080/ -c 100 -d 10s --slow 5000
      what five thousand clients that write a byte each 100 ms do to a hundred others
  c10k-load http://127.0.0.1:8080/bytes/10 --path /bytes/20 --pipeline 4
      answers that differ, so that an order that is wrong shows
  c10k-load http://127.0.0.1:8080/ -c 100000 --active 1% -d 10s
      a hundred thousand connections, over as many processes and sources as they need
  c10k-load echo://127.0.0.1:7000 -c 64 -n 1000000 --size 1k --pipeline 8 --json -
      a million echoes of 1 KiB, eight in flight on each connection, the result as JSON
  c10k-load http://127.0.0.1:8080/ -d 30s -r 5000 --fail-if 'p99>10ms,errors>0.1%'
      for scripts: exit status 3, and a line that says which was missed by how much

Units: durations 500us, 20ms, 10s, 2m, 1h; sizes in bytes or 4k, 1m (powers of 1024).
Latency counts from when a request was due. With --rate the summary also says how late requests were sent: all of them,
and how late although a connection was free. A warning says when the generator was the bottleneck and not the server.
Exit status: 0 measured, 1 failed or not one right answer, 2 wrong usage, 3 a threshold was missed, 130 interrupted (what was measured is printed).";

/// Drives load at an HTTP/1.1 or echo server, verifies every answer, and says what it saw.
#[derive(Debug, Parser)]
#[command(name = "c10k-load", version, after_help = EXAMPLES, max_term_width = 110)]
pub(crate) struct Args {
    /// http://HOST:PORT/PATH or echo://HOST:PORT
    pub(crate) url: String,

    /// Connections, all open before anything is asked
    #[arg(short, long, value_name = "N", default_value_t = 100, value_parser = at_least_one)]
    connections: usize,

    /// How long to measure
    #[arg(short, long, value_name = "TIME", default_value = "10s", value_parser = duration, conflicts_with = "requests")]
    duration: Duration,

    /// Measure this many requests instead of a time
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,

    /// Requests a second over all connections, whatever the server does; without it each connection asks again as soon
    /// as it is answered. Several, such as 1000,2000,5000 or 25%,50%,75%,90% of the ceiling, are held one after the other
    #[arg(short, long, value_name = "PER-SECOND", value_parser = rates)]
    rate: Option<Rates>,

    /// Let the requests of --rate arrive at random, as those of independent users do
    #[arg(long, requires = "rate")]
    poisson: bool,

    /// Connections that ask, a number or a share such as 1%; the others stay open and idle
    #[arg(long, value_name = "N|P%", value_parser = active)]
    active: Option<Active>,

    /// Requests in flight on one connection
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pipeline: usize,

    /// Bytes of an echo message
    #[arg(long, value_name = "BYTES", default_value = "64", value_parser = size)]
    size: usize,

    /// Threads over all processes, each with its share of the connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    threads: usize,

    /// CPUs to pin to, such as 0,2-3: a thread for each
    #[arg(long, value_name = "LIST", value_parser = cpus, conflicts_with = "threads")]
    cpus: Option<Cpus>,

    /// Longest warm-up; it ends when the rate is steady. 0s: none [default: 1s, none with --requests]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    warmup: Option<Duration>,

    /// How long a connect may take, and an answer
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    timeout: Duration,

    /// Source addresses in turn, such as 127.0.0.2-9; each has about 28,000 ports
    #[arg(long, value_name = "LIST", value_parser = sources)]
    sources: Option<Sources>,

    /// Seed of payloads, of the choice of active connections and of Poisson arrivals
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    #[command(flatten)]
    life: Life,

    #[command(flatten)]
    ask: Ask,

    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Active {
    Connections(usize),
    /// Of a hundred thousand, so that 0.001 % can be said.
    Share(u32),
}

#[derive(Clone, Debug)]
struct Cpus(Vec<usize>);

#[derive(Clone, Debug)]
struct Sources(Vec<IpAddr>);

impl Args {
    /// What is held, one after the other; each over the same connections.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let closed = || vec![Step::Pace(Pace::Closed)];
        self.rate.as_ref().map_or_else(closed, |rates| rates.steps(self.poisson))
    }

    pub(crate) fn load(&self, target: Target) -> anyhow::Result<Load> {
        let mut load = Load {
            active: self.active.map(|active| active.of(self.connections)),
            pace: match self.steps().as_slice() {
                [Step::Pace(pace)] => *pace,
                _ => Pace::Closed,
            },
            until: self.requests.map_or(Until::Duration(self.duration), Until::Requests),
            warmup: Warmup { max: self.warmup_max(), ..Warmup::default() },
            pipeline: self.pipeline,
            size: self.size,
            timeout: self.timeout,
            threads: self.threads,
            cpus: self.cpus.clone().map(|Cpus(cpus)| cpus).unwrap_or_default(),
            sources: self.sources.clone().map(|Sources(sources)| sources).unwrap_or_default(),
            seed: self.seed,
            ..Load::new(target, self.connections)
        };
        self.life.apply(&mut load);
        self.ask.apply(&mut load)?;
        Ok(load)
    }
}

impl Args {
    /// Who names a number of requests wants that number to be sent.
    fn warmup_max(&self) -> Duration {
        let default = if self.requests.is_some() { Duration::ZERO } else { Warmup::default().max };
        self.warmup.unwrap_or(default)
    }
}

impl Active {
    /// At least one: a share of a few connections rounds up.
    fn of(self, connections: usize) -> usize {
        match self {
            Self::Connections(active) => active,
            Self::Share(share) => {
                let share = usize::try_from(share).unwrap_or(usize::MAX);
                connections.saturating_mul(share).div_ceil(100_000).max(1)
            }
        }
    }
}

pub(crate) fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| "give a whole number of at least 1".to_owned())
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "give a number and a unit: 500us, 20ms, 10s, 2m or 1h".to_owned();
    let unit_at = text.find(|letter: char| letter.is_ascii_alphabetic()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| wrong())
}

fn size(text: &str) -> Result<usize, String> {
    let wrong = || "give bytes, at least 1, or 4k or 1m".to_owned();
    let lower = text.to_ascii_lowercase();
    let (number, unit) = match (lower.strip_suffix('k'), lower.strip_suffix('m')) {
        (Some(number), _) => (number, 1024),
        (_, Some(number)) => (number, 1024 * 1024),
        _ => (lower.as_str(), 1),
    };
    let number: usize = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).filter(|size| *size > 0).ok_or_else(wrong)
}

fn active(text: &str) -> Result<Active, String> {
    let wrong = || "give a number of connections, or a share such as 1%".to_owned();
    match text.strip_suffix('%') {
        Some(percent) => {
            // Digits before and after the point, without the rounding of a float.
            let (whole, part) = percent.split_once('.').unwrap_or((percent, ""));
            let digits = format!("{whole}{part:0<3}");
            let is_number = part.len() <= 3 && digits.bytes().all(|byte| byte.is_ascii_digit());
            let share = is_number.then(|| digits.parse().ok()).flatten();
            share.filter(|share| (1..=100_000).contains(share)).map(Active::Share).ok_or_else(wrong)
        }
        None => text.parse().map(Active::Connections).map_err(|_| wrong()),
    }
}

/// `0,2-3`: numbers and ranges.
fn ranges(text: &str) -> Option<Vec<(&str, Option<&str>)>> {
    let parts = text.split(',').map(|part| match part.split_once('-') {
        Some((first, last)) => (first, Some(last)),
        None => (part, None),
    });
    let parts: Vec<_> = parts.collect();
    parts.iter().all(|(first, _)| !first.is_empty()).then_some(parts)
}

fn cpus(text: &str) -> Result<Cpus, String> {
    let wrong = || "give CPU numbers, such as 0,2-3".to_owned();
    let mut cpus = Vec::new();
    for (first, last) in ranges(text).ok_or_else(wrong)? {
        let first: u16 = first.parse().map_err(|_| wrong())?;
        let last: u16 = last.map_or(Ok(first), str::parse).map_err(|_| wrong())?;
        cpus.extend((first..=last).map(usize::from));
    }
    if cpus.is_empty() { Err(wrong()) } else { Ok(Cpus(cpus)) }
}

fn sources(text: &str) -> Result<Sources, String> {
    let wrong = || "give IP addresses, such as 127.0.0.2-9 or ::1".to_owned();
    let mut sources = Vec::new();
    for (first, last) in ranges(text).ok_or_else(wrong)? {
        let address: IpAddr = first.parse().map_err(|_| wrong())?;
        match (address, last) {
            (_, None) => sources.push(address),
            (IpAddr::V4(v4), Some(last)) => {
                let last: u8 = last.parse().map_err(|_| wrong())?;
                let [a, b, c, first] = v4.octets();
                sources.extend((first..=last).map(|d| IpAddr::V4(Ipv4Addr::new(a, b, c, d))));
            }
            (IpAddr::V6(_), Some(_)) => return Err(wrong()),
        }
    }
    if sources.is_empty() { Err(wrong()) } else { Ok(Sources(sources)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1_500)));
        assert_eq!(duration("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_mins(2)));
        for wrong in ["", "10", "s", "-1s", "1d", "nans", "infs", "1e400s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_powers_of_1024() {
        assert_eq!([size("1"), size("4k"), size("2M")], [Ok(1), Ok(4096), Ok(2 << 20)]);
        for wrong in ["", "0", "k", "-1", "1g", "99999999999999999999m"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_rounds_up_and_is_never_nothing() {
        let of = |text: &str, connections| active(text).map(|active| active.of(connections));
        assert_eq!(of("1%", 10_000), Ok(100));
        assert_eq!(of("1%", 150), Ok(2));
        assert_eq!(of("0.5%", 10_000), Ok(50));
        assert_eq!(of("0.001%", 10), Ok(1));
        assert_eq!(of("100%", 7), Ok(7));
        assert_eq!(of("7", 10_000), Ok(7));
        assert_eq!(of("0", 10_000), Ok(0), "all idle");
        for wrong in ["", "%", "0%", "101%", "-1%", "1.0001%", "a%"] {
            assert!(active(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn lists_have_ranges() {
        assert_eq!(cpus("0,2-3").unwrap().0, [0, 2, 3]);
        assert_eq!(sources("127.0.0.2-4,127.0.1.1").unwrap().0.len(), 4);
        assert_eq!(sources("::1").unwrap().0, ["::1".parse::<IpAddr>().unwrap()]);
        for wrong in ["", "a", "3-2", "1-", "-1", "1,,2"] {
            assert!(cpus(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "127.0.0", "127.0.0.9-2", "::1-2", "127.0.0.1-300"] {
            assert!(sources(wrong).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_value_or_refused(text in "[0-9a-z.,:%-]{0,12}|.{0,12}") {
            let _each = (duration(&text), size(&text), active(&text).map(|active| active.of(usize::MAX)));
            let _list = (cpus(&text), sources(&text));
        }
    }
}
