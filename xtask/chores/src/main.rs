//! Chores that need crates of the project. `cargo xtask` compiles and runs them, so that it needs none of those crates.
//!
//! - [`fixtures`]: the example probe set in `data/example`.
#![forbid(unsafe_code)]

mod fixtures;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};

/// The arguments are a chore and the workspace's folder.
fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [chore, root] if chore == "fixtures" => fixtures::fixtures(Path::new(root)),
        _ => bail!("found the arguments `{}`, expected `fixtures ROOT`", arguments.join(" ")),
    }
}
