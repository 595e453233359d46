//! Runs the program `lab`, which lies beside this one.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use record::claims::LabLine;

/// Every line that it prints.
pub(super) fn run(binaries: &Path) -> anyhow::Result<Vec<LabLine>> {
    let program = binaries.join("lab");
    let output = Command::new(&program)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| {
            let profile = if cfg!(debug_assertions) { "" } else { " --release" };
            format!("failed to run `{}`; build it by `cargo build{profile} -p lab`, or leave it out by `--no-lab`", program.display())
        })?;
    anyhow::ensure!(output.status.success(), "`lab` failed: {}; try it by hand", output.status);
    parse(&String::from_utf8_lossy(&output.stdout))
}

pub(super) fn parse(text: &str) -> anyhow::Result<Vec<LabLine>> {
    let line = |line: &str| {
        serde_json::from_str(line)
            .with_context(|| format!("`lab` printed `{line}`, which is no line of it"))
    };
    text.lines().filter(|line| !line.is_empty()).map(line).collect()
}
