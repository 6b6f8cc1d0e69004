//! Statistics of numbers: spread and correlation.

pub mod correlation;
pub mod spread;

pub use correlation::{Correlation, pearson, spearman};
pub use spread::Spread;
