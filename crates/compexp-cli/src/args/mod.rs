//! The arguments of every command, as the user gives them. They use nothing else of this crate: other modules turn them
//! into the settings of the libraries.

pub(crate) mod annotations;
pub(crate) mod concepts;
pub(crate) mod device;
pub(crate) mod effects;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod fetch;
pub(crate) mod layer;
pub(crate) mod nli;
mod numbers;
pub(crate) mod output;
pub(crate) mod planted;
pub(crate) mod preprocess;
pub(crate) mod probe;
pub(crate) mod runs;
pub(crate) mod sae;
pub(crate) mod search;
pub(crate) mod sentences;
pub(crate) mod setup;
pub(crate) mod text;
pub(crate) mod training;
pub(crate) mod trust;
pub(crate) mod verify;
pub(crate) mod vision;

use clap::{Parser, Subcommand};

use concepts::ConceptsArgs;
use explain::ExplainArgs;
use export::ExportArgs;
use fetch::FetchArgs;
use nli::NliCommand;
use numbers::whole;
use planted::{PlantArgs, RecoveredArgs};
use probe::ProbeCommand;
use runs::{AnalyzeArgs, DiffArgs, EvalArgs, ReportArgs, ShowArgs};
use sae::SaeCommand;
use setup::{CompletionsArgs, DoctorArgs, ManArgs};
use text::TextCommand;
use verify::VerifyArgs;
use vision::VisionCommand;

/// Explain the units of neural networks by logical formulas over concepts
#[derive(Debug, Parser)]
#[command(name = "compexp", version, after_help = EXIT_CODES, max_term_width = WIDTH)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Report no progress; warnings are printed nevertheless
    #[arg(long, short, global = true, help_heading = "General")]
    pub(crate) quiet: bool,
    /// The number of threads; 0 = as many as there are cores. Results do not depend on it
    #[arg(long, global = true, value_name = "T", value_parser = whole(0, 1024), help_heading = "General")]
    pub(crate) threads: Option<usize>,
    /// Fetch nothing from the network
    #[arg(long, global = true, help_heading = "General")]
    pub(crate) offline: bool,
}

