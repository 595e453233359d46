//! What a person sees while it runs: one line on standard error, and nothing when that is no terminal.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use load::words::{float, grouped, time};
use load::{Event, Interval, Observer, Until};

/// The live line.
pub(crate) struct Live {
    bar: ProgressBar,
    until: Until,
    is_measuring: bool,
    /// Of the last second.
    percentiles: String,
}

impl Live {
    pub(crate) fn new(until: Until) -> Self {
        // Hidden by itself when standard error is no terminal.
        let bar = ProgressBar::new(0);
        bar.set_style(style("{spinner} {msg}"));
        Self { bar, until, is_measuring: false, percentiles: String::new() }
    }

    /// Whether anybody can see it.
    pub(crate) fn is_watched() -> bool {
        std::io::stderr().is_terminal()
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn measuring(&mut self) {
        self.is_measuring = true;
        self.bar.set_length(match self.until {
            Until::Duration(duration) => milliseconds(duration),
            Until::Requests(requests) => requests,
        });
        self.bar.set_position(0);
        // The bar takes what a narrow terminal leaves.
        self.bar.set_style(style("{msg}  {wide_bar}"));
        self.bar.set_message("");
    }

    /// How far it is, by time or by requests, and how long it will take from here.
    fn left(&self, elapsed: Duration, answers: u64, answers_per_s: f64) -> String {
        let seconds = match self.until {
            Until::Duration(duration) => {
                self.bar.set_position(milliseconds(elapsed));
                duration.saturating_sub(elapsed).as_secs_f64()
            }
            Until::Requests(requests) => {
                self.bar.set_position(answers);
                if answers_per_s <= 0.0 {
                    return "? left".to_owned();
                }
                float(requests.saturating_sub(answers)) / answers_per_s
            }
        };
        format!("{seconds:.1} s left")
    }
}

impl Observer for Live {
    fn event(&mut self, event: Event) {
        match event {
            Event::Opening { established, total } => {
                self.bar.set_message(format!(
                    "opened {} of {}",
                    grouped(established),
                    grouped(total)
                ));
            }
            Event::Open { established, .. } => {
                self.bar.set_message(format!("opened {}", grouped(established)));
            }
            Event::WarmingUp => self.bar.set_message("warming up"),
            Event::WindowOpens => self.measuring(),
            Event::Progress { elapsed, answers, errors, in_flight, answers_per_s } => {
                let phase = if self.is_measuring {
                    self.left(elapsed, answers, answers_per_s)
                } else {
                    "warming up".to_owned()
                };
                self.bar.set_message(format!(
                    "{phase}  {}/s  {} in flight{}  {} errors",
                    grouped(format!("{answers_per_s:.0}")),
                    grouped(in_flight),
                    self.percentiles,
                    grouped(errors)
                ));
            }
            _ => {}
        }
        self.bar.tick();
    }

    fn interval(&mut self, interval: &Interval) {
        self.percentiles = if interval.latency.is_empty() {
            "  no answer".to_owned()
        } else {
            let at = |quantile| time(float(interval.latency.value_at_quantile(quantile)));
            format!("  p50 {}  p99 {}", at(0.5), at(0.99))
        };
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates stand in this file")
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
