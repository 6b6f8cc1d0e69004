//! Profiles: for one unit, the number of hits in every cell. A *hit* is a position where the unit fires.
//!
//! Upsampling, thresholding and counting are one pass over the map, so no mask is stored.

mod band;
mod check;
mod count;
#[cfg(test)]
mod fixtures;
mod gather;
mod patterns;
mod sparse;

pub use band::Band;
pub use count::{from_activations, from_masks};
pub use gather::{Peak, Profile};
pub use patterns::{Counter, Patterns};
pub use sparse::from_sparse;
