//! The report: what a run directory holds, drawn.

pub mod figure;

pub use figure::Figure;
