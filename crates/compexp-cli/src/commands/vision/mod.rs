//! `compexp vision`: from images and a checkpoint.

pub(crate) mod eval;
mod extraction;
mod predictions;
pub(crate) mod probe;
