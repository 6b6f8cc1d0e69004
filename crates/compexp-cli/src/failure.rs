//! How a command fails: what is printed, and the exit code.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use compexp_core::formula::escape_for_terminal;

/// The command failed.
const FAILED: u8 = 1;

/// The arguments are wrong.
const USAGE: u8 = 2;

/// `diff` found drift.
const DRIFT: u8 = 3;

/// A failure of this crate's own, with a way on.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// Arguments that cannot be right, whatever is in the files.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, code: USAGE }
    }

    /// Something that failed.
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, code: FAILED }
    }

    /// Two runs that are not the same any more: nothing failed, and the exit code says so.
    pub(crate) fn drift(message: impl fmt::Display) -> Self {
        Self { message: message.to_string(), hint: None, code: DRIFT }
    }

    /// The same with a way on.
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

/// Refuses `-` as the folder of results; `what` they are goes before "a folder of files".
///
/// # Errors
/// A [`Failure`] for `-`.
pub(crate) fn refuse_standard_output(out: &Path, what: &str) -> Result<(), Failure> {
    if out != Path::new("-") {
        return Ok(());
    }
    Err(Failure::usage(format!("--out -: {what} a folder of files, and cannot go to standard output")))
}

/// Prints an error with its causes and the hint, if it has one, and gives the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // A reader that went away (`compexp show | head`) has what it wanted.
    if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let failure = error.downcast_ref::<Failure>();
    let mut text = String::from(if failure.is_some_and(|f| f.code == DRIFT) { "drift: " } else { "error: " });
    let mut last = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        // The libraries' errors name their causes themselves.
        if last.is_empty() {
            text += &escape_for_terminal(&cause);
        } else if !last.contains(&cause) {
            text += &format!("\n  caused by: {}", escape_for_terminal(&cause));
        }
        last = cause;
    }
    if let Some(hint) = failure.and_then(|f| f.hint.as_ref()) {
        text += &format!("\nhint: {}", escape_for_terminal(hint));
    }
    // Where standard error is closed, there is nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(failure.map_or(FAILED, |f| f.code))
}
