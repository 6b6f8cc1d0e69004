//! The evidence for an explanation: how far a formula that was found for a unit can be trusted.
//!
//! - [`stats`]: significance against permuted units, scores on examples held out, and the statistics that both need;
//! - [`planted`]: units of known formulas with noise, to measure how well a search recovers them;
//! - [`compare`]: whether the explanations of two runs are still the same;
//! - [`behaviour`]: how units bear on a classifier's decisions: contributions, ablation, counterfactual trials.
//!
//! Everything random follows from a seed ([`compexp_core::random`]), whatever the number of threads.
//!
//! # What it does not know
//! Files, networks, and data sets: it works on what `compexp-core` computes.
#![forbid(unsafe_code)]

pub mod behaviour;
pub mod compare;
pub mod planted;
mod random;
pub mod stats;

pub use compexp_core::{Error, Result};
