//! Some of the examples of a source, in the place of all of them.

use compexp_core::activation::{ActivationSource, MaskSource};
use compexp_core::concept::ConceptId;
use compexp_core::exemplar::Firing;
use compexp_core::partition::Partition;
use compexp_core::probe::{Annotation, AnnotationSource, Grid};
use compexp_core::sparse::{Entries, SparseSource};

use crate::Result;

/// Some of the examples of a source, in their order.
pub struct Part<'a, S: ?Sized> {
    source: &'a S,
    examples: &'a [usize],
    declared: Vec<ConceptId>,
}

impl<'a, S: ?Sized> Part<'a, S> {
    /// The given examples (ascending) of a source.
    pub fn new(source: &'a S, examples: &'a [usize]) -> Self {
        Self { source, examples, declared: Vec::new() }
    }

    /// The same with the concepts of `partition` as columns even where no example of the part has them, so that whatever
    /// was found there means the same here.
    pub fn with_concepts_of(self, partition: &Partition) -> Self {
        let concepts = &partition.columns()[..partition.n_concepts()];
        Self { declared: concepts.iter().map(|atom| atom.concept).collect(), ..self }
    }

    /// Fills `out`, of `stride` values an example, with those from `first` on: `read` gives runs of consecutive examples of the
    /// source.
    fn read_runs<T>(
        &self,
        first: usize,
        stride: usize,
        out: &mut [T],
        mut read: impl FnMut(usize, &mut [T]) -> Result<()>,
    ) -> Result<()> {
        let mut rest = out;
        let examples = &self.examples[first..first + rest.len() / stride.max(1)];
        for run in examples.chunk_by(|a, b| a + 1 == *b) {
            let (here, behind) = rest.split_at_mut(run.len() * stride);
            read(run[0], here)?;
            rest = behind;
        }
        Ok(())
    }
}

impl AnnotationSource for Part<'_, dyn AnnotationSource + '_> {
    fn n_examples(&self) -> usize {
        self.examples.len()
    }

    fn grid(&self) -> Grid {
        self.source.grid()
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        self.source.annotate(self.examples[example], into)
    }

    fn declared(&self) -> Vec<ConceptId> {
        let mut declared = self.source.declared();
        declared.extend(&self.declared);
        declared
    }
}

impl ActivationSource for Part<'_, dyn ActivationSource + '_> {
    fn n_examples(&self) -> usize {
        self.examples.len()
    }

    fn n_units(&self) -> usize {
        self.source.n_units()
    }

    fn grid(&self) -> Grid {
        self.source.grid()
    }

    fn read(&self, first: usize, out: &mut [f32]) -> Result<()> {
        let stride = self.n_units() * ActivationSource::grid(self).positions();
        self.read_runs(first, stride, out, |first, out| self.source.read(first, out))
    }
}

impl MaskSource for Part<'_, dyn MaskSource + '_> {
    fn n_examples(&self) -> usize {
        self.examples.len()
    }

    fn n_units(&self) -> usize {
        self.source.n_units()
    }

    fn grid(&self) -> Grid {
        self.source.grid()
    }

    fn read(&self, unit: usize, first: usize, out: &mut [bool]) -> Result<()> {
        let stride = MaskSource::grid(self).positions();
        self.read_runs(first, stride, out, |first, out| self.source.read(unit, first, out))
    }
}

/// Some of the examples of sparse activations.
pub struct SparsePart<'a> {
    source: &'a dyn SparseSource,
    n_examples: usize,
    /// The place of each example of the source in the part; none for those that are not in it.
    places: Vec<Option<u32>>,
}

impl<'a> SparsePart<'a> {
    /// The given examples (ascending) of a source.
    pub fn new(source: &'a dyn SparseSource, examples: &[usize]) -> Self {
        let mut places = vec![None; source.n_examples()];
        for (place, example) in examples.iter().enumerate() {
            if let Some(of_example) = places.get_mut(*example) {
                *of_example = Some(place as u32);
            }
        }
        Self { source, n_examples: examples.len(), places }
    }
}

impl SparseSource for SparsePart<'_> {
    fn n_examples(&self) -> usize {
        self.n_examples
    }

    fn n_units(&self) -> usize {
        self.source.n_units()
    }

    fn grid(&self) -> Grid {
        self.source.grid()
    }

    fn blocks(&self) -> Vec<std::ops::Range<usize>> {
        self.source.blocks()
    }

    fn read(&self, block: usize) -> Result<Entries> {
        let all = self.source.read(block)?;
        let positions = self.grid().positions() as u32;
        let mut part = Entries { first_unit: all.first_unit, starts: vec![0], ..Entries::default() };
        for unit in all.units() {
            let (places, values) = all.of(unit);
            for (at, value) in places.iter().zip(values) {
                if let Some(example) = self.places[(at / positions) as usize] {
                    part.positions.push(example * positions + at % positions);
                    part.values.push(*value);
                }
            }
            part.starts.push(part.positions.len());
        }
        Ok(part)
    }
}

/// Some of the examples of a layer.
pub enum FiringPart<'a> {
    /// Of activations.
    Activations(Part<'a, dyn ActivationSource + 'a>),
    /// Of masks.
    Masks(Part<'a, dyn MaskSource + 'a>),
    /// Of sparse activations.
    Sparse(SparsePart<'a>),
}

impl<'a> FiringPart<'a> {
    /// The given examples (ascending) of a layer.
    pub fn new(firing: Firing<'a>, examples: &'a [usize]) -> Self {
        match firing {
            Firing::Activations(source) => Self::Activations(Part::new(source, examples)),
            Firing::Masks(source) => Self::Masks(Part::new(source, examples)),
            Firing::Sparse(source) => Self::Sparse(SparsePart::new(source, examples)),
        }
    }

    /// Where the masks of the part come from.
    pub fn firing(&self) -> Firing<'_> {
        match self {
            Self::Activations(part) => Firing::Activations(part),
            Self::Masks(part) => Firing::Masks(part),
            Self::Sparse(part) => Firing::Sparse(part),
        }
    }
}
