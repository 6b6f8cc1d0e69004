//! Files: the only place of this crate that touches the file system.
//!
//! - [`TensorFile`] reads arrays (`.npy`, `.safetensors`) in blocks; [`ActivationFile`] and [`MaskFile`] are arrays of
//!   activations and of ready masks, [`open_probe`] is a probe directory;
//! - [`AtomicFile`], [`NpyWriter`] and [`write_json`] write files that are whole or absent, [`remove_partials`] clears away
//!   what was not completed;
//! - [`ContentHash`] and [`hash_file`] tell whether two artifacts were made from the same things;
//! - [`ActivationStore`] keeps the activations extracted from a model, and goes on where a killed run stopped;
//! - [`Baseline`] is what a run came to, kept to compare later runs with;
//! - [`RunDir`] is a folder with everything that explaining a layer gives, [`position_store`] holds a position map too
//!   large for memory.
//!
//! Everything read here may be broken, hostile, or changing under our hands: sizes are checked against the file's
//! length before anything is allocated, and files are read by position rather than mapped into memory, because a
//! mapped file that shrinks kills the process.

pub mod activation_store;
pub mod activations;
pub mod baseline;
mod dtype;
pub mod hash;
pub mod head_file;
pub mod json;
mod masks;
mod npy;
pub mod position_file;
pub mod probe_dir;
mod rows;
pub mod run_dir;
pub mod run_tables;
mod source_file;
pub mod tensor_file;
#[cfg(test)]
mod test_files;
pub mod write;

pub use activation_store::{ActivationStore, ActivationWriter, StoreShape};
pub use activations::{ActivationFile, MaskFile};
pub use baseline::Baseline;
pub use dtype::Dtype;
pub use hash::{ContentHash, hash_file};
pub use head_file::{read_head, write_head};
pub use json::{read_json, write_json};
pub use masks::write_masks;
pub use position_file::{PositionFile, position_store};
pub use probe_dir::{open_probe, write_concepts, write_examples};
pub use rows::write_rows;
pub use run_dir::{FinishedRun, RunConfig, RunDir, RunWriter};
pub use run_tables::{BelowRun, Table, UnitContribution, UnitWeights, Weights};
pub use tensor_file::TensorFile;
pub use write::{AtomicFile, NpyElement, NpyWriter, remove_partials, write_bytes, write_npy};
