//! How a command fails: the printed error and the exit code.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use compexp_core::formula::escape_for_terminal;
use compexp_files::{Place, entries, shorten};

use crate::terminal::{BAD, GOOD, styled, tell};

/// The command failed.
const FAILED: u8 = 1;

/// The arguments are wrong.
const USAGE: u8 = 2;

/// `diff` found drift.
const DRIFT: u8 = 3;

/// A failure of this crate, with a hint at the fix.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// Arguments that are wrong for any files.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, code: USAGE }
    }

    /// A command that failed.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, code: FAILED }
    }

    /// Two runs that differ: the command did not fail, and the exit code says that they differ.
    pub(crate) fn drift(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, code: DRIFT }
    }

    /// The same with a hint at the fix.
    pub(crate) fn hint(self, hint: impl fmt::Display) -> Self {
        Self { hint: Some(hint.to_string()), ..self }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Refuses `-` as the folder of results. In the message, `what` names the results, before "a folder of files".
///
/// # Errors
/// A [`Failure`] for `-`.
pub(crate) fn refuse_standard_output(out: &Path, what: &str) -> Result<(), Failure> {
    if out != Path::new("-") {
        return Ok(());
    }
    Err(Failure::usage(format!("--out -: {what} a folder of files, and cannot go to standard output")))
}

/// Prints the message of the argument parser, including help, and returns the exit code.
pub(crate) fn tell_usage(told: &clap::Error) -> ExitCode {
    match told.print().and_then(|()| io::stdout().flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            tell(&format!("{} cannot write: {e}", styled("error:", BAD)));
            ExitCode::from(FAILED)
        }
        _ => u8::try_from(told.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from),
    }
}

/// The most characters of a message and its causes, each.
const MAX_MESSAGE: usize = 4000;

/// Prints an error with its causes and its hint, if it has one, and returns the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // If the reader closed the pipe (`compexp show | head`), that is no failure.
    if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let failure = error.downcast_ref::<Failure>();
    let word = if failure.is_some_and(|f| f.code == DRIFT) { "drift:" } else { "error:" };
    let mut text = styled(word, BAD) + " ";
    let mut last = String::new();
    for cause in error.chain() {
        let cause = shorten(cause.to_string(), MAX_MESSAGE);
        // The libraries' errors name their causes themselves.
        if last.is_empty() {
            text += &escape_for_terminal(&cause);
        } else if !last.contains(&cause) {
            text += &format!("\n  caused by: {}", escape_for_terminal(&cause));
        }
        last = cause;
    }
    if let Some(hint) = failure.and_then(|f| f.hint.as_ref()) {
        text += &format!("\n{} {}", styled("hint:", GOOD), escape_for_terminal(hint));
    }
    tell(&text);
    ExitCode::from(failure.map_or(FAILED, |f| f.code))
}

/// Refuses a folder with files that a command does not replace, which are all but its `own`.
///
/// # Errors
/// A [`Failure`] that names the first of them; `Error::Io` if the folder cannot be read.
pub(crate) fn refuse_others(out: &Path, own: &[&str]) -> anyhow::Result<()> {
    if Place::behind(out)? == Place::Nothing {
        return Ok(());
    }
    let other = entries(out)?.into_iter().find(|entry| !entry.text().is_some_and(|name| own.contains(&name)));
    let Some(other) = other else { return Ok(()) };
    let message = format!("--out: found `{}`, expected a new or empty folder", other.path.display());
    Err(Failure::new(message).hint("give another folder").into())
}
