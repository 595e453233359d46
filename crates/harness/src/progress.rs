//! How far a run is and how long it still takes.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use load::Event;
use record::trial::{Outcome, Trial};

use crate::order::Planned;
use crate::summary::outcome_name;

/// A bar on a terminal, a line for each trial elsewhere.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    lines: bool,
    trials: usize,
    done: usize,
    expected: Duration,
    expected_done: Duration,
    started: Instant,
}

impl Progress {
    /// Progress over these trials, on standard error; says first how long they will take and where they go.
    #[must_use]
    pub fn over(trials: &[Planned<'_>], folder: &str) -> Self {
        let lines = !std::io::stderr().is_terminal();
        let expected: Duration = trials.iter().map(|planned| planned.expected).sum();
        eprintln!("c10k: {} trials, about {}, into {folder}", trials.len(), words(expected));
        let target =
            if lines { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(ms(expected)), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:20} {prefix}  {wide_msg}") {
            bar.set_style(style);
        }
        let progress = Self {
            bar,
            lines,
            trials: trials.len(),
            done: 0,
            expected,
            expected_done: Duration::ZERO,
            started: Instant::now(),
        };
        progress.show();
        progress
    }

    /// How long the rest will take, by the plan and by how the plan has fared so far.
    #[must_use]
    pub fn left(&self) -> Duration {
        let rest = self.expected.saturating_sub(self.expected_done);
        if self.expected_done.is_zero() {
            return rest;
        }
        let experience = self.started.elapsed().as_secs_f64() / self.expected_done.as_secs_f64();
        rest.mul_f64(experience.clamp(0.1, 100.0))
    }

    /// Follows a trial; says nothing between the edges of the window, where a redraw would be measured.
    pub fn follow(&mut self, trial: &Planned<'_>, event: Event) {
        let phase = match event {
            Event::Opening { established, total } => format!("{established} of {total} open"),
            Event::WarmingUp => "warming up".into(),
            Event::WindowOpens => "measuring".into(),
            Event::WindowCloses => "stopping".into(),
            _ => return,
        };
        // Short: bar and time come before it on one line.
        let (model, service) = (trial.model, trial.served());
        self.bar.set_message(format!("{model} {service} {}: {phase}", trial.connections));
    }

    /// A trial is over.
    pub fn finished(&mut self, planned: &Planned<'_>, trial: &Trial) {
        self.done += 1;
        self.expected_done += planned.expected;
        let line =
            format!("{:>4}/{} {}: {}", self.done, self.trials, name(planned), verdict(trial));
        if self.lines {
            eprintln!("{line}, {} left", words(self.left()));
        } else if trial.outcome != Outcome::Ok {
            self.bar.println(line);
        }
        self.show();
    }

    /// These were spoilt by noise and come again.
    pub fn again(&mut self, trials: &[&Planned<'_>]) {
        self.trials += trials.len();
        self.expected += trials.iter().map(|planned| planned.expected).sum::<Duration>();
        self.bar.set_length(ms(self.expected));
        self.show();
    }

    /// The run is over, or as far as it will go.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self) {
        self.bar.set_prefix(format!(
            "{}/{} trials, {} left",
            self.done,
            self.trials,
            words(self.left())
        ));
        self.bar.set_position(ms(self.expected_done));
    }
}

fn name(trial: &Planned<'_>) -> String {
    let variant = match trial.variant.as_str() {
        "default" => String::new(),
        variant => format!(" ({variant})"),
    };
    format!(
        "{}{variant} {} {}, {} connections, repeat {}",
        trial.experiment.name,
        trial.model,
        trial.served(),
        trial.connections,
        trial.repeat
    )
}

fn verdict(trial: &Trial) -> String {
    let outcome = outcome_name(trial.outcome);
    match (trial.outcome, trial.requests_per_s, &trial.outcome_detail) {
        (Outcome::Ok, Some(rate), _) => format!("{outcome}, {rate:.0} requests/s"),
        (_, _, Some(detail)) => format!("{outcome}, {detail}"),
        (_, _, None) => outcome,
    }
}

/// `45 s`, `3 min`, `2 h 10 min`: no more precise than a guess is.
#[must_use]
pub fn words(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5400 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
