//! What there is to judge by: a run's cells, the laboratory's lines, the models' pages, the drivers' record.

use record::claims::{CaseFigure, LabLine};
use record::run::Run;

use super::criterion::Test;
use super::{nesting, of_drivers, of_run};

/// Everything that a claim can be judged by.
pub(super) struct Evidence<'a> {
    pub(super) run: &'a Run,
    pub(super) lab: &'a [LabLine],
    /// The newest `drivers-*.json`, which lies beside the runs.
    drivers: Option<serde_json::Value>,
}

/// What was found for one test.
#[derive(Default)]
pub(super) struct Found {
    pub(super) cases: Vec<CaseFigure>,
    /// Why there is not more.
    pub(super) missing: Vec<String>,
    /// Why nothing can be decided, although there are cases: a load that the test names was not measured.
    pub(super) open: Option<String>,
}

impl<'a> Evidence<'a> {
    pub(super) fn of(run: &'a Run, lab: &'a [LabLine]) -> Self {
        let drivers = run.dir.parent().and_then(of_drivers::newest);
        Self { run, lab, drivers }
    }

    /// The cases of a test; each says whether it meets the demand.
    pub(super) fn find(&self, test: &Test) -> Found {
        let mut found = match (&test.experiment, &test.lab, &test.pages) {
            (Some(experiment), ..) => of_run::find(self.run, test, experiment),
            (_, Some(lab), _) => self.in_lab(test, lab),
            (.., Some(page)) => self.in_pages(test, page),
            _ => of_drivers::find(self.drivers.as_ref(), test),
        };
        // A quotient of nothing is no figure, and JSON has no such number.
        found.cases.retain(|case| case.value.is_finite());
        for case in &mut found.cases {
            case.passed = test.passes(case.value);
        }
        found
    }

    fn in_lab(&self, test: &Test, lab: &str) -> Found {
        let mut found = Found::default();
        let lines: Vec<&LabLine> = self.lab.iter().filter(|line| line.test == lab).collect();
        if lines.is_empty() {
            found.missing.push(format!("`lab {lab}` was not run; leave out `--no-lab`, and build it by `cargo build --release -p lab`"));
        }
        for line in lines.iter().filter(|line| line.variant == "not-run") {
            found.missing.push(format!(
                "{}: {}",
                line.mechanism,
                line.said.as_deref().unwrap_or("it did not run")
            ));
        }
        for line in lines.iter().filter(|line| {
            wanted(&test.variants, &line.variant) && wanted(&test.models, &line.mechanism)
        }) {
            if let Some(why) = out_of_control(&lines, &line.mechanism) {
                found.missing.push(why);
            } else if let Some(value) = line.figures.get(&test.metric) {
                found.cases.push(CaseFigure {
                    model: line.mechanism.clone(),
                    at: if test.variants.len() == 1 { String::new() } else { line.variant.clone() },
                    value: *value,
                    unit: if test.metric.ends_with("_ms") { "ms".into() } else { String::new() },
                    passed: None,
                    detail: line.said.clone(),
                });
            }
        }
        found
    }

    fn in_pages(&self, test: &Test, page: &str) -> Found {
        let figure =
            |model: &str| nesting::figure(self.run.machine.contestant(model)?, page, &test.metric);
        let base = test.over.as_ref().and_then(|over| over.model.as_deref());
        let mut found = Found::default();
        let models = super::models(self.run, test);
        for model in models.iter().filter(|model| Some(model.as_str()) != base) {
            let value = match base {
                None => figure(model),
                Some(base) => figure(model).zip(figure(base)).map(|(value, base)| value / base),
            };
            if let Some(value) = value {
                let model = model.clone();
                found.cases.push(CaseFigure { model, value, ..CaseFigure::default() });
            } else {
                let both: Vec<&str> = [Some(model.as_str()), base].into_iter().flatten().collect();
                found.missing.push(format!(
                    "the run has no record of the pages of {}: `c10k run --models {}` makes one",
                    both.join(" or "),
                    both.join(",")
                ));
            }
        }
        found
    }
}

/// Why a mechanism's figures decide nothing: a control that came out wrong, or none at all.
fn out_of_control(lines: &[&LabLine], mechanism: &str) -> Option<String> {
    let mut controls =
        lines.iter().filter(|it| it.mechanism == mechanism && it.control.is_some()).peekable();
    if controls.peek().is_none() {
        return Some(format!("{mechanism}: it has no control"));
    }
    let unsound = controls.find(|it| it.sound != Some(true))?;
    let must = unsound.control.as_deref().unwrap_or_default();
    Some(format!("{mechanism}: its control `{}` {must} and did not", unsound.variant))
}

fn wanted(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|one| one == name)
}
