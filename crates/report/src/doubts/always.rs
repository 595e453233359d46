//! What the way of measuring cannot show, as far as it applies to a run.

use record::{Machine, Run, Trial};

use super::{Doubt, Placed};
use crate::{figure, format};

/// True of every run made this way.
pub(super) fn always(run: &Run, cells: &[Placed<'_, '_>]) -> Vec<Doubt> {
    let trials = || cells.iter().flat_map(|placed| placed.cell.attempts.iter().copied());
    let said = [
        Some(one_machine(&run.machine)),
        cpus(&run.machine),
        virtual_cpus(&run.machine),
        closed_loop(trials()),
        one_connection(trials()),
        windows(cells),
        no_floor(cells),
        nature(&run.machine),
        observed(trials()),
    ];
    said.into_iter().flatten().collect()
}

fn doubt(title: &str, text: impl Into<String>) -> Doubt {
    Doubt::new(String::new(), title, text, Vec::new())
}

fn one_machine(machine: &Machine) -> Doubt {
    let mtu =
        machine.loopback_mtu.map(|mtu| format!(", with an MTU of {} bytes", format::count(mtu)));
    doubt(
        "One machine",
        format!(
            "Server and generator share this machine, and every byte crosses the loopback interface{}: there is no network card, \
             no distance and no loss, and the kernel bills part of the receiver's work to the sender.",
            mtu.unwrap_or_default()
        ),
    )
}

fn cpus(machine: &Machine) -> Option<Doubt> {
    let (server, generator) = (machine.server_cpus.as_ref()?, machine.generator_cpus.as_ref()?);
    Some(doubt(
        "CPUs",
        format!(
            "The servers ran on CPU {server}, the generator on CPU {generator}: how a model scales over more CPUs is not shown."
        ),
    ))
}

fn virtual_cpus(machine: &Machine) -> Option<Doubt> {
    let hypervisor = machine.hypervisor.as_ref()?;
    Some(doubt(
        "Virtual CPUs",
        format!(
            "The machine is virtual ({hypervisor}): others share its cores and caches, and time stolen from it is seen only in part. \
             Counts (system calls, switches, memory) are steadier than times."
        ),
    ))
}

fn closed_loop<'run>(mut trials: impl Iterator<Item = &'run Trial>) -> Option<Doubt> {
    trials.any(|trial| trial.pace.kind == "closed").then(|| {
        doubt(
            "Saturated closed loop",
            "Each connection asks again as soon as it is answered. That finds the ceiling; its latency is mostly the queue that the \
             generator itself builds, grows with the number of connections, and says nothing about the service that a user would \
             see at a lower load.",
        )
    })
}

fn one_connection<'run>(mut trials: impl Iterator<Item = &'run Trial>) -> Option<Doubt> {
    trials.any(|trial| trial.connections == 1).then(|| {
        doubt(
            "One connection",
            "A single connection measures how long it takes to wake a sleeping thread across CPUs, not how a model works under load.",
        )
    })
}

fn windows(cells: &[Placed<'_, '_>]) -> Option<Doubt> {
    let asked = |placed: &Placed<'_, '_>| {
        let mut asked = placed.cell.attempts.iter().filter_map(|trial| trial.settings.duration_s);
        asked.next()
    };
    let here = |one: &Placed<'_, '_>, other: &Placed<'_, '_>| {
        one.group.id == other.group.id && one.cell.connections == other.cell.connections
    };
    // Cells of one group stand together, by connections.
    let differ = cells.chunk_by(here).any(|load| {
        let mut lengths = load.iter().filter_map(asked);
        let first = lengths.next();
        lengths.any(|length| Some(length) != first)
    });
    differ.then(|| {
        doubt(
            "Windows of different length",
            "Where many connections are active, models that give each a thread or a process are measured for longer, until the \
             kernel's scheduler has given every one its turn: a short window would call those starved that only wait. Rates, \
             medians and costs per request compare; the slowest answer and the last percentiles have seen more in a longer window.",
        )
    })
}

fn no_floor(cells: &[Placed<'_, '_>]) -> Option<Doubt> {
    cells.iter().all(|placed| placed.group.twins.is_empty()).then(|| {
        doubt(
            "No floor was measured",
            "Telling a small difference from chance needs the same model measured against itself in the same run, and no model was \
             entered twice. Differences that intervals tell are shown without that test: where they are small, believe nothing yet.",
        )
    })
}

fn nature(machine: &Machine) -> Option<Doubt> {
    let limits = machine.contestants.iter().flat_map(|contestant| {
        contestant.limits.iter().map(move |limit| format!("{}: {limit}", contestant.name))
    });
    let limits: Vec<String> = limits.collect();
    (!limits.is_empty())
        .then(|| doubt("What models cannot do by their nature", format!("{}.", limits.join("; "))))
}

fn observed<'run>(trials: impl Iterator<Item = &'run Trial>) -> Option<Doubt> {
    let costs = trials.filter_map(|trial| trial.machine.observation_cpu_ns);
    let ns = costs.reduce(u64::saturating_add)?;
    Some(doubt(
        "Observing",
        format!(
            "Reading /proc around the windows cost {} of CPU time in all, outside them.",
            figure::seconds(ns)
        ),
    ))
}
