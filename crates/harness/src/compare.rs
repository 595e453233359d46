//! `c10k compare`: what differs between two runs, or two entries of one, as a table or as JSON.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use comfy_table::{Cell as Field, CellAlignment};
use record::compare::{Comparison, Differing, Direction, METRICS, Row, Sides, compare as compared};
use record::run::Run;

use crate::exit::{Exit, UsageError};
use crate::pages;
use crate::summary::{table, time};

/// What is to be compared, and how it is said.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What ratios are over, or what holds both sides.
    pub run: PathBuf,
    /// The other side.
    pub with: With,
    /// Ids of the figures that are shown; all where none are named.
    pub metrics: Option<Vec<String>>,
    /// Compare although machine or settings differ.
    pub anyway: bool,
    /// A regression is a missed threshold.
    pub fail_on_regression: bool,
    /// As JSON.
    pub json: bool,
}

/// The other side of a comparison.
#[derive(Clone, Debug)]
pub enum With {
    /// Another run.
    Run(PathBuf),
    /// Two models of the run.
    Models([String; 2]),
    /// Two variants of the run.
    Variants([String; 2]),
}

/// Id of the figure that is a slope over several cells.
const MEMORY: &str = "memory";

/// Compares and prints.
///
/// # Errors
/// Where a run cannot be read, a name is unknown, or the runs differ in what shapes results and the user did not say
/// that they are to be compared anyway.
pub fn compare(asked: &Asked) -> anyhow::Result<Exit> {
    let ids = metrics(asked)?;
    let first = pages::read(&asked.run)?;
    let mut comparison = match &asked.with {
        With::Run(folder) => {
            let second = pages::read(folder)?;
            compared(Sides::Runs(&first, &second))
        }
        With::Models([a, b]) => {
            known(&first, "model", [a, b], |trial| &trial.model)?;
            compared(Sides::Models(&first, a, b))
        }
        With::Variants([a, b]) => {
            known(&first, "variant", [a, b], |trial| &trial.variant)?;
            compared(Sides::Variants(&first, a, b))
        }
    };
    comparison.rows.retain(|row| ids.contains(row.metric));
    if !comparison.differing.is_empty() && !asked.anyway {
        let list = lines(&comparison.differing);
        return Err(UsageError::new(format!(
            "the runs differ in what shapes results, so their figures may differ for that reason alone:\n{list}\
             measure both alike, or compare them with --anyway"
        ))
        .into());
    }
    if asked.json {
        println!("{}", serde_json::to_string_pretty(&comparison)?);
    } else {
        print(&comparison);
    }
    let worse = comparison.ended(Direction::Worse).next().is_some();
    Ok(if worse && asked.fail_on_regression { Exit::Missed } else { Exit::Done })
}

/// The ids of the figures that are asked for.
fn metrics(asked: &Asked) -> Result<BTreeSet<&str>, UsageError> {
    let all: Vec<&str> = METRICS.iter().map(|metric| metric.id).chain([MEMORY]).collect();
    let Some(named) = &asked.metrics else { return Ok(all.into_iter().collect()) };
    if let Some(unknown) = named.iter().find(|id| !all.contains(&id.as_str())) {
        let all = all.join(", ");
        return Err(UsageError::new(format!("unknown figure `{unknown}`; there are {all}")));
    }
    Ok(named.iter().map(String::as_str).collect())
}

/// Refuses names that the run does not hold.
fn known(
    run: &Run,
    what: &str,
    names: [&String; 2],
    of: fn(&record::Trial) -> &String,
) -> Result<(), UsageError> {
    let held: BTreeSet<&String> = run.trials.iter().map(of).collect();
    match names.into_iter().find(|name| !held.contains(name)) {
        None => Ok(()),
        Some(name) => {
            let held: Vec<&str> = held.into_iter().map(String::as_str).collect();
            let held = held.join(", ");
            Err(UsageError::new(format!("the run has no {what} `{name}`; it has {held}")))
        }
    }
}

fn print(comparison: &Comparison) {
    println!("A  {}\nB  {}", comparison.first, comparison.second);
    if !comparison.differing.is_empty() {
        print!("\nThey differ in what shapes results:\n{}", lines(&comparison.differing));
    }
    if !comparison.changed.is_empty() {
        print!("\nThey differ in\n{}", lines(&comparison.changed));
    }
    // A map keeps places in order and, within each, the rows as they come: by figure.
    let mut places = BTreeMap::<_, Vec<&Row>>::new();
    for row in &comparison.rows {
        let place =
            (&row.experiment, &row.service, row.connections.unwrap_or(u64::MAX), &row.variant);
        places.entry(place).or_default().push(row);
    }
    for rows in places.values() {
        println!("\n{}", title(rows[0]));
        let mut table = table(&["figure", "model", "A", "B", "B/A", "interval", "verdict"]);
        for row in rows.iter().filter(|row| row.direction != Direction::NotCompared) {
            table.add_row(fields(row));
        }
        if table.row_count() > 0 {
            println!("{table}");
        }
        print!("{}", not_compared(rows));
    }
    print!("\n{}", foot(comparison));
}

