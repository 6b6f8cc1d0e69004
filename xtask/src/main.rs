//! The project's own chores, run as `cargo xtask <chore>`.
//!
//! - [`ci`]: everything that must pass before a change is merged, in one command.
//! - [`regress`]: explains again what there are baselines of, and compares.
//! - [`reproduce`]: the paper's experiments, their figures and a report.
//! - [`tidy`]: the conventions and architecture invariants that a program can check.
//! - [`train_toy`]: the networks of the toy experiments.
//!
//! It links no crate of the project, so that it compiles in seconds. It runs the program `compexp` ([`program`]), and
//! chores that need a crate of the project are in the package `chores` beside it.
#![forbid(unsafe_code)]

mod cargo;
mod ci;
mod program;
mod regress;
mod reproduce;
mod stage;
mod tidy;
mod train_toy;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use program::{Build, Compexp};

/// The project's own chores
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
#[allow(clippy::large_enum_variant, reason = "there is one of it in a process")]
enum Chore {
    /// Format, tidy, clippy, tests, regress, docs and more, in this order; stops at the first failure
    Ci,
    /// Build the command in the release profile and run it
    #[command(disable_help_flag = true)]
    Compexp {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
        arguments: Vec<OsString>,
    },
    /// Paint the example probe set in data/example again
    Fixtures,
    /// Explain again what there are baselines of, and compare
    Regress {
        /// Make these runs the baselines
        #[arg(long)]
        update: bool,
    },
    Reproduce(reproduce::ReproduceArgs),
    /// Check conventions of the source text and invariants of the architecture
    Tidy {
        /// Print how many lines each crate has instead
        #[arg(long)]
        lines: bool,
        /// Print what rules find that do not hold yet
        #[arg(long, conflicts_with = "lines")]
        pending: bool,
    },
    /// Train the networks in data/toy again, and compare
    TrainToy {
        /// Replace those in data/toy
        #[arg(long)]
        update: bool,
    },
}

fn main() -> ExitCode {
    match run(&cargo::workspace(), Cli::parse().chore) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(root: &Path, chore: Chore) -> anyhow::Result<ExitCode> {
    match chore {
        Chore::Ci => ci::ci(root)?,
        Chore::Compexp { arguments } => return compexp(root, &arguments),
        Chore::Fixtures => {
            let mut fixtures = cargo::cargo(root, &["run", "--release", "--bin", "chores", "--", "fixtures"]);
            fixtures.arg(root);
            cargo::run(fixtures)?;
        }
        Chore::Regress { update } => regress::regress(root, Build::Release, update)?,
        Chore::Reproduce(args) => reproduce::reproduce(root, &args)?,
        Chore::Tidy { lines: true, .. } => tidy::print_lines(root)?,
        Chore::Tidy { pending, .. } => tidy::tidy(root, pending)?,
        Chore::TrainToy { update } => train_toy::train_toy(root, update)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the command as if it had been called itself; the code it ends with is this program's.
fn compexp(root: &Path, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let mut command = Compexp::build(root, Build::Release)?.interactive();
    let status = command.args(arguments).status().context("cannot start `compexp`")?;
    // A signal has no code.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}
