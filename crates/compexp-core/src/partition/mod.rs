//! The partition of the universe into cells: positions that carry exactly the same set of concepts.
//!
//! A formula over concepts is constant on a cell. So a search needs only counts on cells: their sizes, the concepts that they
//! carry and, inversely, the cells that carry a concept.

mod bits;
mod build;
mod cells;
mod local;
mod positions;

pub use bits::CellSet;
pub use build::{PartitionBuilder, merge};
pub use cells::Partition;
pub use positions::{MemoryPositions, PositionMap, PositionStore};
