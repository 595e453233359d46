//! `c10k run` for the harness's own tests: it records debug builds and takes its contestants from any folder.
//!
//! `debug_run REGISTRY BINARIES OUT (PLAN | resume)`; the command line of `c10k` offers none of this.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use harness::interrupt;
use harness::plan::Plan;
use harness::registry::Registry;
use harness::run::{Context, What, run};

fn main() -> anyhow::Result<ExitCode> {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [registry, binaries, out, plan] = args.as_slice() else {
        anyhow::bail!("debug_run REGISTRY BINARIES OUT (PLAN | resume)");
    };
    let what = if plan.as_os_str() == "resume" {
        What::Resume(None)
    } else {
        What::Plan(Plan::parse(&std::fs::read_to_string(plan)?)?)
    };
    let registry = Registry::parse(&std::fs::read_to_string(registry)?).context("the registry")?;
    let mut context = Context::of_this_binary(registry)?;
    context.put_into(out);
    context.binaries.clone_from(binaries);
    context.record_debug = true;
    context.build = false;
    context.verify = false;
    context.report = false;
    context.retries = 0;
    // Nothing here is stopped by this patience running out, other than by the tests' own wish.
    context.stop_within = Duration::from_mins(1);
    interrupt::catch()?;
    Ok(run(&context, what)?.into())
}
