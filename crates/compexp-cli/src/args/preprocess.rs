//! How pixels become the input of a network.

use clap::ValueEnum;

/// A network's preprocessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PreprocessArg {
    Reference,
    Imagenet,
}
