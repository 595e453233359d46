//! What everybody else feels while something goes on beside: the variants of one experiment side by side, model by model.

use record::Machine;

use crate::cells::{Group, Kind};
use crate::figure::{Figure, figure};
use crate::metric::{Metric, P50, P99};
use crate::verdict::{Label, label};
use crate::words;

/// What is felt.
const FELT: [&Metric; 2] = [&P50, &P99];

/// All variants of a service, at one number of connections.
pub(crate) struct SideBySide {
    pub(crate) title: String,
    pub(crate) columns: Vec<&'static Metric>,
    pub(crate) variants: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// One model.
pub(crate) struct Row {
    pub(crate) label: Label,
    /// By variant, then by figure.
    pub(crate) figures: Vec<Figure>,
}

/// A table for each service and number of connections of an experiment's groups, if any of them was disturbed.
pub(crate) fn side_by_side(
    groups: &[&Group<'_>],
    machine: &Machine,
    prefix: &str,
) -> Vec<SideBySide> {
    if !groups.iter().any(|group| group.kind() == Kind::Disturbed) {
        return Vec::new();
    }
    let mut places: Vec<(&str, u64)> = groups
        .iter()
        .flat_map(|group| group.connections.iter().map(|&connections| (group.service, connections)))
        .collect();
    places.sort_unstable();
    places.dedup();
    let table = |(service, connections): (&str, u64)| {
        let here: Vec<&Group> = groups
            .iter()
            .copied()
            .filter(|group| group.service == service && group.at(connections).next().is_some())
            .collect();
        let mut models: Vec<&str> = here.iter().flat_map(|group| group.models.clone()).collect();
        models.sort_by_key(|model| (machine.place(model), *model));
        models.dedup();
        let row = |model: &&str| Row {
            label: label(model, machine, prefix),
            figures: here
                .iter()
                .flat_map(|group| {
                    let cell = group.at(connections).find(|cell| cell.model == *model);
                    FELT.iter().map(move |metric| {
                        cell.map_or_else(Figure::missing, |cell| felt(figure(cell, metric)))
                    })
                })
                .collect(),
        };
        SideBySide {
            title: format!(
                "{}: what everybody else feels, at {}",
                words::service(service),
                crate::tables::connections_in_words(connections)
            ),
            columns: FELT.to_vec(),
            variants: here.iter().map(|group| group.variant.to_owned()).collect(),
            rows: models.iter().map(row).collect(),
        }
    };
    places.into_iter().map(table).collect()
}

/// Under an id of its own: the same figure stands in the full table.
fn felt(figure: Figure) -> Figure {
    Figure { id: format!("d.{}", figure.id), ..figure }
}
