//! What noise earns a trial, and a whole run.

use std::process::{Child, Command};

use harness::run::{What, run};
use record::Flag;

use crate::CONNECTIONS;
use crate::common::Suite;

#[test]
fn what_noise_spoilt_is_tried_twice_more_and_all_attempts_are_kept() {
    let suite = Suite::of(&["behaves"]);
    let mut context = suite.context();
    context.retries = 2;
    let noise = Noise::on_every_cpu();
    run(&context, What::Plan(suite.plan(CONNECTIONS))).unwrap();
    drop(noise);
    let run = suite.recorded();
    assert_eq!(run.trials.len(), 3, "{:?}", run.trials);
    assert!(run.trials.iter().all(|trial| trial.flags.contains(&Flag::Noisy)));
    assert_eq!(run.trials.iter().map(|trial| trial.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(run.finished_at.is_some(), "noise enough: the run is done");
}

#[test]
fn a_resumed_run_has_no_more_attempts_for_noise_than_the_whole_run_may_have() {
    let suite = Suite::of(&["behaves"]);
    let mut plan = suite.plan(CONNECTIONS);
    plan.experiments[0].repeats = 4;
    let mut context = suite.context();
    context.retries = 0;
    run(&context, What::Plan(plan)).unwrap();
    let folder = suite.recorded().dir;
    let path = folder.join("trials.jsonl");
    let spoilt: String = std::fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| {
            let mut trial: record::Trial = serde_json::from_str(line).unwrap();
            trial.flags = vec![Flag::Noisy];
            serde_json::to_string(&trial).unwrap() + "\n"
        })
        .collect();
    std::fs::write(&path, spoilt).unwrap();
    context.retries = 2;
    for sitting in 1..=2 {
        std::fs::remove_file(folder.join("finished")).unwrap();
        run(&context, What::Resume(None)).unwrap();
        // A quarter of four is one, and no run is denied what one trial may have.
        assert_eq!(suite.recorded().trials.len(), 4 + 2, "sitting {sitting}");
    }
}

/// Processes that compute until they are dropped: what a busy neighbour is.
struct Noise(Vec<Child>);

impl Noise {
    fn on_every_cpu() -> Self {
        let cpus = std::thread::available_parallelism().unwrap().get();
        let neighbour = || Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        Self((0..cpus).map(|_| neighbour()).collect())
    }
}

impl Drop for Noise {
    fn drop(&mut self) {
        for neighbour in &mut self.0 {
            neighbour.kill().ok();
            neighbour.wait().ok();
        }
    }
}
