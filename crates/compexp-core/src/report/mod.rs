//! The report: what a run directory holds, drawn.
//!
//! [`figures()`] draws every analysis of a run, and [`training_curves`] a training. A [`Figure`] has its numbers with it.

mod charts;
pub mod figure;
pub mod figures;
mod svg;

pub use figure::Figure;
pub use figures::{figures, training_curves};
