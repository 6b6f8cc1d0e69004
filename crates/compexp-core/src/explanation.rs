//! Explanations: the record of a search for every unit, as it is written and read back.

mod headline;
mod record;
mod summary;
mod trust;

pub use headline::Headline;
pub use record::{ConceptExplanation, ConceptFormulas, Explanation, Explanations, Scored, Scores, Universe, VERSION};
pub use summary::{HoldoutSummary, OptimalSummary, SignificanceSummary, median};
pub use trust::{HeldOut, HeldOutActivation, HeldOutMcc, HeldOutScore, HeldOutUniverse, NullScores, Significance};
