//! Classifiers of sentence pairs.

mod activation;
pub mod lstm;
pub(crate) mod matrix;
pub mod steps;
