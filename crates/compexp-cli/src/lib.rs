//! The compexp command: explains the units of neural networks by logical formulas over concepts.
//!
//! This crate parses arguments, reports progress, writes results to their files, and sets the exit code. It has no
//! algorithm. As a library it offers only this command.
#![forbid(unsafe_code)]

mod annotations;
mod args;
mod classifier_run;
mod commands;
mod contributions;
mod evidence_text;
mod explain_config;
mod failure;
mod fetching;
mod hub_paths;
mod input_files;
mod language_model;
mod latents;
mod layer;
mod layer_stores;
mod name_vectors;
mod parent;
mod progress;
mod run_folder;
mod run_inputs;
mod summary;
mod terminal;
mod training_news;
mod trials;
mod unit_numbers;
mod word_annotations;
mod word_places;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use args::nli::NliCommand;
use args::probe::ProbeCommand;
use args::sae::SaeCommand;
use args::text::TextCommand;
use args::vision::VisionCommand;
use args::{Cli, Command};
use progress::Reporter;

/// Runs the command. `arguments` start with the name of the program. Wrong arguments give exit code 2.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    parent::watch();
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(told) => return failure::tell_usage(&told),
    };
    let reporter = Reporter::new(cli.quiet);
    let done = hub_paths::localise(cli, arguments, &reporter).and_then(|cli| run(&cli, &reporter));
    reporter.clear();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

fn run(cli: &Cli, reporter: &Reporter) -> anyhow::Result<()> {
    // For rayon, 0 means as many threads as there are cores.
    rayon::ThreadPoolBuilder::new().num_threads(cli.threads.unwrap_or(0)).build_global()?;
    match &cli.command {
        Command::Explain(args) => commands::explain::run(args, reporter),
        Command::Vision(VisionCommand::Probe(args)) => commands::vision::probe::run(args, reporter),
        Command::Vision(VisionCommand::Layers(args)) => commands::vision::layers::run(args, reporter),
        Command::Vision(VisionCommand::Eval(args)) => commands::vision::eval::run(args, reporter),
        Command::Vision(VisionCommand::Counterfactual(args)) => commands::vision::counterfactual::run(args, reporter),
        Command::Vision(VisionCommand::Paint(args)) => commands::vision::paint::run(args, reporter),
        Command::Vision(VisionCommand::Train(args)) => commands::vision::train::run(args, reporter),
        Command::Vision(VisionCommand::Contributions(args)) => commands::vision::contributions::run(args, reporter),
        Command::Vision(VisionCommand::Ablate(args)) | Command::Nli(NliCommand::Ablate(args)) => {
            commands::ablate::run(args, reporter)
        }
        Command::Nli(NliCommand::Probe(args)) => commands::nli::probe::run(args, reporter),
        Command::Nli(NliCommand::Tag(args)) => commands::nli::tag::run(args, reporter),
        Command::Nli(NliCommand::Train(args)) => commands::nli::train::run(args, reporter),
        Command::Nli(NliCommand::Counterfactual(args)) => commands::nli::counterfactual::run(args, reporter),
        Command::Nli(NliCommand::Compose(args)) => commands::nli::compose::run(args, reporter),
        Command::Nli(NliCommand::Predict(args)) => commands::nli::predict::run(args, reporter),
        Command::Text(TextCommand::Probe(args)) => commands::text::probe::run(args, reporter),
        Command::Text(TextCommand::Layers(args)) => commands::text::layers::run(args),
        Command::Sae(SaeCommand::Train(args)) => commands::sae::train::run(args, reporter),
        Command::Sae(SaeCommand::Encode(args)) => commands::sae::encode::run(args, reporter),
        Command::Sae(SaeCommand::Check(args)) => commands::sae::check::run(args, reporter),
        Command::Probe(ProbeCommand::Convert(args)) => commands::convert::run(args, reporter),
        Command::Probe(ProbeCommand::Unpack(args)) => commands::unpack::run(args, reporter),
        Command::Show(args) => commands::show::run(args),
        Command::Analyze(args) => commands::analyze::run(args),
        Command::Report(args) => commands::report::run(args, reporter),
        Command::Export(args) => commands::export::run(args),
        Command::Concepts(args) => commands::concepts::run(args, reporter),
        Command::Eval(args) => commands::eval::run(args, reporter),
        Command::Diff(args) => commands::diff::run(args, reporter),
        Command::Verify(args) => commands::verify::run(args),
        Command::Plant(args) => commands::plant::run(args, reporter),
        Command::Recovered(args) => commands::recovered::run(args, reporter),
        Command::Fetch(args) => commands::fetch::run(args, cli.offline, reporter),
        Command::Doctor(args) => commands::doctor::run(args, cli.offline),
        Command::Completions(args) => commands::setup::completions(args),
        Command::Man(args) => commands::setup::man(args),
    }
}
