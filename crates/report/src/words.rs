//! Outcomes, flags, paces and experiments in plain words, in one place: a table, a chart and a doubt say the same.

use record::{Flag, Outcome, Trial};

/// All flags, in the order in which they are explained.
pub(crate) const FLAGS: [Flag; 7] = [
    Flag::Nonconforming,
    Flag::GeneratorBound,
    Flag::Noisy,
    Flag::Drifted,
    Flag::TcpDrops,
    Flag::ColdStart,
    Flag::UncleanExit,
];

/// All outcomes but `ok`.
pub(crate) const FAILURES: [Outcome; 8] = [
    Outcome::Starved,
    Outcome::Inconsistent,
    Outcome::Limit,
    Outcome::Hung,
    Outcome::FailedStart,
    Outcome::Died,
    Outcome::Killed,
    Outcome::Interrupted,
];

/// As the record spells it.
pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Starved => "starved",
        Outcome::Hung => "hung",
        Outcome::FailedStart => "failed-start",
        Outcome::Died => "died",
        Outcome::Limit => "limit",
        Outcome::Killed => "killed",
        Outcome::Inconsistent => "inconsistent",
        Outcome::Interrupted => "interrupted",
    }
}

/// What an outcome means for its figures.
pub(crate) fn outcome_meaning(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "measured, and the accounts close",
        Outcome::Starved => {
            "some connections that sent requests never got an answer: rate and latency describe only the others, \
             so no figure of this cell is ranked"
        }
        Outcome::Inconsistent => {
            "the accounts do not close, so at least one figure is wrong: shown and never ranked"
        }
        Outcome::Limit => "a limit of the machine stopped it before it began",
        Outcome::Hung => "the server announced itself and then answered nothing",
        Outcome::FailedStart => "the server never announced itself",
        Outcome::Died => "the server ended by itself in mid-trial",
        Outcome::Killed => "the server was killed by a signal in mid-trial",
        Outcome::Interrupted => "the run was interrupted during this trial",
    }
}

/// As the record spells it.
pub(crate) fn flag(flag: Flag) -> &'static str {
    match flag {
        Flag::GeneratorBound => "generator-bound",
        Flag::Noisy => "noisy",
        Flag::Drifted => "drifted",
        Flag::TcpDrops => "tcp-drops",
        Flag::ColdStart => "cold-start",
        Flag::UncleanExit => "unclean-exit",
        Flag::Nonconforming => "nonconforming",
    }
}

/// What a flag does to the figures.
pub(crate) fn flag_meaning(flag: Flag) -> &'static str {
    match flag {
        Flag::GeneratorBound => {
            "the load generator had no headroom, or sent late though a connection was free: the server may do better than the rate shown, and the latency is partly \
             the generator's; CPU, switches and memory stand"
        }
        Flag::Noisy => {
            "the hypervisor or another process took more than its share of the CPUs, or the CPU itself was slower or \
             quicker than just before; such trials leave the median while a quiet one exists"
        }
        Flag::Drifted => {
            "the CPU itself was slower or quicker than when the run began: models of the same cell were measured within \
             moments and compare; other loads, rates and runs need not"
        }
        Flag::TcpDrops => {
            "the kernel dropped SYNs or connections from the listen queue: latency may hold retries of 1, 3 or 7 s"
        }
        Flag::ColdStart => {
            "warm-up reached its cap before two windows agreed: the rate may still have been rising"
        }
        Flag::UncleanExit => "the server did not stop as the contract says",
        Flag::Nonconforming => {
            "the model failed a case of the conformance battery before the run: what it does fast it may do wrongly, so \
             no figure of it is ranked"
        }
    }
}

/// How requests were timed.
pub(crate) fn pace(trial: &Trial) -> String {
    match (trial.pace.kind.as_str(), trial.pace.rate) {
        ("closed", _) => "closed loop".into(),
        (kind, Some(rate)) => {
            format!("open loop ({kind}) at {} requests/s", crate::format::significant(rate))
        }
        (kind, None) => format!("open loop ({kind})"),
    }
}

/// What is served.
pub(crate) fn service(name: &str) -> &str {
    match name {
        "http" => "HTTP",
        "echo" => "Echo",
        "none" => "Client",
        other => other,
    }
}

/// What an experiment asks.
pub(crate) fn experiment(name: &str) -> &str {
    crate::guides::guide(name).map_or(name, |guide| guide.title)
}
