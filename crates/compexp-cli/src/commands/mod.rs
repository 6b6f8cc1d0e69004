//! The subcommands, one module each.

pub(crate) mod classified;
pub(crate) mod diff;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod nli;
pub(crate) mod show;
pub(crate) mod vision;
