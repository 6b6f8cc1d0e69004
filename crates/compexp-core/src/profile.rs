//! Profiles: one unit's number of hits in every cell.
//!
//! Upsampling, thresholding and counting are one pass: a mask is never stored.

mod check;
mod count;
#[cfg(test)]
mod fixtures;
mod gather;
mod patterns;

pub use count::{from_activations, from_masks};
pub use gather::{Peak, Profile};
pub use patterns::{Counter, Patterns};
