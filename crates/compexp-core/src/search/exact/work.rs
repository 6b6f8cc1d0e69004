//! The work of an exact search.

/// Counts of work; [`crate::search::Optimal`] describes them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    pub(super) pairs: u64,
    pub(super) triples: u64,
    pub(super) full_passes: u64,
    pub(super) nodes: u64,
}

impl Work {
    pub(super) fn add(&mut self, more: Self) {
        self.pairs += more.pairs;
        self.triples += more.triples;
        self.full_passes += more.full_passes;
        self.nodes += more.nodes;
    }
}
