//! The project's own chores, run as `cargo xtask <chore>`.
//!
//! - [`ci`]: everything that must pass before a change is merged, in one command.
//! - [`fixtures`]: the example probe set in `data/example`.
//! - [`regress`]: explains again what there are baselines of, and compares.
//! - [`reproduce`]: the paper's experiments, their figures and a report.
//! - [`tidy`]: the conventions and architecture invariants that a program can check.
//! - [`train_toy`]: the networks of the toy experiments.

mod ci;
mod compexp;
mod fixtures;
mod regress;
mod reproduce;
mod tidy;
mod train_toy;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Format, tidy, clippy, tests, regress and docs, in this order; stops at the first failure
    Ci,
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
    Tidy,
    /// Train the networks in data/toy again, and compare
    TrainToy {
        /// Replace those in data/toy
        #[arg(long)]
        update: bool,
    },
}

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == compexp::NAME).is_some() {
        return compexp_cli::main(std::iter::once(compexp::NAME.into()).chain(arguments));
    }
    let root = root();
    let done = match Cli::parse().chore {
        Chore::Ci => ci::ci(&root),
        Chore::Fixtures => fixtures::fixtures(&root),
        Chore::Regress { update } => regress::regress(&root, update),
        Chore::Reproduce(args) => reproduce::reproduce(&root, &args),
        Chore::Tidy => tidy::tidy(&root),
        Chore::TrainToy { update } => train_toy::train_toy(&root, update),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace: cargo says where this package is when it runs it, which holds for every checkout that shares a target
/// directory; the place it was compiled at serves when the program is started by hand.
fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    package.parent().map(PathBuf::from).unwrap_or(package)
}
