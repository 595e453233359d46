//! From profiles and options to the trials in their order.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::time::Duration;

use harness::estimate;
use harness::order::{Planned, owed, trials};
use harness::overrides::Overrides;
use harness::plan::{Fault, Plan, Service};
use harness::registry::Registry;
use record::Key;

fn applied(profile: &str, overrides: &Overrides) -> Plan {
    overrides.apply(Plan::profile(profile).unwrap(), &Registry::embedded()).unwrap()
}

#[test]
fn every_profile_parses_and_survives_its_own_form() {
    for name in Plan::profiles() {
        let plan = applied(name, &Overrides { seed: Some(7), ..Overrides::default() });
        assert_eq!(plan.profile, name);
        assert_eq!(Plan::parse(&plan.to_toml().unwrap()).unwrap(), plan);
    }
}

#[test]
fn quick_is_every_model_at_100_six_times_and_once_with_10000_open_and_100_active() {
    let plan = applied("quick", &Overrides::default());
    let all = trials(&plan);
    let models = Registry::embedded().models.len();
    let sweep: Vec<&Planned<'_>> =
        all.iter().filter(|trial| trial.experiment.name == "sweep").collect();
    let idle: Vec<&Planned<'_>> =
        all.iter().filter(|trial| trial.experiment.name == "idle-mass").collect();
    // Two models are entered twice.
    assert_eq!((sweep.len(), idle.len()), ((models + 2) * 6, models));
    assert!(sweep.iter().all(|trial| trial.connections == 100 && trial.service == Service::Http));
    assert!(
        idle.iter()
            .all(|trial| trial.connections == 10_000 && trial.experiment.active.of(10_000) == 100)
    );
}

#[test]
fn quick_fits_into_six_minutes_with_22_models() {
    let mut plan = applied("quick", &Overrides::default());
    assert!(plan.models.len() >= 22, "the twins among them");
    plan.models.truncate(22);
    let registry = Registry::embedded();
    let takes = |planned: &Planned<'_>| estimate::of(planned, registry.get(planned.model).unwrap());
    let expected: Duration = trials(&plan).iter().map(takes).sum();
    assert!(expected < Duration::from_mins(6), "{expected:?}");
}

#[test]
fn services_and_connections_mean_the_sweep_and_every_model() {
    let overrides = Overrides {
        services: Some(vec![Service::Echo, Service::Http]),
        connections: Some(vec![1, 100, 1000, 10_000, 100]),
        repeats: Some(1),
        ..Overrides::default()
    };
    let plan = applied("quick", &overrides);
    let all = trials(&plan);
    assert_eq!(
        all.len(),
        Registry::embedded().models.len() * 2 * 4,
        "100 was named twice and counts once"
    );
    assert!(all.iter().all(|trial| trial.experiment.name == "sweep"));
}

#[test]
fn named_experiments_take_the_options_too() {
    let overrides = Overrides {
        experiments: Some(vec!["idle-mass".into()]),
        connections: Some(vec![2000]),
        models: Some(vec!["tokio-tasks".into(), "thread-pool".into()]),
        ..Overrides::default()
    };
    let plan = applied("quick", &overrides);
    assert_eq!(plan.models, ["thread-pool", "tokio-tasks"], "in report order");
    let all = trials(&plan);
    assert_eq!(all.len(), 2);
    assert!(
        all.iter().all(|trial| trial.connections == 2000 && trial.experiment.active.of(2000) == 20)
    );
}

#[test]
fn the_seed_decides_the_order_and_repeats_are_interleaved() {
    let plan = |seed| applied("standard", &Overrides { seed: Some(seed), ..Overrides::default() });
    let keys = |plan: &Plan| trials(plan).iter().map(Planned::key).collect::<Vec<_>>();
    let (one, same, other) = (keys(&plan(1)), keys(&plan(1)), keys(&plan(2)));
    assert_eq!(one, same);
    assert_ne!(one, other);
    assert_eq!(one.iter().collect::<BTreeSet<_>>(), other.iter().collect::<BTreeSet<_>>());
    assert_ne!(
        one.iter().filter(|key| key.repeat == 1).map(|key| &key.model).collect::<Vec<_>>(),
        one.iter().filter(|key| key.repeat == 2).map(|key| &key.model).collect::<Vec<_>>(),
        "each repeat has an order of its own"
    );
    let cell = |key: &Key| {
        let Key { experiment, service, connections, .. } = key;
        (experiment.clone(), service.clone(), *connections)
    };
    let round: Vec<&Key> = one.iter().filter(|key| key.repeat == 15).collect();
    let cells = round.chunk_by(|a, b| cell(a) == cell(b)).count();
    let distinct: BTreeSet<_> = round.iter().map(|key| cell(key)).collect();
    assert!(distinct.len() > 1, "{distinct:?}");
    assert_eq!(cells, distinct.len(), "who is compared is measured within moments");
    let places: Vec<u32> = trials(&plan(1)).iter().map(|trial| trial.order).collect();
    assert_eq!(places, (1..).take(places.len()).collect::<Vec<u32>>());
}

