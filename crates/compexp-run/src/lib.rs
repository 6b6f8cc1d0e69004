//! What is kept of a run; so far, of a training.
#![forbid(unsafe_code)]

pub mod training;

pub use compexp_core::{Error, Result};
