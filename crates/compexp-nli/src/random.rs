//! The uses of random numbers.

/// Each use has its own random numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Weights = 1,
    Order,
    Words,
    Embedding,
    Joined,
    Hidden,
    Scenes,
    HeldOutScenes,
    Vectors,
    /// Pairs to edit.
    Pairs,
    /// Edits of a pair, and those beside them.
    Edits,
}

impl From<Purpose> for u64 {
    fn from(purpose: Purpose) -> Self {
        purpose as Self
    }
}
