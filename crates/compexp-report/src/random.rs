//! What random numbers are drawn for.

/// Each purpose has its own numbers; those of `compexp-trust` lie around these.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The order in which units are ablated.
    Ablation = 259,
}

impl From<Purpose> for u64 {
    fn from(purpose: Purpose) -> Self {
        purpose as Self
    }
}
