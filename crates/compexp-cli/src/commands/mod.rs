//! The subcommands, one module each.

pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod nli;
pub(crate) mod report;
pub(crate) mod show;
pub(crate) mod vision;
