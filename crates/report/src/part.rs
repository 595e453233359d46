//! One run's part of the page: the answer, the verdict, a section for each experiment, and what stands around them.

use record::Run;

use crate::answer::{self, Answer};
use crate::baseline::{self, Baseline};
use crate::cells::{self, Group};
use crate::charts::{self, Chart};
use crate::choice::{self, Choice};
use crate::claims::{self, Claims};
use crate::conformance::{self, Conformance};
use crate::doubts::{self, Doubts};
use crate::environment::{self, Environment};
use crate::experiments::{self, Experiment};
use crate::packed::pack_data;
use crate::price::{self, Prices};
use crate::sources::{self, Source};
use crate::twins::{self, Pairs};
use crate::verdict::{self, Label, Verdict};
use crate::{data, format, tables};

/// Loads that are answered at the top; the answers of others stand in their experiments.
const ANSWERS_MAX: usize = 4;

/// One run.
pub(crate) struct Part<'run> {
    pub(crate) prefix: String,
    pub(crate) name: String,
    pub(crate) asked: Vec<(&'static str, Vec<String>)>,
    pub(crate) ground: String,
    pub(crate) answers: Vec<Answer>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) prices: Option<Prices>,
    /// The loads that most look for; all others stand in their experiments.
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) experiments: Vec<Experiment>,
    pub(crate) baseline: Option<Baseline>,
    /// Cost against lines of code, and the models that are on it.
    pub(crate) effort: Option<(Chart, Vec<Label>)>,
    /// What the run says of the claims of others.
    pub(crate) claims: Option<Claims>,
    pub(crate) conformance: Option<Conformance<'run>>,
    pub(crate) sources: Vec<Source<'run>>,
    pub(crate) environment: Environment<'run>,
    pub(crate) pairs: Vec<Pairs>,
    pub(crate) doubts: Doubts,
    /// For other programs: gzip in base64.
    pub(crate) data: String,
}

impl<'run> Part<'run> {
    /// `earlier` runs are on the page already.
    pub(crate) fn new(
        run: &'run Run,
        earlier: &[Run],
        other: Option<&Run>,
        prefix: String,
    ) -> Self {
        let groups = cells::groups(run, &prefix);
        let mut all: Vec<Option<Verdict>> =
            groups.iter().map(|group| verdict::verdict(group, &groups, run, &prefix)).collect();
        let mut said: Vec<Option<Answer>> = groups
            .iter()
            .zip(&all)
            .map(|(group, verdict)| answer::answer(group, &verdict.as_ref()?.id))
            .collect();
        let unpaced = (0..groups.len()).filter(|&place| !groups[place].is_paced());
        let answers = unpaced.take(ANSWERS_MAX).filter_map(|place| said[place].take()).collect();
        let verdicts = headline(&groups).filter_map(|place| all[place].take()).collect();
        let told = all.into_iter().zip(said).collect();
        let mut trouble = Vec::new();
        let experiments = experiments::experiments(run, &groups, told, &prefix, &mut trouble);
        let effort = groups.first().and_then(|group| {
            let legend =
                group.models.iter().map(|model| verdict::label(model, &run.machine, &prefix));
            Some((charts::effort(group, &run.machine)?, legend.collect()))
        });
        Self {
            name: run.name(),
            asked: asked(run, &groups),
            ground: answer::ground(run, &groups),
            answers,
            choices: choice::choices(run, &groups),
            prices: price::prices(run, &groups, &prefix),
            verdicts,
            experiments,
            baseline: other.map(|other| baseline::baseline(run, &groups, other, &prefix)),
            effort,
            claims: claims::claims(run, &prefix),
            conformance: conformance::conformance(run, &prefix),
            sources: sources::sources(run, earlier, &groups, &prefix),
            environment: environment::environment(run),
            pairs: groups
                .iter()
                .filter_map(|group| twins::pairs(group, &run.machine, &prefix))
                .collect(),
            doubts: doubts::doubts(run, &groups, &trouble, &prefix),
            data: pack_data(&data::json(run, &groups)),
            prefix,
        }
    }
}

impl Part<'_> {
    /// Every chart of the part: none of them is of use without a script, so the page carries them packed.
    pub(crate) fn charts(&self) -> impl Iterator<Item = &Chart> {
        let effort = self.effort.iter().map(|(chart, _)| chart);
        self.experiments.iter().flat_map(Experiment::charts).chain(effort)
    }
}

/// Places of the groups whose verdicts come first: busy and mostly idle, as the first of them is served.
fn headline(groups: &[Group<'_>]) -> impl Iterator<Item = usize> {
    let service = groups.first().map(|group| group.service);
    let first = |group: &Group<'_>| {
        ["sweep", "idle-mass"].contains(&group.experiment)
            && group.variant == "default"
            && Some(group.service) == service
    };
    let any = groups.iter().any(first);
    let places: Vec<usize> = groups
        .iter()
        .enumerate()
        .filter(|(place, group)| first(group) || (!any && *place == 0))
        .map(|(place, _)| place)
        .collect();
    places.into_iter()
}

/// What was asked, from what was done.
fn asked(run: &Run, groups: &[Group<'_>]) -> Vec<(&'static str, Vec<String>)> {
    let distinct = |of: &dyn Fn(&Group) -> Vec<String>| {
        let mut all: Vec<String> = Vec::new();
        for item in groups.iter().flat_map(of) {
            if !all.contains(&item) {
                all.push(item);
            }
        }
        all
    };
    let mut connections: Vec<u64> =
        groups.iter().flat_map(|group| group.connections.clone()).collect();
    connections.sort_unstable();
    connections.dedup();
    let connections: Vec<String> = connections.into_iter().map(format::count).collect();
    let windows: Vec<f64> =
        run.trials.iter().filter_map(|trial| trial.duration_s.filter(|s| s.is_finite())).collect();
    let (least, most) = windows
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(least, most), &s| (least.min(s), most.max(s)));
    let window = record::stats::median(&windows).map(|middle| {
        let [least, middle, most] = [least, middle, most].map(format::significant);
        if least == most {
            format!("{middle} s")
        } else {
            format!("{least} to {most} s by experiment and model, {middle} s in the middle")
        }
    });
    let models = distinct(&|group| group.models.iter().map(ToString::to_string).collect());
    let loads = distinct(&|group| {
        vec![format!(
            "{}: {}, {}",
            tables::title(group),
            group.load(),
            format::plural(group.cells.len(), "cell")
        )]
    });
    let rows = [
        ("Models", vec![format::list(&models)]),
        ("Loads", loads),
        ("Connections", vec![format::list(&connections)]),
        ("Window", vec![window.unwrap_or_default()]),
        ("Profile", vec![run.machine.profile.clone()]),
        ("Made", vec![run.machine.started_at.clone()]),
        ("On", vec![run.machine.host_label.clone()]),
    ];
    rows.into_iter().filter(|(_, lines)| lines.iter().any(|line| !line.is_empty())).collect()
}
