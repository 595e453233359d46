//! How good the statistics are: what intervals cover, what comparisons find and what they find where there is nothing.
//!
//! Noise is drawn from recorded runs, so that its outliers are those of real machines; see [`noise`].

mod methods;
mod noise;
mod simulate;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::Args;
use harness::summary::table;
use record::run::{MACHINE, Run, Timestamp, utc};
use serde::Serialize;
use xshell::Shell;

use self::noise::Dice;
use self::simulate::{
    Coverage, EFFECT, Said, Tables, Verdicts, coverage, noises, tables, verdicts,
};

/// Simulate comparisons under recorded noise: coverage of intervals, A/A comparisons, power by number of repeats
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo script power\n  \
    cargo script power --runs results/20261122T033730Z-vm-2cpu-7c405b3 --draws 10000 --seed 7\n\n\
    The result is stored in `results/`, as JSON.")]
pub(crate) struct Options {
    /// Comparisons simulated for each figure printed; tables of models are a tenth as many
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(10..=1_000_000))]
    draws: u64,
    /// Decides every draw
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Runs whose noise is drawn from [default: all of `results/` that have six repeats of two models]
    #[arg(long, value_name = "DIR", num_args = 1..)]
    runs: Vec<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Figures whose noise is drawn from.
const METRICS: [&str; 4] = ["cpu", "rate", "p50", "p99"];

/// Numbers of repeats that are tried: fewer claim no interval.
const REPEATS: [usize; 7] = [6, 7, 8, 9, 10, 12, 15];

/// A table of as many models as the suite has.
const MODELS: usize = 22;

/// What is stored.
#[derive(Debug, Serialize)]
struct Stored {
    started_at: String,
    command: String,
    draws: u64,
    seed: u64,
    noise: Vec<String>,
    coverage: Vec<Coverage>,
    verdicts: Vec<Verdicts>,
    tables: Vec<Tables>,
}

pub(crate) fn run(shell: &Shell, options: &Options) -> anyhow::Result<()> {
    let results = shell.current_dir().join("results");
    let runs = read(&results, &options.runs)?;
    let noise = noises(&runs, &METRICS);
    ensure!(
        !noise.is_empty(),
        "no run has six repeats of two models; make one with cargo c10k run, or name it with --runs"
    );
    // On standard error, since standard output may be asked to be JSON.
    eprintln!(
        "power: simulating {} comparisons for each figure under recorded noise; they land in results/",
        options.draws
    );
    let started_at = utc(Timestamp::now());
    let (draws, mut dice) = (usize::try_from(options.draws)?, Dice(options.seed));
    let mut stored = Stored {
        command: format!("cargo script {}", std::env::args().skip(1).collect::<Vec<_>>().join(" ")),
        draws: options.draws,
        seed: options.seed,
        noise: noise
            .iter()
            .flat_map(|(id, all)| all.iter().map(move |noise| format!("{id}: {}", noise.name)))
            .collect(),
        started_at,
        coverage: Vec::new(),
        verdicts: Vec::new(),
        tables: Vec::new(),
    };
    for (id, noise) in &noise {
        for repeats in REPEATS {
            for paired in [true, false] {
                let found = coverage((id, noise), (paired, repeats), draws, &mut dice);
                stored.coverage.extend(found);
            }
            stored.verdicts.push(verdicts((id, noise), repeats, draws, &mut dice));
        }
    }
    if let Some((_, noise)) = noise.iter().find(|(id, _)| *id == "cpu") {
        for repeats in REPEATS {
            stored.tables.push(tables(noise, (MODELS, repeats), draws.div_ceil(10), &mut dice));
        }
    }
    let text = serde_json::to_string_pretty(&stored)? + "\n";
    if options.json {
        print!("{text}");
    } else {
        print(&stored);
    }
    let name = format!("power-{}.json", stored.started_at.replace([':', '-'], ""));
    fs::write(results.join(&name), text)
        .with_context(|| format!("failed to write `results/{name}`; free some space there"))?;
    eprintln!("power: the figures are in results/{name}");
    Ok(())
}

/// The runs asked for, or all there are.
fn read(results: &std::path::Path, asked: &[PathBuf]) -> anyhow::Result<Vec<Run>> {
    let mut folders = asked.to_vec();
    if folders.is_empty() {
        let entries =
            fs::read_dir(results).context("failed to list `results/`; make a run first")?;
        let all = entries.filter_map(|entry| Some(entry.ok()?.path()));
        folders = all.filter(|folder| folder.join(MACHINE).is_file()).collect();
        folders.sort();
    }
    let read = |folder: &PathBuf| {
        Run::read(folder).with_context(|| format!("failed to read a run at `{}`", folder.display()))
    };
    folders.iter().map(read).collect()
}

fn print(stored: &Stored) {
    println!("power: {} draws, seed {}, noise of", stored.draws, stored.seed);
    for noise in &stored.noise {
        println!("  {noise}");
    }
    println!(
        "\nIntervals of ratios, in per cent: printed coverage, coverage found, {EFFECT} found, width"
    );
    print_coverage(&stored.coverage);
    println!("\nVerdicts with the floor of two twins, in per cent");
    print_verdicts(&stored.verdicts);
    println!(
        "\nAll pairs of {MODELS} models by CPU per request, in per cent: all the same, then half of them 5 % dearer"
    );
    print_tables(&stored.tables);
}