fn title(row: &Row) -> String {
    let connections = row.connections.map_or_else(
        || "over connections".to_owned(),
        |connections| format!("{connections} connections"),
    );
    let variant = if row.variant == "default" { "" } else { &row.variant };
    let variant = if variant.is_empty() { String::new() } else { format!(" ({variant})") };
    format!("{}{variant}: {}, {connections}", row.experiment, row.service)
}

fn fields(row: &Row) -> Vec<Field> {
    let ratio = row.ratio.map(|ratio| format!("{:.3}", ratio.ratio));
    let interval = row.ratio.map(|ratio| {
        let claimed = ratio.coverage.map(|coverage| format!(", {:.0} %", coverage * 100.0));
        format!("{:.3} to {:.3}{}", ratio.low, ratio.high, claimed.unwrap_or_default())
    });
    let value = |figure: Option<f64>| figure.map(|figure| text(row.unit, figure));
    let verdict = match row.direction {
        Direction::Better => "better",
        Direction::Worse => "worse",
        Direction::NoDifference => "no difference",
        Direction::NotCompared => "not compared",
    };
    let figures = [value(row.first), value(row.second), ratio, interval];
    let right = |text: Option<String>| {
        Field::new(text.unwrap_or_else(|| "-".into())).set_alignment(CellAlignment::Right)
    };
    let names = [Field::new(row.name), Field::new(&row.model)];
    names.into_iter().chain(figures.map(right)).chain([Field::new(verdict)]).collect()
}

/// A figure in the unit that suits its size.
fn text(unit: &str, figure: f64) -> String {
    match unit {
        "ns" if figure < 1e5 => format!("{:.2} us", figure / 1e3),
        "ns" => time(figure),
        "bytes" if figure < 1024.0 * 1024.0 => format!("{:.2} KiB", figure / 1024.0),
        "bytes" => format!("{:.1} MiB", figure / 1024.0 / 1024.0),
        "" => format!("{figure:.2}"),
        _ => format!("{figure:.0}"),
    }
}

/// What was not compared, by reason: figures, then models.
fn not_compared(rows: &[&Row]) -> String {
    let mut reasons = BTreeMap::<&str, BTreeMap<&str, Vec<&str>>>::new();
    for row in rows {
        if let Some(why) = &row.why {
            reasons.entry(why).or_default().entry(&row.model).or_default().push(row.name);
        }
    }
    let mut said = Vec::new();
    for (why, models) in reasons {
        let mut by_figures = BTreeMap::<Vec<&str>, Vec<&str>>::new();
        for (model, figures) in models {
            by_figures.entry(figures).or_default().push(model);
        }
        for (figures, models) in by_figures {
            let (figures, models) = (figures.join(", "), models.join(", "));
            said.push(format!("   not compared, {why}: {figures} of {models}\n"));
        }
    }
    said.concat()
}

fn foot(comparison: &Comparison) -> String {
    let count = |direction| comparison.ended(direction).count();
    let mut said = vec![format!(
        "{} better, {} worse, {} no difference, {} not compared\n",
        count(Direction::Better),
        count(Direction::Worse),
        count(Direction::NoDifference),
        count(Direction::NotCompared),
    )];
    let visible = METRICS
        .iter()
        .map(|metric| (metric.id, metric.name))
        .chain([(MEMORY, "memory per connection")]);
    let visible: Vec<String> = visible
        .filter_map(|(id, name)| Some((name, comparison.smallest_visible(id)?)))
        .map(|(name, ratio)| format!("{name} {:.1} %", (ratio - 1.0) * 100.0))
        .collect();
    if !visible.is_empty() {
        let visible = visible.join(", ");
        said.push(format!(
            "the smallest change that would be found nine times of ten: {visible}\n"
        ));
    }
    for why in &comparison.floors_unknown {
        said.push(format!(
            "without an A/A floor, {why}: differences of entries by chance are not known\n"
        ));
    }
    for (side, cells) in [("A", &comparison.only_first), ("B", &comparison.only_second)] {
        if !cells.is_empty() {
            said.push(format!("only {side} has {}\n", cells.join(", ")));
        }
    }
    said.concat()
}

fn lines(differing: &[Differing]) -> String {
    let line = |one: &Differing| format!("   {}: {} / {}\n", one.what, one.first, one.second);
    differing.iter().map(line).collect()
}
