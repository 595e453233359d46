//! What one more connection costs, by what carries it: a process, a thread, a green thread, a task, a state of a loop.

use record::{Machine, Outcome, Run};

use crate::answer::{Piece, link, plain};
use crate::cells::Group;
use crate::figure;
use crate::growth::{self, Slope};
use crate::metric::CPU;
use crate::verdict::{Label, label};
use crate::{tables, walls, words};

/// For each thing that can carry a connection, the model that has little besides.
const CARRIERS: [&str; 5] = [
    "process-per-connection",
    "thread-per-connection",
    "may-green-threads",
    "tokio-tasks",
    "mio-loop",
];

/// The table.
pub(crate) struct Prices {
    /// At which load the CPU's column was measured; empty where it was not.
    pub(crate) busy: String,
    pub(crate) rows: Vec<Price>,
}

/// One carrier.
pub(crate) struct Price {
    pub(crate) label: Label,
    /// As the registry says it.
    pub(crate) mechanism: String,
    /// In the process tree, and in the kernel: by the memory experiment.
    pub(crate) slopes: [Slope; 2],
    /// CPU per request, and its interval: on connections that stay, and on one for each request.
    pub(crate) cpu: [Option<(Piece, String)>; 2],
    /// The most connections that it held, and what stopped the next: by the wall.
    pub(crate) held: Option<(Piece, String)>,
}

/// What the carriers cost; `None` where none was weighed.
pub(crate) fn prices(run: &Run, groups: &[Group<'_>], prefix: &str) -> Option<Prices> {
    let find = |experiment: &str| {
        groups.iter().find(|group| group.experiment == experiment && group.variant == "default")
    };
    let memory = find("memory")?;
    let [own, kernel] = [growth::own, growth::kernel].map(|weight| growth::lines(memory, weight));
    let usual =
        |experiment| find(experiment).and_then(|group| Some((group, group.common_connections()?)));
    let [busy, churn] = ["sweep", "churn"].map(usual);
    let price = |model: &&str| {
        let line = growth::of(&own, model)?;
        let contestant = run.machine.contestant(model);
        Some(Price {
            label: label(model, &run.machine, prefix),
            mechanism: contestant.map(|one| one.mechanism.clone()).unwrap_or_default(),
            slopes: [growth::slope(Some(line)), growth::slope(growth::of(&kernel, model))],
            cpu: [busy, churn]
                .map(|load| load.and_then(|(group, connections)| cpu(group, connections, model))),
            held: find("wall").and_then(|group| held(group, model, &run.machine, prefix)),
        })
    };
    let rows: Vec<Price> = CARRIERS.iter().filter_map(price).collect();
    let busy = busy.map(|(_, connections)| tables::connections_in_words(connections));
    (!rows.is_empty()).then(|| Prices { busy: busy.unwrap_or_default(), rows })
}

fn cpu(group: &Group<'_>, connections: u64, model: &str) -> Option<(Piece, String)> {
    let cell = group.at(connections).find(|cell| cell.model == model)?;
    let spread = cell.spread(&CPU).filter(|_| cell.unranked(&CPU).is_none())?;
    let cited = link(CPU.text(spread.median), format!("v.{}.{}", cell.id, CPU.id));
    Some((cited, figure::range(&CPU, &spread)))
}

fn held(
    group: &Group<'_>,
    model: &str,
    machine: &Machine,
    prefix: &str,
) -> Option<(Piece, String)> {
    let mut rows = walls::walls(group, machine, prefix).rows.into_iter();
    let row = rows.find(|row| row.label.model == model)?;
    let stopped = row.stopped.and_then(|stop| match (stop.set_by, stop.limit.as_str()) {
        ("", _) => None,
        (by, "") => Some(format!("at {} stopped by the {by}", stop.at)),
        (by, limit) if stop.ending.word == words::outcome(Outcome::Limit) => {
            Some(format!("{} refused: {limit}, set by the {by}", stop.at))
        }
        (by, limit) => Some(format!("at {}: {limit}, set by the {by}", stop.at)),
    });
    let held = if row.href.is_empty() { plain(row.held) } else { link(row.held, row.id) };
    let spread = row.processes.filter(|&processes| processes > 1);
    let spread = spread.map(|processes| format!("in {processes} processes"));
    Some((held, spread.into_iter().chain(stopped).collect::<Vec<_>>().join("; ")))
}
