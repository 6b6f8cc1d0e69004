//! The command `compexp`, which this program can be as well: `xtask compexp <arguments>`.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

/// The first argument that makes this program the command.
pub(crate) const NAME: &str = "compexp";

/// How to start the command.
#[derive(Clone, Debug)]
pub(crate) struct Compexp {
    /// The program.
    pub(crate) program: PathBuf,
    /// What it is given before the command's arguments.
    pub(crate) first: Option<OsString>,
}

impl Compexp {
    /// This program itself: it is of the sources that are looked at, and needs no other build.
    pub(crate) fn own() -> Result<Self> {
        let program = env::current_exe().context("cannot tell where this program is")?;
        Ok(Self { program, first: Some(NAME.into()) })
    }

    /// The command without arguments.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.first);
        command
    }
}
