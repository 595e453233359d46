//! `c10k`: plans to trials to records to one page.

mod cli;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser as _};
use harness::background;
use harness::by_hand;
use harness::claims::{self, Asked};
use harness::compare;
use harness::doctor;
use harness::exit::{Exit, USAGE, UsageError};
use harness::export;
use harness::interop;
use harness::interrupt;
use harness::models;
use harness::pages;
use harness::registry::Registry;
use harness::run::{self, Context};
use harness::verify;
use harness::workspace::{self, Profile};

use crate::cli::{ByHand, ClaimsArgs, Cli, Command, RunArgs, VerifyArgs};

fn main() -> ExitCode {
    // A load of several processes starts this program again, for its share.
    load::child_entry();
    match execute(Cli::parse().command) {
        Ok(exit) => exit.into(),
        Err(error) => {
            eprintln!("c10k: {error:#}");
            let usage = error.chain().any(<dyn std::error::Error>::is::<UsageError>);
            if usage { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}

fn execute(command: Command) -> anyhow::Result<Exit> {
    let registry = Registry::embedded();
    match command {
        Command::Run(args) => measure(&args, registry),
        Command::Report(args) => pages::report(&args.runs, args.baseline.as_deref(), args.out),
        Command::Compare(args) => compare::compare(&args.asked()?),
        Command::Export(args) => export::export(&args.run, args.format, args.out.as_deref()),
        Command::Doctor(args) => doctor::doctor(&registry, args.connections, args.json),
        Command::Verify(args) => check(args, &registry),
        Command::Claims(args) => judge(&args),
        Command::Models(args) => models::models(&registry, args.json),
        Command::Serve(args) => by_hand("serve", &args, &registry),
        Command::Start(args) => background::start(&registry, &args.file, &args.model, &args.args),
        Command::Stop(args) => background::stop(&args.file),
        Command::Fetch(args) => by_hand("fetch", &args, &registry),
        Command::Idiom(args) => by_hand("idiom", &args, &registry),
    }
}

fn measure(args: &RunArgs, registry: Registry) -> anyhow::Result<Exit> {
    interrupt::catch()?;
    let mut context = Context::of_this_binary(registry)?;
    if let Some(out) = &args.out {
        context.put_into(out);
    }
    let what = match (&args.resume, &args.profile) {
        (None, _) => run::What::Plan(args.overrides().apply(args.base_plan()?, &context.registry)?),
        (Some(folder), None) => run::What::Resume(folder.clone()),
        (Some(folder), Some(profile)) => {
            run::What::Resume(Some(run::resumed_of(&context, folder.as_ref(), profile)?))
        }
    };
    context.build = !args.no_build;
    context.verify = !args.no_verify;
    context.retries = args.retries;
    context.report = !args.no_report;
    context.host_label.clone_from(&args.host_label);
    run::run(&context, what)
}

fn check(args: VerifyArgs, registry: &Registry) -> anyhow::Result<Exit> {
    let asked =
        verify::Asked { models: args.models, cases: args.cases, connections: args.connections };
    let selection = asked.among(registry)?;
    if !args.no_build {
        workspace::build(&workspace::root()?, Profile::of_this_binary())?;
    }
    if args.interop {
        return interop::interop(selection.subjects(), args.jobs, args.json);
    }
    verify::verify(&selection, args.jobs, args.json)
}

/// Without a run clap has seen to it that the list was asked for.
fn judge(args: &ClaimsArgs) -> anyhow::Result<Exit> {
    match &args.run {
        None => Ok(claims::list()),
        Some(run) => {
            let asked = Asked { lab: !args.no_lab, again: args.again, json: args.json };
            claims::claims(run, asked)
        }
    }
}

fn by_hand(verb: &str, args: &ByHand, registry: &Registry) -> anyhow::Result<Exit> {
    // Behind the model `--help` is the contestant's, so clap leaves it alone everywhere.
    if matches!(args.model.as_str(), "--help" | "-h") {
        let mut cli = Cli::command();
        cli.find_subcommand_mut(verb).context("the verb is a command")?.print_help()?;
        return Ok(Exit::Done);
    }
    by_hand::become_contestant(registry, verb, &args.model, &args.args)
}
