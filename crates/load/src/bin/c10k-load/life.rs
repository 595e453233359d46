//! The part of the command line that says how connections live: opened, kept or not, at rest, and in which process.

use std::time::Duration;

use clap::{Args, ValueEnum};
use load::{Churn, Load, Opening, Slow, SlowKind, Target, Think};

use crate::args::{at_least_one, duration};
use crate::pace::positive;

#[derive(Debug, Args)]
#[command(next_help_heading = "Connections")]
pub(crate) struct Life {
    /// Open so many connections a second; without it, as fast as the server accepts
    #[arg(long, value_name = "N/s", value_parser = ramp, conflicts_with = "burst")]
    ramp: Option<f64>,

    /// Open all connections at once, whatever becomes of them
    #[arg(long)]
    burst: bool,

    /// Ask once on each connection as soon as it is open, the idle ones too, and time the first answers
    #[arg(long)]
    greet: bool,

    /// A connection for each request; who closes it first: the server [default for HTTP, asked by a header], the client
    /// [default for echo], or the client by a reset
    #[arg(long, value_name = "WHO", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "auto")]
    churn: Option<Closer>,

    /// Rest so long between an answer and the next request of a connection
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "rate")]
    think: Option<Duration>,

    /// Let the time of --think vary at random, exponentially distributed
    #[arg(long, requires = "think")]
    think_random: bool,

    /// Slow clients beside the connections of -c, which trickle all the while and are counted apart
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    slow: Option<usize>,

    /// What they are slow at: reading, with a small receive buffer, or writing their request, or both
    #[arg(long, value_name = "WHAT", value_enum, default_value = "write", requires = "slow")]
    slow_kind: What,

    /// Bytes that a slow client reads or writes at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one, requires = "slow")]
    slow_bytes: usize,

    /// Time from one of these to the next of the same slow client
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = duration, requires = "slow")]
    slow_every: Duration,

    /// Processes that share the connections [default: as many as the limit of open files asks for]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    processes: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Closer {
    #[value(hide = true)]
    Auto,
    Server,
    Client,
    Reset,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    Read,
    Write,
    Both,
}

impl Life {
    fn slow(&self) -> Option<Slow> {
        let kind = match self.slow_kind {
            What::Read => SlowKind::Read,
            What::Write => SlowKind::Write,
            What::Both => SlowKind::Both,
        };
        let (bytes, every) = (self.slow_bytes, self.slow_every);
        self.slow.map(|connections| Slow { connections, kind, bytes, every })
    }

    pub(crate) fn apply(&self, load: &mut Load) {
        load.opening = match self.ramp {
            Some(per_s) => Opening::Rate(per_s),
            None if self.burst => Opening::Burst,
            None => Opening::Gated,
        };
        load.greet = self.greet;
        let is_echo = matches!(load.target, Target::Echo { .. });
        load.churn = self.churn.map(|closer| match closer {
            Closer::Auto if is_echo => Churn::Client,
            Closer::Auto | Closer::Server => Churn::Server,
            Closer::Client => Churn::Client,
            Closer::Reset => Churn::Reset,
        });
        let think = if self.think_random { Think::Exponential } else { Think::Constant };
        load.think = self.think.map(think);
        load.slow = self.slow();
        let all = load.all_connections();
        load.processes = self.processes.unwrap_or_else(|| load::processes_for(all));
    }
}

/// `1000/s`, or the number alone.
fn ramp(text: &str) -> Result<f64, String> {
    positive(text.strip_suffix("/s").unwrap_or(text))
        .ok_or_else(|| "give connections a second, such as 1000/s".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ramp_is_a_rate_with_or_without_its_unit() {
        assert_eq!([ramp("1000/s"), ramp("0.5")], [Ok(1_000.0), Ok(0.5)]);
        for wrong in ["", "/s", "0", "-1/s", "1/m", "inf"] {
            assert!(ramp(wrong).is_err(), "{wrong}");
        }
    }
}
