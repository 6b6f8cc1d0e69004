//! Probe sets: the examples on which units are observed, with their concept annotations.

use serde::{Deserialize, Serialize};

use crate::concept::{ConceptId, Vocabulary};
use crate::error::{Error, Result};

/// The mask grid of every example: `height x width` positions, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grid {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Grid {
    /// One position per example: sentence pairs, or images annotated as a whole.
    pub const SINGLE: Self = Self { height: 1, width: 1 };

    /// The number of positions of an example.
    pub fn positions(self) -> usize {
        self.height * self.width
    }
}

/// The annotation of one example.
///
/// A position has concept `l` if any layer equals `l` there, or if `l` is among the scalars. The entries are concept
/// ids, [`Annotation::NONE`] if there is none; readers of formats in which 0 means none translate it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotation {
    /// Layer by layer, position by position: `(n_layers, positions)`.
    pub layers: Vec<u32>,
    /// Concepts of the whole example.
    pub scalars: Vec<u32>,
}

impl Annotation {
    /// The entry of a layer where no concept is annotated.
    pub const NONE: u32 = u32::MAX;

    /// Removes all entries and keeps the allocated memory.
    pub fn clear(&mut self) {
        self.layers.clear();
        self.scalars.clear();
    }
}

/// A source of annotations: a folder on disk, a generator, an array.
pub trait AnnotationSource: Send + Sync {
    /// The number of examples.
    fn n_examples(&self) -> usize;

    /// The mask grid that every example shares.
    fn grid(&self) -> Grid;

    /// Writes the annotation of `example` (counted from 0) into the cleared `into`.
    ///
    /// # Errors
    /// [`Error::Annotation`] or [`Error::Source`] if the annotation cannot be
    /// read.
    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()>;

    /// Concepts that become columns of the partition even if no example has them. Empty for most sources.
    fn declared(&self) -> Vec<ConceptId> {
        Vec::new()
    }
}

/// How outputs name an example, and what a report shows of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// The name in outputs: a relative image path, or a number.
    pub name: String,
    /// The image's path relative to the root it was found under; empty for texts.
    #[serde(default)]
    pub image: String,
    /// The example's text; empty for images.
    #[serde(default)]
    pub text: String,
    /// The example's group; empty = a group of its own. Permutation, hold-out and bootstrap keep a group together.
    #[serde(default)]
    pub group: String,
    /// What the group is part of; empty = nothing. Hold-out and bootstrap keep a document together, permutation does not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub document: String,
}

/// Which variant of the reference implementation's search applies; its settings are also the defaults of other searches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Variant {
    /// For concepts of positions (pixels).
    Vision,
    /// For binary features of examples (sentence pairs), with NEIGHBORS.
    Nli,
}

/// For each concept with neighbours, the concepts that NEIGHBORS adds to it. [`crate::formula::Atom::any_of`] evaluates it.
pub type Neighbors = std::collections::BTreeMap<ConceptId, Vec<ConceptId>>;

/// Some of the examples of a source, in any order.
struct Chosen {
    source: Box<dyn AnnotationSource>,
    examples: Vec<usize>,
}

impl AnnotationSource for Chosen {
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
        self.source.declared()
    }
}

impl ProbeSet {
    /// The same with these examples only: the others are outside of the universe.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for an example that the set does not have.
    pub fn only(self, examples: Vec<usize>) -> Result<Self> {
        let n = self.examples.len();
        if let Some(beyond) = examples.iter().find(|example| **example >= n) {
            return Err(Error::mismatch("example", beyond, format!("less than {n}")));
        }
        let named = examples.iter().map(|example| self.examples[*example].clone()).collect();
        Ok(Self { examples: named, source: Box::new(Chosen { source: self.source, examples }), ..self })
    }
}

/// The examples on which units are observed, with their concept annotations.
pub struct ProbeSet {
    /// The concepts.
    pub vocabulary: Vocabulary,
    /// The name of each example; one for each example of the source.
    pub examples: Vec<Example>,
    /// Which variant of the reference's search applies.
    pub variant: Variant,
    /// The neighbours of concepts: NEIGHBORS(f) is f or any of `neighbors[f]`.
    pub neighbors: Neighbors,
    /// The annotations.
    pub source: Box<dyn AnnotationSource>,
}
