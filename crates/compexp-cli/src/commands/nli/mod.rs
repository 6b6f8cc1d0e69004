//! `compexp nli`: from sentence pairs and a classifier of them.

mod classifier;
pub(crate) mod compose;
pub(crate) mod counterfactual;
mod counterfactual_files;
mod curves;
mod labels;
pub(crate) mod predict;
pub(crate) mod probe;
mod probe_files;
mod sentences;
pub(crate) mod tag;
pub(crate) mod train;
