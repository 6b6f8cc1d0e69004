//! `compexp vision`: from images and a checkpoint.

pub(crate) mod counterfactual;
mod counterfactual_files;
pub(crate) mod eval;
mod extraction;
mod predictions;
pub(crate) mod probe;
