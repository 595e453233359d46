//! The client comparison under hyperfine: somebody else's clock on the same commands that a user types.
//!
//! ```text
//! for each model: --setup: c10k start --> warm-up, runs: MODEL fetch --scenario ... --> --cleanup: c10k stop
//! ```

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use clap::Args;
use harness::registry::Registry;
use harness::workspace::{self, Profile};
use record::run::{Timestamp, utc};
use xshell::Shell;

use crate::interrupt;

/// Time each model's client with hyperfine: a scenario of fetches from a slow server, whole process and all
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo script hyperfine\n  \
    cargo script hyperfine --models mio-loop,tokio-tasks,thread-per-connection --runs 20\n  \
    cargo script hyperfine --scenario thousand-slow-servers --models mio-loop,tokio-tasks\n\n\
    Every model gets a fresh server, which hyperfine starts and stops by --setup and --cleanup, outside of what is\n\
    timed. A run is a whole process: its start, its fetches, its end. The results land in `results/`, as JSON for\n\
    hyperfine's plotting scripts and as Markdown. hyperfine is Debian's package `hyperfine`.")]
pub(crate) struct Options {
    /// Clients to time [default: all]
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    models: Vec<String>,
    /// What they fetch
    #[arg(long, value_name = "NAME", default_value = "ten-slow-servers",
        value_parser = ["three-urls", "ten-slow-servers", "thousand-slow-servers"])]
    scenario: String,
    /// The model whose server they fetch from
    #[arg(long, value_name = "MODEL", default_value = "mio-loop")]
    server: String,
    /// Timed runs of each, after one to warm up
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    runs: u32,
    /// Time the release binaries that are there
    #[arg(long)]
    no_build: bool,
}

/// Relative to the root, so that what hyperfine prints can be pasted there.
const BINARIES: &str = "target/release";

pub(crate) fn run(shell: &Shell, options: &Options) -> anyhow::Result<()> {
    let models = models(options)?;
    let root = shell.current_dir();
    let installed = Command::new("hyperfine").arg("--version").stdout(Stdio::null()).status();
    if installed.is_err() {
        bail!(
            "hyperfine is not installed; apt-get install hyperfine, or cargo install --locked hyperfine"
        );
    }
    let stamp = utc(Timestamp::now()).replace([':', '-'], "");
    let results = format!("results/hyperfine-{stamp}");
    let folder = shell.create_temp_dir()?;
    let file = folder.path().join("server");
    let file = file.to_str().context("the path of the temporary folder is not text")?;
    let args = arguments(options, &models, &results, file, free_port()?);
    if !options.no_build {
        println!("hyperfine: cargo build --release --workspace --bins");
    }
    println!(
        "hyperfine: {} clients, {} runs each of {}",
        models.len(),
        options.runs,
        options.scenario
    );
    println!(
        "hyperfine: hyperfine {}",
        args.iter().map(|arg| quoted(arg)).collect::<Vec<_>>().join(" ")
    );
    interrupt::catch()?;
    if !options.no_build {
        interrupt::run(&mut workspace::build_command(&root, Profile::Release))?;
    }
    let timed = interrupt::run(Command::new("hyperfine").args(&args).current_dir(&root));
    // hyperfine skips --cleanup when a command fails or Ctrl-C ends it.
    let stopped = stop_if_left(&root, file);
    forget_if_empty(&root.join(&results));
    timed.context("the comparison failed; its server is stopped")?;
    stopped?;
    println!("\nthe results are in {results}.json and {results}.md");
    Ok(())
}

fn models(options: &Options) -> anyhow::Result<Vec<String>> {
    let registry = Registry::embedded();
    registry.get(&options.server)?;
    if options.models.is_empty() {
        return Ok(registry.names().map(Into::into).collect());
    }
    options.models.iter().map(|name| Ok(registry.get(name)?.name.clone())).collect()
}

fn arguments(
    options: &Options,
    models: &[String],
    results: &str,
    file: &str,
    port: u16,
) -> Vec<String> {
    let (server, scenario) = (&options.server, &options.scenario);
    let file = quoted(file);
    [
        // No shell between hyperfine and what it times.
        "--shell",
        "none",
        "--warmup",
        "1",
        "--runs",
        &options.runs.to_string(),
        "--setup",
        &format!("{BINARIES}/c10k start {file} {server} --service http --listen 127.0.0.1:{port}"),
        "--cleanup",
        &format!("{BINARIES}/c10k stop {file}"),
        "--parameter-list",
        "model",
        &models.join(","),
        "--export-json",
        &format!("{results}.json"),
        "--export-markdown",
        &format!("{results}.md"),
        // What `c10k fetch` becomes.
        &format!("{BINARIES}/{{model}} fetch --scenario {scenario} --server 127.0.0.1:{port}"),
    ]
    .map(String::from)
    .to_vec()
}

