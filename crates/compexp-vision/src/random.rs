//! The uses of random numbers.

/// Each use has its own random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A painted scene for training.
    TrainScene = 1,
    /// A painted scene to probe with.
    ProbeScene,
    Weights,
    Order,
    Augment,
    /// Images to paste into.
    Targets,
    /// Images to cut from.
    Segments,
    /// Images and concepts of segments beside them.
    Controls,
}

impl From<Purpose> for u64 {
    fn from(purpose: Purpose) -> Self {
        purpose as Self
    }
}
