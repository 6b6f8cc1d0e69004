//! The project's own chores, run as `cargo xtask <chore>`.
//!
//! - [`ci`]: everything that must pass before a change is merged, in one command.
//! - [`fixtures`]: the example probe set in `data/example`.
//! - [`regress`]: explains again what there are baselines of, and compares.
//! - [`tidy`]: the conventions and architecture invariants that a program can check.

mod ci;
mod fixtures;
mod regress;
mod tidy;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <chore>

  ci        format, tidy, clippy, tests, regress and docs, in this order; stops at the first failure
  fixtures  paints the example probe set in data/example again
  regress   explains again what there are baselines of, and compares; --update makes these runs the baselines
  tidy      conventions of the source text and invariants of the architecture
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let chore: fn(&Path) -> anyhow::Result<()> = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ci"] => ci::ci,
        ["fixtures"] => fixtures::fixtures,
        ["regress"] => |root| regress::regress(root, false),
        ["regress", "--update"] => |root| regress::regress(root, true),
        ["tidy"] => tidy::tidy,
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("error: found `{}`, expected one chore\n\n{USAGE}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match chore(&root()) {
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
    package.parent().map(Path::to_path_buf).unwrap_or(package)
}