#[test]
fn ceilings_come_first_then_their_shares_and_what_takes_minutes_last() {
    let plan = applied("full", &Overrides { seed: Some(1), ..Overrides::default() });
    let part = |trial: &Planned<'_>| match (&*trial.experiment.name, trial.connections) {
        ("rate", _) if trial.tells_ceiling() => 0,
        ("rate", _) => 1,
        (_, 1_000_000) => 3,
        _ => 2,
    };
    let parts: Vec<_> = trials(&plan).iter().map(|trial| (part(trial), trial.repeat)).collect();
    assert!(parts.is_sorted(), "within a part, a repeat is over before the next begins");
    let distinct: BTreeSet<_> = parts.iter().map(|(part, _)| part).collect();
    assert_eq!(distinct.len(), 4);
}

#[test]
fn owed_trials_keep_their_places() {
    let plan = applied("smoke", &Overrides { seed: Some(3), ..Overrides::default() });
    let all = trials(&plan);
    let done = all[0].key();
    let rest = owed(&plan, |key| *key == done);
    assert_eq!(rest.len(), all.len() - 1);
    assert!(
        rest.iter()
            .zip(&all[1..])
            .all(|(owed, planned)| owed.order == planned.order && owed.key() == planned.key())
    );
}

#[test]
fn windows_grow_with_the_kernels_turns_unless_a_duration_is_given() {
    let plan = applied("quick", &Overrides::default());
    let (sweep, idle) = (&plan.experiments[0], &plan.experiments[1]);
    let registry = Registry::embedded();
    let [threads, pool, tasks] = ["thread-per-connection", "thread-pool", "tokio-tasks"]
        .map(|name| registry.get(name).unwrap());
    assert_eq!(sweep.window(threads, 100), Duration::from_secs(1));
    assert_eq!(sweep.window(threads, 10_000), Duration::from_secs(30));
    assert_eq!(sweep.window(pool, 10_000), Duration::from_secs(1), "128 have turns, the rest wait");
    assert_eq!(sweep.window(tasks, 10_000), Duration::from_secs(1), "a loop goes round");
    assert_eq!(idle.window(threads, 10_000), Duration::from_secs(1), "only 100 are active");
    let exact = applied(
        "quick",
        &Overrides { duration: Some(Duration::from_secs(2)), ..Overrides::default() },
    );
    assert_eq!(exact.experiments[0].window(threads, 10_000), Duration::from_secs(2));
}

#[test]
fn plans_that_cannot_be_measured_are_refused_with_the_remedy() {
    let good = "profile = 'p'\n[[experiment]]\nname = 'e'\nservices = ['echo']\nconnections = [1]\nrepeats = 1\n\
                warmup_s = 0.0\nduration_s = 1.0\n";
    assert!(Plan::parse(good).is_ok());
    let broken = [
        (good.replace("['echo']", "[]"), "service"),
        (good.replace("['echo']", "['smtp']"), "smtp"),
        (good.replace("[1]", "[0]"), "0 connections"),
        (good.replace("repeats = 1", "repeats = 0"), "repeats"),
        (good.replace("duration_s = 1.0", "duration_s = -1.0"), "window"),
        (good.replace("duration_s = 1.0", "duration_s = nan"), "window"),
        (format!("{good}active = '0%'\n"), "0%"),
        (format!("{good}active = '101%'\n"), "101%"),
        (format!("{good}colour = 'red'\n"), "colour"),
        (format!("{good}fault = 'flood'\n"), "flood"),
        (format!("{good}fault = 'panic'\n"), "leave out echo"),
        ("profile = 'p'\nexperiment = []\n".into(), "experiment"),
        (good.replacen("[[", &format!("{}[[", &good[14..]), 1), "twice"),
    ];
    for (text, word) in broken {
        let error = format!("{:#}", Plan::parse(&text).unwrap_err());
        assert!(error.contains(word), "{text}\n{error}");
    }
}

#[test]
fn a_run_that_was_planned_before_there_were_several_faults_can_still_be_resumed() {
    let text = "profile = 'p'\n[[experiment]]\nname = 'e'\nservices = ['http']\nconnections = [1]\nrepeats = 1\n\
                warmup_s = 0.0\nduration_s = 1.0\nkill_child = true\n";
    let plan = Plan::parse(text).unwrap();
    assert_eq!(plan.experiments[0].fault(), Some(Fault::KilledChild));
    let text = text.replace("kill_child = true", "kill_child = false");
    assert_eq!(Plan::parse(&text).unwrap().experiments[0].fault(), None);
}

#[test]
fn shares_of_the_connections_are_at_least_one_and_at_most_all() {
    let active = |text: &str| {
        let text = format!(
            "profile = 'p'\n[[experiment]]\nname = 'e'\nservices = ['echo']\nconnections = [1]\nrepeats = 1\n\
             warmup_s = 0.0\nduration_s = 1.0\nactive = {text}\n"
        );
        Plan::parse(&text).unwrap().experiments[0].active
    };
    assert_eq!(active("'1%'").of(10_000), 100);
    assert_eq!(active("'0.5%'").of(10_000), 50);
    assert_eq!(active("'1%'").of(10), 1);
    assert_eq!(active("'100%'").of(10), 10);
    assert_eq!(active("7").of(10), 7);
    assert_eq!(active("70").of(10), 10);
}

