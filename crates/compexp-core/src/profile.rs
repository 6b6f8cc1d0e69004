//! Profiles: for one unit, the number of hits in every cell. A *hit* is a position where the unit fires.
//!
//! Upsampling, thresholding and counting are one pass over the map, so no mask is stored.

mod check;
mod count;
#[cfg(test)]
mod fixtures;
mod gather;
mod patterns;

pub use count::{from_activations, from_masks};
pub use gather::{Peak, Profile};
pub use patterns::{Counter, Patterns};
