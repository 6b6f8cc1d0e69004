//! The subcommands, one module each.

pub(crate) mod analyze;
pub(crate) mod behaviour;
pub(crate) mod classified;
pub(crate) mod diff;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod nli;
pub(crate) mod plant;
pub(crate) mod recovered;
pub(crate) mod report;
pub(crate) mod show;
pub(crate) mod trials;
pub(crate) mod verify;
pub(crate) mod vision;
