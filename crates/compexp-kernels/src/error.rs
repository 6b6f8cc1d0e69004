//! The errors of this crate: each names the quantity, what was found and what was expected.

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// All errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A shape or a size does not fit.
    #[error("{what}: found {found}, expected {expected}")]
    Mismatch {
        /// The quantity.
        what: String,
        /// The value found.
        found: String,
        /// The value expected.
        expected: String,
    },
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Candle(#[from] candle_core::Error),
}

impl Error {
    /// [`Error::Mismatch`] of `what`.
    pub fn mismatch(what: impl Into<String>, found: impl ToString, expected: impl ToString) -> Self {
        Self::Mismatch { what: what.into(), found: found.to_string(), expected: expected.to_string() }
    }
}
