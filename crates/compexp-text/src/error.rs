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
    /// A file or a quantity is wrong, or the engine refused an input: the errors that all crates share.
    #[error(transparent)]
    Core(#[from] compexp_core::Error),
    /// A file cannot be read or written, or its content breaks a rule of its format.
    #[error(transparent)]
    File(#[from] compexp_files::Error),
    /// A tensor operation failed.
    #[error("tensor operation: {0}")]
    Candle(#[from] candle_core::Error),
    /// A layer refused its weights or its input.
    #[error(transparent)]
    Kernel(#[from] compexp_kernels::Error),
    /// A model has no layer of this name.
    #[error("unknown layer `{name}`: the layers are {}", compexp_files::listed(valid))]
    UnknownLayer {
        /// The requested name.
        name: String,
        /// The names of all layers.
        valid: Vec<String>,
    },
    /// A text has more tokens than the model has positions.
    #[error("text {text}: found {tokens} tokens, expected at most the model's {positions} positions: cut the text")]
    TooLong {
        /// The text, counted from 0 among those given.
        text: usize,
        /// Its tokens, special tokens included.
        tokens: usize,
        /// The positions of the model.
        positions: usize,
    },
    /// The number of a token is not in the vocabulary of a tokenizer or model.
    #[error("token {token} of text {text}: found number {id}, expected one of the vocabulary, below {vocabulary}")]
    UnknownToken {
        /// The text, counted from 0 among those given.
        text: usize,
        /// The token's place in the text, counted from 0.
        token: usize,
        /// Its number.
        id: u32,
        /// The numbers of the vocabulary: they are below this.
        vocabulary: usize,
    },
    /// No model token covers a character of a word.
    #[error(
        "word {word} (characters {start} to {end}): found no model token on it, expected at least one: the tokenizer drops \
         its characters"
    )]
    NoToken {
        /// The word, counted from 0 in its text.
        word: usize,
        /// Its first character, counted from 0 in code points.
        start: usize,
        /// The character after its last one.
        end: usize,
    },
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
