//! The pickle machine. It turns instructions into a graph of plain objects and executes no code of the file.
//!
//! Protocols 0 to 5 as far as checkpoints use them. The machine is data-driven by a hostile file, so it
//! - names no class outside [`global`]'s list,
//! - checks every declared length against what is left,
//! - executes at most [`MAX_INSTRUCTIONS`], and copies existing objects (an `OrderedDict` of a list, a tensor's shape)
//!   only up to [`COPY_FACTOR`] entries or bytes for each byte of pickle read.

mod global;
mod literal;
mod machine;
mod object;
mod reduce;
mod source;

pub(crate) use global::Global;
pub(crate) use machine::{COPY_FACTOR, Graph, MAX_INSTRUCTIONS, SLACK, run};
pub(crate) use object::{Heap, Object, StorageRef, TensorRef};
pub(crate) use source::Source;
