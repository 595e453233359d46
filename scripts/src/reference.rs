//! The reference page: a recorded run as a page, and its first verdict as the README's picture.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use nix::unistd::geteuid;
use record::run::Run;
use xshell::Shell;

use crate::{cargo, interrupt};

/// Make `report/reference/` anew from recorded runs: the page, and the picture of its first verdict
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  cargo script reference\n  \
    cargo script reference results/20250304T050607Z-host-0a1b2c3 results/20250304T060607Z-host-0a1b2c3\n\n\
    The picture needs chromium (apt-get install chromium); without it the old one stays, and that is said.\n\
    Nothing is committed; look at both first.")]
pub(crate) struct Options {
    /// Folders of runs [default: the newest finished one of profile full, standard or quick]
    #[arg(value_name = "RUN")]
    runs: Vec<PathBuf>,
}

const PAGE: &str = "report/reference/index.html";
const PICTURE: &str = "report/reference/verdict.png";
const PROFILES: [&str; 3] = ["full", "standard", "quick"];

pub(crate) fn run(shell: &Shell, options: &Options) -> anyhow::Result<()> {
    let root = shell.current_dir();
    let runs = if options.runs.is_empty() { vec![newest(&root)?] } else { options.runs.clone() };
    let shown: Vec<String> = runs.iter().map(|run| run.display().to_string()).collect();
    println!("reference: cargo c10k report {} --out {PAGE}", shown.join(" "));
    println!(
        "reference: chromium --headless --screenshot={PICTURE} (the first verdict of that page)"
    );
    interrupt::catch()?;
    let report = cargo(shell).args(["c10k", "report"]).args(&runs).args(["--out", PAGE]);
    interrupt::run(&mut report.into()).context("failed to write the page")?;
    let Some(chromium) = chromium() else {
        println!(
            "reference: {PICTURE} is the old one: chromium is not installed; apt-get install chromium"
        );
        return Ok(());
    };
    let folder = shell.create_temp_dir()?;
    let page = fs::read_to_string(root.join(PAGE))?;
    take(chromium, folder.path(), &verdict(&page)?, &root.join(PICTURE))?;
    println!(
        "the page is {PAGE}, its picture {PICTURE}; look at both, name the run in README.md, commit"
    );
    Ok(())
}

/// The newest run that was finished, of a profile whose figures may be cited; its path is below `root`.
fn newest(root: &Path) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(root.join("results")).context("there is no folder `results`")?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    // Names sort by time; whatever is no run is passed over.
    let folders = names.into_iter().rev().map(|name| Path::new("results").join(name));
    let citable = |folder: &PathBuf| {
        Run::read(&root.join(folder)).is_ok_and(|run| {
            run.finished_at.is_some() && PROFILES.contains(&run.machine.profile.as_str())
        })
    };
    folders.into_iter().find(citable).with_context(|| {
        format!("no finished run of {}; make one: cargo c10k run", PROFILES.join(", "))
    })
}

fn chromium() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| {
        let probe = Command::new(name).arg("--version").output();
        probe.is_ok_and(|output| output.status.success())
    })
}

/// A page of its own for the first verdict: the styles and that table.
fn verdict(page: &str) -> anyhow::Result<String> {
    let between = |from: &str, to: &str, before: usize| {
        let start = page.get(before..)?.find(from)? + before;
        let end = page.get(start..)?.find(to)? + start + to.len();
        page.get(start..end)
    };
    let style = between("<style>", "</style>", 0).context("the page has no styles")?;
    let body = page.find("<body>").context("the page has no body")?;
    let table =
        between("<table class=\"verdict", "</table>", body).context("the page has no verdict")?;
    Ok(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">{style}\
         <body style=\"margin:0\"><main style=\"margin:0;max-width:none;padding:16px\">{table}</main>\
         <script>document.title = 'height=' + document.documentElement.scrollHeight</script>"
    ))
}

/// As wide as the table needs; its height is asked of the browser.
const WIDTH: u32 = 1434;

fn take(chromium: &str, folder: &Path, page: &str, picture: &Path) -> anyhow::Result<()> {
    let file = folder.join("verdict.html");
    fs::write(&file, page)?;
    let url = format!("file://{}", file.display());
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let browse = |height: u32, what: &str| {
        let mut command = Command::new(chromium);
        command.args(["--headless", "--disable-gpu", "--hide-scrollbars", &profile, what]);
        command.arg(format!("--window-size={WIDTH},{height}")).arg(&url);
        if geteuid().is_root() {
            // Its sandbox does not run as root; the page is our own.
            command.arg("--no-sandbox");
        }
        let output = interrupt::output(command.stdin(Stdio::null()))?;
        ensure!(
            output.status.success(),
            "chromium failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let seen = browse(600, "--dump-dom")?;
    let Some(height) = height(&seen) else { bail!("chromium did not say how high the verdict is") };
    let new = folder.join("verdict.png");
    browse(height, &format!("--screenshot={}", new.display()))?;
    fs::copy(&new, picture).context("chromium took no picture")?;
    Ok(())
}

fn height(dom: &str) -> Option<u32> {
    let digits = dom.split("height=").nth(1)?;
    digits[..digits.find(|c: char| !c.is_ascii_digit())?].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_verdict_is_cut_out_with_its_styles() {
        let page = "<style>b{}</style><body><table class=\"verdict sortable\" id=\"1\">one</table>\
                    <table class=\"verdict\" id=\"2\">two</table>";
        let cut = verdict(page).unwrap();
        assert!(cut.contains("<style>b{}</style>") && cut.contains("one</table>"), "{cut}");
        assert!(!cut.contains("two"), "{cut}");
        assert!(verdict("<style></style><body>").is_err());
        assert_eq!(height("<title>height=1780</title>"), Some(1780));
        assert_eq!(height("<title></title>"), None);
    }

    #[test]
    fn the_reference_run_is_found() {
        let root = crate::shell().unwrap().current_dir();
        let run = newest(&root).unwrap();
        assert!(root.join(run).join("finished").exists());
    }
}
