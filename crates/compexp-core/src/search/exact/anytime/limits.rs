//! When to stop before everything is proven.

use std::time::Instant;

/// The limits of a search.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) deadline: Option<Instant>,
    /// A difference in IoU that is not worth searching for.
    pub(crate) gap: f64,
}

impl Limits {
    pub(super) fn time_is_up(self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}
