//! The subcommands, one module each. No other module of the crate uses them, and they do not use each other.

pub(crate) mod ablate;
pub(crate) mod analyze;
pub(crate) mod concepts;
pub(crate) mod convert;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod fetch;
pub(crate) mod nli;
pub(crate) mod plant;
pub(crate) mod recovered;
pub(crate) mod report;
pub(crate) mod sae;
pub(crate) mod setup;
pub(crate) mod show;
mod show_concepts;
pub(crate) mod text;
pub(crate) mod unpack;
pub(crate) mod verify;
pub(crate) mod vision;
