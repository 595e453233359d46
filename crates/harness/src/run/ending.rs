//! The end of a run: the claims judged, the summary printed, the page written.

use measure::cpus;
use record::run::Timestamp;

use super::{Session, exit};
use crate::exit::Exit;
use crate::{claims, interrupt, pages, summary};

impl Session<'_> {
    /// Judges the claims, writes the page, and prints the summary of all that the run holds.
    pub(super) fn end(self, measured: bool) -> anyhow::Result<Exit> {
        let folder = self.writer.dir().to_path_buf();
        let finished = measured && self.judge();
        if finished {
            self.writer.finish(Timestamp::now())?;
        } else {
            drop(self.writer);
        }
        let run = pages::read(&folder)?;
        summary::print(&run);
        if let Some(verdicts) = &run.claims {
            println!();
            claims::print(verdicts);
        }
        println!("\nthe records are in {}", pages::shown(&folder));
        if !finished {
            println!("go on with: c10k run --resume {}", pages::shown(&folder));
        }
        let exit = exit(&run, finished, &self.context.registry);
        if self.context.report && !run.trials.is_empty() {
            pages::write(&[run], None, &self.context.page)?;
            println!("the report is at {}", pages::shown(&self.context.page));
        }
        Ok(exit)
    }

    /// Judges the claims where the plan asks for it; false where the user interrupted that.
    ///
    /// Before the run is finished, so that `--resume` makes up for it. A laboratory that fails costs the verdicts and
    /// not the run.
    fn judge(&self) -> bool {
        if !self.plan.claims {
            return true;
        }
        let judge = || {
            // A race needs threads that run at once: the laboratory gets all CPUs.
            let all = [self.setup.cpus.server.as_slice(), &self.setup.cpus.generator].concat();
            cpus::pin_current_thread(&all)?;
            claims::at_end(self.writer.dir(), &self.context.binaries)
        };
        match judge() {
            Err(error) if error.is::<claims::Interrupted>() || interrupt::requested() => false,
            Err(error) => {
                let folder = pages::shown(self.writer.dir());
                eprintln!(
                    "c10k: the claims are not judged: {error:#}; then judge them by `c10k claims {folder}`"
                );
                true
            }
            Ok(()) => true,
        }
    }
}