fn print_coverage(rows: &[Coverage]) {
    let mut table =
        table(&["figure", "trials", "repeats", "method", "printed", "covered", "found", "width"]);
    for row in rows {
        let trials = if row.paired { "paired" } else { "two runs" };
        let names = [row.metric, trials, &row.repeats.to_string(), row.method].map(str::to_owned);
        let shares = [row.printed, row.covered, row.found, row.width].map(percent);
        table.add_row(names.into_iter().chain(shares));
    }
    println!("{table}");
}

fn print_verdicts(rows: &[Verdicts]) {
    let mut table = table(&[
        "figure",
        "repeats",
        "median floor",
        "A/A beyond it",
        "paired: A/A",
        "5 %",
        "smallest visible",
        "two runs: A/A",
        "5 %",
        "smallest visible",
    ]);
    for row in rows {
        let said = |said: Said| [said.different, said.found, said.visible].map(Some);
        let shares = [row.floor, Some(row.beyond_floor)]
            .into_iter()
            .chain(said(row.paired))
            .chain(said(row.of_runs));
        let names = [row.metric.to_owned(), row.repeats.to_string()];
        table.add_row(names.into_iter().chain(shares.map(percent)));
    }
    println!("{table}");
}

fn print_tables(rows: &[Tables]) {
    let mut table = table(&["repeats", "same called different", "false discoveries", "found"]);
    for row in rows {
        let shares = [row.false_when_all_same, row.false_discoveries, row.found];
        let shares = shares.map(|share| percent(Some(share)));
        table.add_row([row.repeats.to_string()].into_iter().chain(shares));
    }
    println!("{table}");
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}", share * 100.0))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use record::compare::{Place, Ties, Verdict, metric};

    use super::*;

    /// Committed runs of one machine, six repeats each.
    fn committed() -> Vec<Run> {
        let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
        let runs = ["20261122T001323Z-vm-2cpu-99a4cad", "20261122T033730Z-vm-2cpu-7c405b3"];
        read(&results, &runs.map(|run| results.join(run))).unwrap()
    }

    /// Their noise of CPU per request.
    fn recorded() -> Vec<noise::Noise> {
        let (_, noise) = noises(&committed(), &["cpu"]).pop().unwrap();
        assert_eq!(noise.len(), 2, "{noise:?}");
        noise
    }

    /// 600 draws of a share of 95 % wander by 0.9 points: two points and three times that.
    const SLACK: f64 = 0.047;

    #[test]
    fn the_elected_intervals_cover_what_they_print_and_find_most_with_few_repeats() {
        let noise = recorded();
        let found = |row: &Coverage| row.found.unwrap_or(0.0);
        for paired in [true, false] {
            let rows = coverage(("cpu", &noise), (paired, 7), 600, &mut Dice(1));
            let elected = &rows[0];
            let (printed, covered) = (elected.printed.unwrap(), elected.covered.unwrap());
            assert!((printed - covered).abs() < SLACK, "{elected:?}");
            assert!(rows[1..].iter().all(|other| found(other) < found(elected)), "{rows:?}");
        }
    }

    #[test]
    fn five_of_a_hundred_comparisons_of_the_same_say_difference_at_most() {
        let verdicts = verdicts(("cpu", &recorded()), 9, 600, &mut Dice(2));
        for said in [verdicts.paired, verdicts.of_runs] {
            assert!(said.different <= 0.05, "{verdicts:?}");
            assert!((said.visible - 0.9).abs() < SLACK + 0.02, "{verdicts:?}");
        }
        assert!(verdicts.floor.is_some_and(|floor| floor > 0.0), "{verdicts:?}");
    }

    #[test]
    fn false_discoveries_stay_below_a_twentieth_and_fifteen_repeats_find_five_per_cent() {
        let (noise, mut dice) = (recorded(), Dice(3));
        let tables = tables(&noise, (10, 15), 20, &mut dice);
        assert!(tables.false_discoveries <= 0.05, "{tables:?}");
        assert!(tables.false_when_all_same <= 0.05 && tables.found > 0.6, "{tables:?}");
        let alone = coverage(("cpu", &noise), (true, 15), 600, &mut dice);
        assert!(alone[0].found >= Some(0.9), "{alone:?}");
    }

    #[test]
    fn two_runs_of_one_machine_contradict_each_other_about_no_more_pairs_than_they_may() {
        let runs = committed();
        let place = Place {
            experiment: "sweep".into(),
            service: "http".into(),
            connections: 100,
            variant: "default".into(),
        };
        let ties = [0, 1].map(|run| Ties::of(&runs[run], &place, metric("cpu").unwrap()));
        let models: Vec<&str> =
            runs[0].machine.contestants.iter().map(|one| one.name.as_str()).collect();
        let (mut told, mut contradicted) = (0.0, 0.0);
        for (index, a) in models.iter().enumerate() {
            for b in &models[index + 1..] {
                let judged = [0, 1].map(|run| ties[run].between(a, b).unwrap());
                if judged.iter().all(|judged| judged.verdict == Verdict::Different) {
                    let [first, second] = judged.map(|judged| judged.ratio.unwrap().ratio > 1.0);
                    told += 1.0;
                    contradicted += f64::from(u8::from(first != second));
                }
            }
        }
        assert!(told > 20.0 && contradicted <= 0.05 * told, "{contradicted} of {told}");
    }
}