/// A port that was free a moment ago: whoever takes it meanwhile makes `start` fail, and that is said.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn stop_if_left(root: &Path, file: &str) -> anyhow::Result<()> {
    if !Path::new(file).exists() {
        return Ok(());
    }
    let stop = Command::new(root.join(BINARIES).join("c10k")).args(["stop", file]).status()?;
    anyhow::ensure!(stop.success(), "failed to stop the server; see above");
    Ok(())
}

/// hyperfine makes its files before it fills them, and the page would take an empty one for the newest results.
fn forget_if_empty(results: &Path) {
    for ending in ["json", "md"] {
        // The time in the name has a dot, too, so that an ending cannot be set as one.
        let file = format!("{}.{ending}", results.display());
        if fs::metadata(&file).is_ok_and(|file| file.len() == 0) {
            // What stays is said by the page.
            fs::remove_file(&file).ok();
        }
    }
}

/// As a shell, and hyperfine without one, takes it as one word.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(scenario: &str) -> Options {
        let (scenario, server) = (scenario.into(), "mio-loop".into());
        Options { models: vec![], scenario, server, runs: 2, no_build: true }
    }

    #[test]
    fn the_command_can_be_pasted() {
        let args = arguments(
            &options("three-urls"),
            &["a".into(), "b".into()],
            "results/x",
            "/a b/server",
            8080,
        );
        let line = args.iter().map(|arg| quoted(arg)).collect::<Vec<_>>().join(" ");
        assert!(line.contains("--parameter-list model a,b "), "{line}");
        assert!(
            line.ends_with(
                "'target/release/{model} fetch --scenario three-urls --server 127.0.0.1:8080'"
            ),
            "{line}"
        );
        assert!(args.contains(&"target/release/c10k stop '/a b/server'".to_owned()), "{line}");
    }

    #[test]
    fn an_unknown_model_is_refused() {
        assert!(
            models(&Options { models: vec!["nosuch".into()], ..options("three-urls") }).is_err()
        );
        assert_eq!(
            models(&options("three-urls")).unwrap().len(),
            Registry::embedded().names().count()
        );
    }

    #[test]
    fn files_that_were_never_filled_are_not_left_behind() {
        let folder = Shell::new().unwrap().create_temp_dir().unwrap();
        let results = folder.path().join("hyperfine-20250304T050607.100Z");
        let file = |ending| format!("{}.{ending}", results.display());
        fs::write(file("json"), "").unwrap();
        fs::write(file("md"), "| Command |").unwrap();
        forget_if_empty(&results);
        assert!(!Path::new(&file("json")).exists() && Path::new(&file("md")).exists());
    }

    /// The control comes first: without a server there is nothing to time, and hyperfine must see that.
    #[test]
    #[ignore = "needs hyperfine; run by `cargo script ci drivers`"]
    fn hyperfine_sees_a_scenario_that_fails_and_times_one_that_does_not() {
        let binaries = workspace::built_once();
        let folder = Shell::new().unwrap().create_temp_dir().unwrap();
        let json = folder.path().join("out.json");
        let port = free_port().unwrap();
        let fetch = format!(
            "{}/mio-loop fetch --scenario three-urls --server 127.0.0.1:{port}",
            binaries.display()
        );
        let timed = |more: &[&str]| {
            let fixed = ["--shell", "none", "--runs", "2", "--style", "none", "--export-json"];
            let command =
                Command::new("hyperfine").args(fixed).arg(&json).args(more).arg(&fetch).output();
            command.unwrap().status.success()
        };
        assert!(!timed(&[]), "no server listens there");
        let (c10k, file) = (binaries.join("c10k"), folder.path().join("server"));
        let (c10k, file) = (c10k.display(), file.display());
        let setup =
            format!("{c10k} start {file} mio-loop --service http --listen 127.0.0.1:{port}");
        assert!(timed(&["--setup", &setup, "--cleanup", &format!("{c10k} stop {file}")]));
        let written: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
        assert_eq!(written["results"][0]["exit_codes"], serde_json::json!([0, 0]));
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok(), "the server is gone");
    }
}
