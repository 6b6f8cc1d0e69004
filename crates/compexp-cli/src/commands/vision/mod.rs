//! `compexp vision`: from images and a checkpoint.

pub(crate) mod contributions;
pub(crate) mod counterfactual;
mod counterfactual_files;
pub(crate) mod eval;
mod extraction;
pub(crate) mod layers;
mod network;
pub(crate) mod paint;
mod predictions;
pub(crate) mod probe;
pub(crate) mod train;