#[test]
fn a_model_with_a_twin_is_entered_twice_and_no_other() {
    let mut plan = applied("smoke", &Overrides { seed: Some(3), ..Overrides::default() });
    plan.experiments[0].twins = vec!["mio-loop".into()];
    let is_twin = |trial: &&Planned<'_>| trial.variant == "twin";
    assert_eq!(
        trials(&plan).iter().filter(is_twin).count(),
        0,
        "one repeat tells nothing of chance"
    );
    plan.experiments[0].repeats = 6;
    let mut without = plan.clone();
    without.experiments[0].twins.clear();
    let before = trials(&without).len();
    let all = trials(&plan);
    let twins: Vec<&Planned<'_>> = all.iter().filter(is_twin).collect();
    assert_eq!(twins.len(), 2 * 6, "echo and HTTP");
    assert!(twins.iter().all(|twin| twin.model == "mio-loop"));
    assert_eq!(all.len(), before + twins.len());
}

#[test]
fn experiments_may_be_for_some_models_alone() {
    let mut plan = applied("smoke", &Overrides { seed: Some(3), ..Overrides::default() });
    plan.experiments[0].models = vec!["tokio-tasks".into(), "not-in-this-run".into()];
    assert!(trials(&plan).iter().all(|trial| trial.model == "tokio-tasks"));
    assert_eq!(trials(&plan).len(), 2, "echo and HTTP");
    plan.experiments[0].except = vec!["tokio-tasks".into()];
    assert!(trials(&plan).is_empty());
}

#[test]
fn entries_of_an_experiment_share_its_cells_and_none_is_measured_twice() {
    let keys = |overrides: &Overrides| {
        let plan = applied("full", overrides);
        trials(&plan).iter().map(Planned::key).collect::<Vec<_>>()
    };
    let named = Some(vec!["sweep".to_owned()]);
    let only = |services: &Option<Vec<Service>>, connections: &Option<Vec<u64>>| Overrides {
        experiments: named.clone(),
        services: services.clone(),
        connections: connections.clone(),
        ..Overrides::default()
    };
    let both = Some(vec![Service::Http, Service::Echo]);
    for overrides in [
        Overrides::default(),
        only(&both, &None),
        only(&None, &Some(vec![100, 10])),
        only(&both, &Some(vec![100])),
    ] {
        let keys = keys(&overrides);
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len(), "{overrides:?}");
    }
    let asked = only(&both, &Some(vec![100]));
    let services: BTreeSet<String> = keys(&asked).into_iter().map(|key| key.service).collect();
    assert_eq!(services.len(), 2, "no cell is lost");
}

#[test]
fn claims_among_the_experiments_mean_those_that_they_are_judged_by() {
    let asked = |profile, experiments: &[&str]| {
        let named = experiments.iter().map(ToString::to_string).collect();
        applied(profile, &Overrides { experiments: Some(named), ..Overrides::default() })
    };
    let plan = asked("quick", &["claims", "storm"]);
    assert!(plan.claims && !asked("quick", &["storm"]).claims);
    assert!(Plan::parse(&plan.to_toml().unwrap()).unwrap().claims, "a resumed run knows");
    let of = |plan: &Plan, name: &str| {
        let entries = plan.experiments.iter().filter(|entry| entry.name == name);
        entries.map(|entry| (entry.connections.clone(), entry.repeats)).collect::<Vec<_>>()
    };
    let standard = applied("standard", &Overrides::default());
    for name in ["idle-mass", "wall", "blocking", "fan-out", "faults", "storm"] {
        assert_eq!(of(&plan, name), of(&standard, name), "{name}");
    }
    assert!(of(&plan, "rate").is_empty(), "no claim is judged by it");
    let sweep = plan.experiments.iter().filter(|entry| entry.name == "sweep");
    assert!(sweep.clone().count() > 0 && sweep.clone().all(|it| it.services == [Service::Http]));
    assert!(
        asked("full", &["claims"]).experiments.len()
            > asked("quick", &["claims"]).experiments.len()
    );
}

#[test]
fn full_has_every_experiment_of_standard_and_more_connections() {
    let names = |profile| -> BTreeSet<String> {
        applied(profile, &Overrides::default())
            .experiments
            .iter()
            .map(|experiment| experiment.name.clone())
            .collect()
    };
    let (standard, full) = (names("standard"), names("full"));
    let wanted = [
        "sweep",
        "idle-mass",
        "storm",
        "rate",
        "churn",
        "wall",
        "memory",
        "blocking",
        "compute",
        "slow-clients",
        "fan-out",
        "idioms",
        "faults",
        "calibration",
    ];
    assert_eq!(standard, wanted.map(str::to_owned).into());
    assert_eq!(full, standard);
    let connections = |profile| {
        applied(profile, &Overrides::default())
            .experiments
            .iter()
            .flat_map(|experiment| experiment.connections.clone())
            .max()
    };
    assert!(connections("full") > connections("standard"));
}
