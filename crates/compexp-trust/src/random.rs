//! What random numbers are drawn for.

/// Each purpose has its own numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The examples' exchange: a round for each unit, a part for each draw.
    Null = 256,
    /// Resampled groups: a round for each resample.
    Bootstrap,
    /// Resampled examples of trials.
    Trials,
    /// Planted formulas: a round for each unit.
    Formula = 261,
    /// Their noise: a round for each unit.
    Noise,
    /// Exchanges of the masks of two runs: a round for each unit.
    Shift,
}

impl From<Purpose> for u64 {
    fn from(purpose: Purpose) -> Self {
        purpose as Self
    }
}
