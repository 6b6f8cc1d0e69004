//! How pixels become what a network reads.

use clap::ValueEnum;

/// A network's preprocessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PreprocessArg {
    Reference,
    Imagenet,
}
