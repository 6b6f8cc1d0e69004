//! The errors of this crate: each names the operation, what was found and what was expected.

use std::path::Path;

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// All errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A checkpoint cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] compexp_checkpoint::Error),
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Candle(#[from] candle_core::Error),
    /// A layer refused its weights or its input.
    #[error(transparent)]
    Kernel(#[from] compexp_kernels::Error),
    /// A file or a quantity is wrong, or the engine refused an input: the errors that all crates share.
    #[error(transparent)]
    Core(#[from] compexp_core::Error),
    /// A file cannot be read or written, or its content breaks a rule of its format.
    #[error(transparent)]
    File(#[from] compexp_files::Error),
}

impl Error {
    /// [`compexp_files::Error::io`] for `op` on `path`; use with `map_err`.
    pub fn io(op: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let error = compexp_files::Error::io(op, path);
        move |source| Self::File(error(source))
    }

    /// [`compexp_files::Error::format`] about `field` of the file `path`.
    pub fn format(
        path: &Path,
        field: impl Into<String>,
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self::File(compexp_files::Error::format(path, field, found, expected))
    }

    /// [`compexp_core::Error::mismatch`] of `what`.
    pub fn mismatch(what: impl Into<String>, found: impl ToString, expected: impl ToString) -> Self {
        Self::Core(compexp_core::Error::mismatch(what, found, expected))
    }
}

impl From<compexp_run::Error> for Error {
    fn from(error: compexp_run::Error) -> Self {
        match error {
            compexp_run::Error::File(error) => Self::File(error),
            compexp_run::Error::Core(error) => Self::Core(error),
            damaged => Self::Core(damaged.into()),
        }
    }
}

impl From<compexp_text::Error> for Error {
    fn from(error: compexp_text::Error) -> Self {
        match error {
            compexp_text::Error::Checkpoint(error) => Self::Checkpoint(error),
            compexp_text::Error::File(error) => Self::File(error),
            compexp_text::Error::Core(error) => Self::Core(error),
            // The errors of encoders, which sentence pairs do not use.
            other => Self::Core(compexp_core::Error::source(other)),
        }
    }
}
