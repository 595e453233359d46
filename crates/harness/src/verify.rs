//! `c10k verify`: the conformance battery over the registry, as a table model x case.

use std::collections::VecDeque;
use std::num::NonZero;
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use measure::limits;
use record::run::{Timestamp, utc};
use record::{CaseRecord, Conformance, Conforms, Finding, ModelConformance};

use crate::battery::{CASES, Case, Subject, Verdict};
use crate::exit::Exit;
use crate::interrupt;
use crate::registry::{Model, Registry};
use crate::summary::table;
use crate::workspace;

/// What was asked for by name.
#[derive(Debug)]
pub struct Asked {
    /// Models, all without one.
    pub models: Option<Vec<String>>,
    /// Cases, all without one.
    pub cases: Option<Vec<String>>,
    /// Connections that the case `hold` opens.
    pub connections: usize,
}

/// Tries at once: most of them wait.
pub const JOBS: NonZero<usize> = NonZero::new(4).expect("four is not zero");

/// What is tried.
#[derive(Debug)]
pub struct Selection {
    subjects: Vec<Subject>,
    cases: Vec<&'static Case>,
}

impl Asked {
    /// The models and cases of those names, or an error that lists the names there are.
    pub fn among(&self, registry: &Registry) -> anyhow::Result<Selection> {
        let models = match &self.models {
            Some(names) => {
                names.iter().map(|name| registry.get(name)).collect::<Result<Vec<_>, _>>()?
            }
            None => registry.models.iter().collect(),
        };
        let binaries = workspace::binaries()?;
        let subject = |model: &Model| Subject {
            connections: self.connections,
            ..Subject::of(model, &binaries)
        };
        let subjects = models.into_iter().map(subject).collect();
        Ok(Selection { subjects, cases: selected_cases(self.cases.as_deref())? })
    }
}

impl Selection {
    /// The models.
    #[must_use]
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }
}

/// One case tried on one model.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The model's name.
    pub model: String,
    /// The case's name.
    pub case: &'static str,
    /// What was found.
    pub verdict: Verdict,
}

/// Runs the battery, so many tries at once, and prints it; fails when a model does.
pub fn verify(selection: &Selection, jobs: NonZero<usize>, json: bool) -> anyhow::Result<Exit> {
    let Selection { subjects, cases } = selection;
    interrupt::catch()?;
    limits::raise_descriptors().context("failed to raise the limit of open descriptors")?;
    let started = Timestamp::now();
    let tried = run(subjects, cases, jobs);
    if json {
        let conformance = conformance(started, subjects, cases, &tried);
        println!("{}", serde_json::to_string_pretty(&conformance)?);
    } else {
        print(subjects, cases, &tried);
    }
    let failed = tried.iter().any(|one| matches!(one.verdict, Verdict::Fail(_)));
    Ok(match (interrupt::requested(), failed) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Done,
    })
}

/// The whole battery over these models as a record, with the failures told; `None` when it was interrupted.
#[must_use]
pub fn prove(models: &[&Model], binaries: &Path) -> Option<Conformance> {
    let subject = |model: &&Model| Subject::of(model, binaries);
    let subjects: Vec<Subject> = models.iter().map(subject).collect();
    let cases: Vec<&Case> = CASES.iter().collect();
    let started = Timestamp::now();
    let tried = run(&subjects, &cases, JOBS);
    if interrupt::requested() {
        return None;
    }
    let failures: Vec<&Tried> =
        tried.iter().filter(|one| matches!(one.verdict, Verdict::Fail(_))).collect();
    for one in &failures {
        print_one(one);
    }
    println!("conformance: {} tried, {} failed", tried.len(), failures.len());
    Some(conformance(started, &subjects, &cases, &tried))
}

fn selected_cases(names: Option<&[String]>) -> anyhow::Result<Vec<&'static Case>> {
    let Some(names) = names else { return Ok(CASES.iter().collect()) };
    let find = |name: &String| {
        CASES.iter().find(|case| case.name == name).ok_or_else(|| {
            let known: Vec<String> = CASES.iter().map(|case| format!("`{}`", case.name)).collect();
            crate::exit::UsageError::new(format!(
                "unknown case `{name}`; the cases are {}",
                known.join(", ")
            ))
            .into()
        })
    };
    names.iter().map(find).collect()
}

