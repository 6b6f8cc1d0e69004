//! Copy-paste counterfactuals. They ask: if a part of an image that makes a unit's formula true is pasted into images
//! of another class, does the network predict the class that the unit supports?
//!
//! A [`Case`] is a unit, its formula F, the class `to` that the unit supports, another class `from`, and a concept of F.
//! Its target images are those that the network takes for `from` (rightly, if the class is known) and in which F is
//! true nowhere. A segment is the largest connected part of the concept in an image; it is used where F is true on at
//! least half of it, by the annotation it comes with and with what the whole target is annotated with. Beside it stands
//! a control: a part of an image of the same class as the segment's own, of another concept, on which F is true
//! nowhere, scaled to the same area. Both are pasted into every target at every place of a grid and in every size.
//!
//! Everything random follows from a seed: which images are targets, which segments, which controls.

mod masks;
mod plan;
#[cfg(test)]
mod tests;
mod trials;

use compexp_core::concept::ConceptId;
use compexp_core::formula::Formula;
use compexp_core::probe::AnnotationSource;
use compexp_trust::behaviour::{Features, Head};

pub use plan::{Candidate, Survey};
pub use trials::{Best, Case, PlaceTally, Transfer};

use crate::error::{Error, Result};
use crate::model::Model;
use crate::photo::Photo;
use crate::preprocess::Preparation;

/// The network, its probe set, and its predictions on it.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The network.
    pub model: &'a Model,
    /// The probed layer, whose mean its last layer reads.
    pub layer: &'a str,
    /// What becomes of photographs first.
    pub preparation: Preparation,
    /// The photographs, one an example.
    pub images: &'a [Photo],
    /// Their annotations.
    pub annotations: &'a dyn AnnotationSource,
    /// The last layer.
    pub head: &'a Head,
    /// The means of the layer's maps, `(n_images, n_units)`.
    pub features: &'a Features,
    /// `(n_images, n_classes)`, row by row.
    pub logits: &'a [f32],
    /// The class of each image, if it is known.
    pub known: &'a [Option<usize>],
    /// Other networks of the same classes, which predict the edited images too.
    pub others: &'a [Model],
}

/// How cases are tried. The default makes 720 predictions per case.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Config {
    /// The areas of the pasted segments, as shares of the image; each above 0 and up to 1.
    pub sizes: Vec<f64>,
    /// Places a side of the grid.
    pub grid: usize,
    /// The greatest number of target images of a case.
    pub targets: usize,
    /// The greatest number of segments of a case, each with a control.
    pub segments: usize,
    /// Images that are predicted at once. Results do not depend on it (on the CPU).
    pub batch: usize,
    /// The seed of the choice of images and segments, and of the resamples of the bootstrap.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { sizes: vec![0.1, 0.25], grid: 3, targets: 20, segments: 2, batch: 32, seed: 0 }
    }
}

impl Config {
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if a size is not a share of an image, or a number is 0.
    pub fn check(&self) -> Result<()> {
        if let Some(size) = self.sizes.iter().find(|size| !(**size > 0.0 && **size <= 1.0)) {
            let expected =
                "a share of the image's area, above 0 and up to 1: a segment cannot be larger than the image";
            return Err(Error::mismatch("size of what is pasted", size, expected));
        }
        let counts = [
            ("sizes", self.sizes.len()),
            ("places a side", self.grid),
            ("target images", self.targets),
            ("segments", self.segments),
            ("images in a batch", self.batch),
        ];
        match counts.into_iter().find(|(_, n)| *n == 0) {
            Some((what, n)) => Err(Error::mismatch(what, n, "at least 1")),
            None => Ok(()),
        }
    }
}

/// A unit and its formula.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    /// The unit, counted from 0.
    pub unit: usize,
    /// Its formula.
    pub formula: Formula,
}

impl Unit {
    /// The concepts that the formula asks for, ascending: those outside of every NOT, or inside of an even number.
    pub fn asked_for(&self) -> Vec<ConceptId> {
        fn collect(formula: &Formula, negated: bool, into: &mut Vec<ConceptId>) {
            match formula {
                Formula::Atom(atom) if !negated => into.push(atom.concept),
                Formula::Atom(_) => {}
                Formula::Not(f) => collect(f, !negated, into),
                Formula::And(a, b) | Formula::Or(a, b) => {
                    collect(a, negated, into);
                    collect(b, negated, into);
                }
            }
        }
        let mut concepts = Vec::new();
        collect(&self.formula, false, &mut concepts);
        concepts.sort_unstable();
        concepts.dedup();
        concepts
    }
}

impl<'a> Subject<'a> {
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the parts differ in their images, units or classes, or if the last layer
    /// does not read the layer.
    pub fn check(&self) -> Result<()> {
        let (n, n_classes) = (self.images.len(), self.model.classes());
        if !self.model.feeds_head(self.layer) {
            let expected = "the output of the network's last stage, whose mean its last layer reads";
            return Err(Error::mismatch("layer", self.layer, expected));
        }
        if let Some(other) = self.others.iter().find(|other| other.classes() != n_classes) {
            let expected = format!("{n_classes}, the same as the probed network has");
            return Err(Error::mismatch(
                format!("classes of another network, {}", other.name()),
                other.classes(),
                expected,
            ));
        }
        let sizes = [
            ("examples of the annotations", self.annotations.n_examples(), n),
            ("examples of the features", self.features.n_examples(), n),
            ("images whose class is known or not", self.known.len(), n),
            ("logits", self.logits.len(), n * n_classes),
            ("classes of the head", self.head.classes.len(), n_classes),
            ("units of the features", self.features.n_units(), self.head.n_units()),
        ];
        match sizes.into_iter().find(|(_, found, expected)| found != expected) {
            Some((what, found, expected)) => Err(Error::mismatch(what, found, expected)),
            None => Ok(()),
        }
    }

    fn logits_of(&self, image: usize) -> &'a [f32] {
        let n = self.head.classes.len();
        &self.logits[image * n..][..n]
    }

    fn predicted(&self, image: usize) -> usize {
        compexp_trust::behaviour::trial::likeliest(self.logits_of(image))
    }

    /// The images that are taken for `class`, rightly if that is known.
    fn images_of(&self, class: usize) -> impl Iterator<Item = usize> {
        (0..self.images.len()).filter(move |&image| {
            self.predicted(image) == class && self.known[image].is_none_or(|known| known == class)
        })
    }

    /// The class of an image: the known one, else the predicted one.
    fn class_of(&self, image: usize) -> usize {
        self.known[image].unwrap_or_else(|| self.predicted(image))
    }
}
