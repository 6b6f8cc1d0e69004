//! The errors of this crate: each names the file or quantity, what was found and what was expected.

use std::path::{Path, PathBuf};

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// All errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A weight of a network is missing, superfluous, or has a wrong shape or value.
    #[error("weight `{name}`: found {found}, expected {expected}")]
    Weight {
        /// Its name in the state dict.
        name: String,
        /// What was found: `shape [64, 3, 7, 7]`, `nothing`, ...
        found: String,
        /// What was expected, with a hint at the fix if there is one.
        expected: String,
    },
    /// A checkpoint holds a network of another kind than can be run.
    #[error(
        "`{}`: network: looks like {kind}, expected a ResNet, ResNeXt, AlexNet, VGG, DenseNet or ViT with torchvision's names: \
         export the network as ONNX, or the activations of a layer for `compexp explain`",
        path.display()
    )]
    Architecture {
        /// The checkpoint.
        path: PathBuf,
        /// What its weights look like.
        kind: String,
    },
    /// An ONNX file cannot be read or run.
    #[error("`{}`: ONNX: {problem}: {hint}", path.display())]
    Onnx {
        /// The file.
        path: PathBuf,
        /// What was found.
        problem: String,
        /// A hint at the fix.
        hint: String,
    },
    /// A network has no layer of this name.
    #[error("unknown layer `{name}`: the layers are {}", listed(valid))]
    UnknownLayer {
        /// The requested name.
        name: String,
        /// The names of all layers.
        valid: Vec<String>,
    },
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
}

/// The names of layers, of which those in the middle are left out where there are very many.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 100;
    match names.len() {
        ..=SHOWN => names.join(", "),
        n => {
            let (first, last) = (&names[..SHOWN / 2], &names[n - SHOWN / 2..]);
            format!("{}, ..., {}; `compexp vision layers` lists all", first.join(", "), last.join(", "))
        }
    }
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

/// Adds the purpose of a file to the error that it is missing.
pub(crate) fn missing(hint: &str, error: compexp_files::Error) -> Error {
    Error::File(match error {
        compexp_files::Error::Io { op, path, source } if source.kind() == std::io::ErrorKind::NotFound => {
            let source = std::io::Error::new(source.kind(), format!("no such file or folder; {hint}"));
            compexp_files::Error::Io { op, path, source }
        }
        other => other,
    })
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

impl From<compexp_kernels::Error> for Error {
    fn from(error: compexp_kernels::Error) -> Self {
        match error {
            compexp_kernels::Error::Mismatch { what, found, expected } => Self::mismatch(what, found, expected),
            compexp_kernels::Error::Candle(error) => Self::Candle(error),
            other => Self::mismatch("tensor operation", other, "one that can be computed"),
        }
    }
}
