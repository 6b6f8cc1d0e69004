//! The engine of compexp.
#![forbid(unsafe_code)]

pub mod activation;
pub mod artifact;
pub mod concept;
pub mod error;
pub mod exemplar;
pub mod explain;
pub mod explanation;
pub mod formula;
pub mod partition;
pub mod probe;
pub mod profile;
pub mod resize;
pub mod score;
pub mod search;
pub mod threshold;

pub use error::{Error, Result};
