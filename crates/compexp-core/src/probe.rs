//! Probe sets: the examples on which units are observed, with their concept annotations.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::concept::{ConceptId, Vocabulary};

/// The mask grid of every example: `height x width` positions, row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grid {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Grid {
    /// One position an example: sentence pairs, or images annotated as a whole.
    pub const SINGLE: Self = Self { height: 1, width: 1 };

    /// The number of positions of an example.
    pub fn positions(self) -> usize {
        self.height * self.width
    }
}

/// The annotation of one example, in the form every reader gives it.
///
/// A position has concept `l` if any layer equals `l` there, or if `l` is among the scalars. The entries are concept
/// ids, [`Annotation::NONE`] where there is none; readers of formats in which 0 means none translate it.
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

    /// Empties it, and keeps its memory.
    pub fn clear(&mut self) {
        self.layers.clear();
        self.scalars.clear();
    }
}

/// Where annotations come from: a folder on disk, a generator, an array.
pub trait AnnotationSource: Send + Sync {
    /// The number of examples.
    fn n_examples(&self) -> usize;

    /// The mask grid that every example shares.
    fn grid(&self) -> Grid;

    /// Writes the annotation of `example` (counted from 0) into the cleared `into`.
    ///
    /// # Errors
    /// Whatever the source cannot read; [`crate::Error::Annotation`] wraps errors of other crates.
    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()>;

    /// Concepts that count as present even where no example has them. Empty for most sources.
    fn declared(&self) -> Vec<ConceptId> {
        Vec::new()
    }
}

/// What outputs call an example, and what a report shows of it.
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
    /// Examples of one group are kept together by permutation, hold-out and bootstrap; empty = a group of its own.
    #[serde(default)]
    pub group: String,
}

/// Which search variant of the reference applies, and which defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Concepts of positions (pixels): the vision variant.
    Vision,
    /// Binary features of examples: the NLI variant, with NEIGHBORS.
    Nli,
}

/// For each concept that has any, the concepts that NEIGHBORS adds to it.
pub type Neighbors = std::collections::BTreeMap<ConceptId, Vec<ConceptId>>;

/// The examples on which units are observed, with their concept annotations.
pub struct ProbeSet {
    /// The concepts.
    pub vocabulary: Vocabulary,
    /// What to call each example; as many as the source has.
    pub examples: Vec<Example>,
    /// Which search variant applies.
    pub task: Task,
    /// NEIGHBORS(f) = f or any of `neighbors[f]`.
    pub neighbors: Neighbors,
    /// The annotations.
    pub source: Box<dyn AnnotationSource>,
}
