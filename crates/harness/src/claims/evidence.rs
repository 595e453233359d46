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
            let unsound =
                lines.iter().find(|it| it.mechanism == line.mechanism && it.sound == Some(false));
            if let Some(control) = unsound {
                let must = control.control.as_deref().unwrap_or_default();
                found.missing.push(format!(
                    "{}: its control `{}` {must} and did not",
                    line.mechanism, control.variant
                ));
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
            match value {
                Some(value) => found.cases.push(CaseFigure {
                    model: model.clone(),
                    value,
                    ..CaseFigure::default()
                }),
                None => found
                    .missing
                    .push(format!("{model}: the run has no record of its pages, or of those that they are compared with")),
            }
        }
        found
    }
}

fn wanted(names: &[String], name: &str) -> bool {
    names.is_empty() || names.iter().any(|one| one == name)
}