/// Help is at most so wide. Text is wrapped to it, examples are written for it.
const WIDTH: usize = 100;

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 `diff` found drift.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find the formula that best matches each unit of a layer, from its activations
    Explain(ExplainArgs),
    /// Explain networks that read images: from images and a checkpoint
    #[command(subcommand)]
    Vision(VisionCommand),
    /// Explain classifiers of sentence pairs: from pairs and a checkpoint
    #[command(subcommand)]
    Nli(NliCommand),
    /// Explain language models: from sentences and a model
    #[command(subcommand)]
    Text(TextCommand),
    /// Train, run and check sparse autoencoders
    #[command(subcommand)]
    Sae(SaeCommand),
    /// Write probe directories from annotations in other forms
    #[command(subcommand)]
    Probe(ProbeCommand),
    /// Print the explanations of a run
    Show(ShowArgs),
    /// Print the paper's quantities of a run, and draw its figures
    Analyze(AnalyzeArgs),
    /// Draw runs as a folder of pages for a browser
    Report(ReportArgs),
    /// Write explanations in the forms of other tools: Neuronpedia, delphi
    Export(ExportArgs),
    /// List the concepts of a probe set, with their categories and areas
    Concepts(ConceptsArgs),
    /// Measure a formula: its area, and how well it matches units
    Eval(EvalArgs),
    /// Compare a run with another or with a baseline, and fail if explanations drifted
    Diff(DiffArgs),
    /// Check every byte of a run, and find files that killed commands left
    Verify(VerifyArgs),
    /// Make masks of units with known formulas, to test a search
    Plant(PlantArgs),
    /// Report how many of the planted formulas a run recovered
    Recovered(RecoveredArgs),
    /// Fetch the public data and networks of the paper
    Fetch(FetchArgs),
    /// Tell what this machine and this build offer: threads, memory, disk, hub, features
    Doctor(DoctorArgs),
    /// Print a script that completes commands and options in a shell
    Completions(CompletionsArgs),
    /// Write man pages, one a command
    Man(ManArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    /// Every command below `command`, itself included.
    fn all(command: &clap::Command) -> Vec<&clap::Command> {
        let below = command.get_subcommands().flat_map(all);
        std::iter::once(command).chain(below).collect()
    }

    #[test]
    fn an_option_of_a_name_looks_alike_in_every_command() {
        let root = Cli::command();
        let mut seen = 0;
        for command in all(&root) {
            for option in command.get_arguments() {
                let (command, name) = (command.get_name(), option.get_id().as_str());
                if name == "out" {
                    assert_eq!((option.get_long(), option.get_short()), (Some("out"), Some('o')), "{command}");
                    seen += 1;
                }
                if name == "length" {
                    assert_eq!(option.get_short(), Some('n'), "{command}");
                }
                let values = option.get_value_names().unwrap_or_default();
                match name {
                    "seed" => assert_eq!(values, ["S"], "{command}"),
                    "limit" => assert_eq!(values, ["K"], "{command}"),
                    "lr" => assert_eq!(values, ["RATE"], "{command}"),
                    _ => {}
                }
            }
        }
        assert!(seen >= 10, "{seen} commands write to --out");
    }

    #[test]
    fn help_is_wrapped_once() {
        let root = Cli::command();
        for command in all(&root) {
            let (name, help) =
                (command.get_name(), command.get_after_help().map(ToString::to_string).unwrap_or_default());
            for lines in help.lines().collect::<Vec<_>>().windows(2) {
                let prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
                let ends = lines[0].ends_with(':');
                assert!(ends || !prose(lines[0]) || !prose(lines[1]), "{name}: a paragraph is one line: {lines:?}");
            }
            for line in help.lines().filter(|line| line.starts_with(' ')) {
                assert!(line.chars().count() <= WIDTH, "{name}: {line}");
            }
        }
    }

    #[test]
    fn every_command_that_prints_results_can_print_json() {
        let root = Cli::command();
        for command in all(&root).into_iter().filter(|command| !command.has_subcommands()) {
            let json = command.get_arguments().any(|option| option.get_long() == Some("json"));
            // `nli tag` prints annotations in formats of their own, `completions` a script; `man` writes pages.
            let others = ["tag", "completions", "man"];
            assert_eq!(json, !others.contains(&command.get_name()), "{}", command.get_name());
        }
    }

    /// The values of `texts` that the option `name` takes, which is the same for every command that has it.
    fn taken<'a>(name: &str, commands: &[&str], texts: &[&'a str]) -> Vec<&'a str> {
        let by = |text: &str, command: &str| {
            let line = format!("compexp {command} --{name}={text}");
            Cli::try_parse_from(line.split(' ')).is_ok()
        };
        let taken = |command: &str| texts.iter().copied().filter(|text| by(text, command)).collect::<Vec<_>>();
        let first = taken(commands[0]);
        for command in commands {
            assert_eq!(taken(command), first, "--{name} of {command}");
        }
        first
    }

    #[test]
    fn numbers_of_a_kind_are_checked_alike() {
        let sae = "sae train --activations a --latents 8 --k 2 --out x";
        let trainings = ["vision train list --out x", "nli train --train a --dev b --out x", sae];
        let texts = ["-1", "0", "0.5", "1", "2", "1048576", "1048577", "nan", "inf", "x"];
        assert_eq!(taken("lr", &trainings, &texts), ["0.5", "1", "2", "1048576", "1048577"]);
        assert_eq!(taken("epochs", &trainings, &texts), ["1", "2", "1048576"]);
        assert_eq!(taken("save-every", &trainings, &texts), ["1", "2", "1048576", "1048577"]);
        let probes = ["explain --probe p --masks m --out x", "vision probe --broden b --checkpoint c --out x"];
        assert_eq!(taken("holdout", &probes, &texts), ["0.5"]);
        assert_eq!(taken("null-draws", &probes, &texts), ["2"]);
        assert_eq!(taken("penalty", &probes, &texts), ["0.5", "1"]);
        let images = ["vision eval list --checkpoint c", "vision counterfactual run", probes[1]];
        assert_eq!(taken("batch", &images, &["0", "1", "4096", "4097"]), ["1", "4096"]);
    }

    #[test]
    fn an_option_that_was_renamed_keeps_its_old_name() {
        for option in ["--out t.feats", "-o t.feats", "--output t.feats"] {
            let line = format!("compexp nli tag s.txt --tagger model {option}");
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            let Command::Nli(NliCommand::Tag(args)) = cli.command else { panic!("found another command") };
            assert_eq!(args.out, std::path::Path::new("t.feats"), "{option}");
        }
    }
}
