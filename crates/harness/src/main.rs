//! `c10k`: plans to trials to records to one page.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;
use harness::by_hand;
use harness::doctor;
use harness::exit::{Exit, USAGE, UsageError};
use harness::interrupt;
use harness::models;
use harness::pages;
use harness::registry::Registry;
use harness::run::{self, Context};
use harness::verify;
use harness::workspace::{self, Profile};

use crate::cli::{Cli, Command, RunArgs, VerifyArgs};

fn main() -> ExitCode {
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
        Command::Report(args) => pages::report(&args.runs, args.out),
        Command::Doctor(args) => doctor::doctor(&registry, args.connections, args.json),
        Command::Verify(args) => check(args, &registry),
        Command::Models(args) => models::models(&registry, args.json),
        Command::Serve(args) => {
            by_hand::become_contestant(&registry, "serve", &args.model, &args.args)
        }
        Command::Fetch(args) => {
            by_hand::become_contestant(&registry, "fetch", &args.model, &args.args)
        }
        Command::Idiom(args) => {
            by_hand::become_contestant(&registry, "idiom", &args.model, &args.args)
        }
    }
}

fn measure(args: &RunArgs, registry: Registry) -> anyhow::Result<Exit> {
    let what = match &args.resume {
        Some(folder) => run::What::Resume(folder.clone()),
        None => run::What::Plan(args.overrides().apply(args.base_plan()?, &registry)?),
    };
    interrupt::catch()?;
    let mut context = Context::of_this_binary(registry)?;
    if let Some(out) = &args.out {
        context.put_into(out);
    }
    context.build = !args.no_build;
    context.report = !args.no_report;
    context.host_label.clone_from(&args.host_label);
    run::run(&context, what)
}

fn check(args: VerifyArgs, registry: &Registry) -> anyhow::Result<Exit> {
    if !args.no_build {
        workspace::build(&workspace::root()?, Profile::of_this_binary())?;
    }
    let selection = verify::Selection { models: args.models, cases: args.cases, jobs: args.jobs };
    verify::verify(registry, &selection, args.json)
}
