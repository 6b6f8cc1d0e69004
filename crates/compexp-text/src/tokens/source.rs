//! The concepts of every word, in one array.

use compexp_core::Result;
use compexp_core::concept::ConceptId;
use compexp_core::probe::{Annotation, AnnotationSource, Grid};

/// The concepts of every word, as lists that are still growing.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists(pub(super) Vec<Vec<u32>>);

impl Lists {
    pub(super) fn finish(self) -> Words {
        let mut ends = Vec::with_capacity(self.0.len());
        let mut ids = Vec::with_capacity(self.0.iter().map(Vec::len).sum());
        for list in self.0 {
            ids.extend(list);
            ends.push(ids.len());
        }
        Words { ends, ids }
    }
}

/// The annotation of words, one position an example.
pub(super) struct Words {
    ends: Vec<usize>,
    ids: Vec<u32>,
}

impl AnnotationSource for Words {
    fn n_examples(&self) -> usize {
        self.ends.len()
    }

    fn grid(&self) -> Grid {
        Grid::SINGLE
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        let start = example.checked_sub(1).map_or(0, |before| self.ends[before]);
        into.scalars.extend(&self.ids[start..self.ends[example]]);
        Ok(())
    }

    fn declared(&self) -> Vec<ConceptId> {
        Vec::new()
    }
}