/// Tries every case on every subject, so many at once; in the order of the table.
#[must_use]
pub fn run(subjects: &[Subject], cases: &[&'static Case], jobs: NonZero<usize>) -> Vec<Tried> {
    let pairs = subjects.iter().flat_map(|subject| cases.iter().map(move |case| (subject, *case)));
    let queue: Mutex<VecDeque<_>> = Mutex::new(pairs.enumerate().collect());
    let found = Mutex::new(Vec::new());
    let bar = progress(subjects.len() * cases.len());
    let work = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((place, (subject, case))) = next.filter(|_| !interrupt::requested()) else {
                return;
            };
            bar.set_message(format!("{} {}", subject.model.name, case.name));
            let verdict = case.run(subject);
            let tried = Tried { model: subject.model.name.clone(), case: case.name, verdict };
            found.lock().unwrap_or_else(PoisonError::into_inner).push((place, tried));
            bar.inc(1);
        }
    };
    thread::scope(|scope| (0..jobs.get()).for_each(|_| drop(scope.spawn(work))));
    bar.finish_and_clear();
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|(place, _)| *place);
    found.into_iter().map(|(_, tried)| tried).collect()
}

/// On a terminal only; indicatif hides itself elsewhere.
pub(crate) fn progress(total: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(total).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len}, {eta} left  {msg}");
    bar.set_style(style.expect("the template is well-formed"));
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

fn of<'a>(tried: &'a [Tried], model: &str, case: &str) -> Option<&'a Verdict> {
    tried.iter().find(|one| one.model == model && one.case == case).map(|one| &one.verdict)
}

fn mark(verdict: Option<&Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Pass) => "ok",
        Some(Verdict::Declared(_)) => "limit",
        Some(Verdict::NotTestable(_)) => "n/a",
        Some(Verdict::Fail(_)) => "FAIL",
        None => "",
    }
}

/// A row a case and a column a model; the columns are numbered, since twenty-two names fit no terminal.
fn print(subjects: &[Subject], cases: &[&Case], tried: &[Tried]) {
    let numbers: Vec<String> = (1..=subjects.len()).map(|number| number.to_string()).collect();
    let head: Vec<&str> = ["case"].into_iter().chain(numbers.iter().map(String::as_str)).collect();
    let mut table = table(&head);
    for case in cases {
        let marks = subjects
            .iter()
            .map(|subject| mark(of(tried, &subject.model.name, case.name)).to_owned());
        table.add_row([case.name.to_owned()].into_iter().chain(marks));
    }
    println!("{table}");
    for (index, subject) in subjects.iter().enumerate() {
        println!("{:>3} {}", index + 1, subject.model.name);
    }
    println!("\nlimit: as the registry declares it; n/a: not testable on this machine");
    tried.iter().for_each(print_one);
    let failed = tried.iter().filter(|one| matches!(one.verdict, Verdict::Fail(_))).count();
    println!("{} tried, {failed} failed", tried.len());
}

/// What is to be said of it, where it did not simply pass.
fn print_one(one: &Tried) {
    if let Some(text) = detail(&one.verdict) {
        println!("{:5} {} {}: {text}", mark(Some(&one.verdict)), one.model, one.case);
    }
}

fn detail(verdict: &Verdict) -> Option<&String> {
    match verdict {
        Verdict::Pass => None,
        Verdict::Declared(text) | Verdict::NotTestable(text) | Verdict::Fail(text) => Some(text),
    }
}

fn conformance(
    started: Timestamp,
    subjects: &[Subject],
    cases: &[&Case],
    tried: &[Tried],
) -> Conformance {
    let finding = |verdict: &Verdict| Finding {
        verdict: match verdict {
            Verdict::Pass => Conforms::Pass,
            Verdict::Declared(_) => Conforms::Declared,
            Verdict::NotTestable(_) => Conforms::NotTestable,
            Verdict::Fail(_) => Conforms::Fail,
        },
        detail: detail(verdict).cloned(),
    };
    let model = |subject: &Subject| {
        let model = subject.model.name.clone();
        let found = tried.iter().filter(|one| one.model == model);
        let cases = found.map(|one| (one.case.to_owned(), finding(&one.verdict))).collect();
        ModelConformance { model, cases }
    };
    let case = |case: &&Case| CaseRecord { name: case.name.into(), claim: case.claim.into() };
    Conformance {
        schema: record::SCHEMA,
        started_at: utc(started),
        cases: cases.iter().map(case).collect(),
        models: subjects.iter().map(model).collect(),
    }
}
