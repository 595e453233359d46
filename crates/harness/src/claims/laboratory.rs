//! Runs the program `lab`, which lies beside this one.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context as _;
use nix::libc::SIGINT;
use record::claims::LabLine;

/// The user ended it: Ctrl-C reaches all processes of a terminal, and this one may be the last to know.
#[derive(Debug, thiserror::Error)]
#[error("the laboratory was interrupted")]
pub(crate) struct Interrupted;

/// Every line that it prints; says on standard error how far it is and how long it took.
pub(super) fn run(binaries: &Path) -> anyhow::Result<Vec<LabLine>> {
    let program = binaries.join("lab");
    let began = Instant::now();
    let mut process =
        Command::new(&program).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(
            || {
                let profile = if cfg!(debug_assertions) { "" } else { " --release" };
                format!(
                    "failed to run `{}`; build it by `cargo build{profile} -p lab`",
                    program.display()
                )
            },
        )?;
    let mut found: Vec<LabLine> = Vec::new();
    let mut follow = || -> anyhow::Result<()> {
        for text in process.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
            let line = parse(&text?)?;
            if found.last().is_none_or(|last| last.test != line.test) {
                eprintln!("c10k: the laboratory, without load: {}", line.test);
            }
            found.push(line);
        }
        Ok(())
    };
    let followed = follow();
    if followed.is_err() {
        process.kill().ok();
    }
    let status = process.wait()?;
    anyhow::ensure!(status.signal() != Some(SIGINT), Interrupted);
    followed?;
    anyhow::ensure!(status.success(), "`lab` failed: {status}; try it by hand");
    eprintln!("c10k: the laboratory took {:.1} s", began.elapsed().as_secs_f64());
    Ok(found)
}

fn parse(line: &str) -> anyhow::Result<LabLine> {
    serde_json::from_str(line)
        .with_context(|| format!("`lab` printed `{line}`, which is no line of it"))
}
