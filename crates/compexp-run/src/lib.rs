//! Run folders: everything that explaining a layer gives, in one folder; and the readers of what it is made from.
//!
//! - [`explain_run()`] is the method in one call: from a probe set and a layer to a finished run;
//! - [`RunDir`] is a folder with everything that explaining a layer gives;
//! - [`Manifest`] names the files of a run with their hashes, [`Adding`] puts more into it, [`verify`] checks it all;
//! - [`ActivationStore`] keeps the activations extracted from a model, and goes on where a killed run stopped;
//! - [`ActivationFile`] and [`MaskFile`] read arrays of activations and of ready masks, [`open_probe`] a probe directory;
//! - [`SparseFile`] reads activations most of which are 0;
//! - [`Provenance`] is what a run was made with;
//! - [`Baseline`] is what a run came to, kept to compare later runs with;
//! - [`training`] is what trainings share that can be taken up again where they were;
//! - [`position_store`] holds a position map too large for memory.
//!
//! # What it does not know
//! Networks, and any data set's format.
#![forbid(unsafe_code)]

pub mod ablation_record;
mod ablation_tables;
pub mod activation_store;
pub mod activations;
mod additions;
pub mod baseline;
mod blocks;
mod choice;
pub mod error;
pub mod explain_run;
mod finished_run;
pub mod head_file;
pub mod layout;
pub mod manifest;
mod masks;
pub mod position_file;
pub mod probe_dir;
pub mod provenance;
mod ranges;
pub mod record_csv;
mod run_config;
pub mod run_dir;
pub mod run_tables;
mod run_writer;
mod saev;
pub mod sparse;
mod summary;
pub mod training;
pub mod trial_record;
mod verify;
pub mod wording;

pub use ablation_record::AblationRecord;
pub use ablation_tables::{Band, UnitEffect};
pub use activation_store::{ActivationStore, ActivationWriter, StoreShape};
pub use activations::{ActivationFile, Axes, Known, MaskFile, PlacedActivations};
pub use additions::Adding;
pub use baseline::Baseline;
pub use choice::choose;
pub use error::{Damage, Error, Result};
pub use explain_run::{Layer, Method, Outcome, check_evidence, divide, explain_into, explain_run};
pub use head_file::{read_head, write_head};
pub use manifest::Manifest;
pub use masks::write_masks;
pub use position_file::{PositionFile, position_store};
pub use probe_dir::{OpenedProbe, open_probe, vocabulary_of, write_concepts, write_examples, write_probe};
pub use provenance::Provenance;
pub use run_config::{InputPaths, RunConfig};
pub use run_dir::{FinishedRun, RunDir, RunWriter};
pub use run_tables::{BelowRun, UnitContribution, UnitWeights, Weights};
pub use sparse::{SparseFile, SparseWriter};
pub use trial_record::TrialRecord;
pub use verify::{Verified, fix, verify};
