//! The errors of this crate: what is wrong with a file, or with what was computed from it.

use std::fmt;
use std::path::{Path, PathBuf};

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written, or does not hold what its format asks for.
    #[error(transparent)]
    File(#[from] compexp_files::Error),
    /// Inputs do not belong together, or a value is out of its range.
    #[error(transparent)]
    Core(#[from] compexp_core::Error),
    /// A file of a run is not what the run's manifest says.
    #[error("`{}`: {damage}: {again}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
        /// How to get it back.
        again: String,
    },
}

/// What can be wrong with a file that a manifest names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// It is not there.
    Missing,
    /// It holds other bytes.
    Changed,
    /// Something else stands in its place: a folder, a link, a pipe.
    NoFile,
    /// It was made from another run.
    OtherRun,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "found no such file, expected the one that manifest.json names",
            Self::Changed => "found other bytes than manifest.json says, the file was changed or damaged",
            Self::NoFile => "found something else than a plain file",
            Self::OtherRun => "found a file that was made from another run",
        })
    }
}

impl Error {
    /// A [`compexp_files::Error::Io`] for `op` on `path`; use with `map_err`.
    pub fn io(op: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let error = compexp_files::Error::io(op, path);
        move |source| Self::File(error(source))
    }

    /// A [`compexp_files::Error::Format`] about `field` of the file `path`.
    pub fn format(
        path: &Path,
        field: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::File(compexp_files::Error::format(path, field, found, expected))
    }

    /// A [`compexp_core::Error::Mismatch`] of `what`.
    pub fn mismatch(what: impl Into<String>, found: impl ToString, expected: impl ToString) -> Self {
        Self::Core(compexp_core::Error::mismatch(what, found, expected))
    }
}

/// Sources of annotations, activations and masks give core's errors; theirs are those of files.
impl From<Error> for compexp_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            Error::File(error) => Self::source(error),
            damaged => Self::source(damaged),
        }
    }
}
