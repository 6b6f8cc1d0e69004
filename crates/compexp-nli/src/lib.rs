//! Sentence pairs: features from raw text, and classifiers whose units the features explain.
//!
//! In reading order: [`text`] reads pairs and words, [`compexp_text::tokenizer`] cuts raw text into words and [`compexp_text::tagger`] tags them, both
//! by the files of a spaCy model; [`compexp_text::feats`] reads and writes sentences that are annotated already. [`features`] makes a
//! probe set of words, tags and overlap. [`model`] is the classifier, from the reference's checkpoints or own files, and
//! [`train`] learns one; [`counterfactual`] edits sentences, and measures what that does to predictions. [`grammar`]
//! composes pairs, with their tags, lemmas and vectors.
//!
//! ```
//! use compexp_core::concept::ConceptId;
//! use compexp_core::probe::Annotation;
//! use compexp_nli::features::{FeatureConfig, probe_set, split_pairs};
//! use compexp_nli::text::Pair;
//!
//! let pair = |premise: &str, hypothesis: &str| Pair {
//!     label: None,
//!     premise: premise.into(),
//!     hypothesis: hypothesis.into(),
//! };
//! let pairs = [pair("A dog runs", "A dog is outside"), pair("Two cats sleep", "A dog runs")];
//!
//! // Blanks separate the words, and nothing tags them.
//! let split = split_pairs(&pairs, None, None)?;
//! let config = FeatureConfig { tags: false, ..FeatureConfig::default() };
//! let set = probe_set(&split, None, None, &config)?;
//!
//! let mut first = Annotation::default();
//! set.source.annotate(0, &mut first)?;
//! let names: Vec<_> = first.scalars.iter().map(|&id| set.vocabulary.name(ConceptId(id))).collect();
//! // Two words on both sides, three on one only: two thirds, which is more than a half.
//! let overlap = ["oth:overlap:overlap25", "oth:overlap:overlap50"];
//! let words = ["pre:tok:dog", "pre:tok:runs", "hyp:tok:dog", "hyp:tok:is", "hyp:tok:outside"];
//! assert_eq!(names, [&words[..], &overlap].concat());
//! # Ok::<(), compexp_nli::Error>(())
//! ```
//!
//! # What it does not know
//! The crate has no code for images, thresholds, the search or the command line. It turns sentence pairs and a
//! classifier into the probe sets and activations that `compexp-core` uses.
//!
//! # Invariants
//! - Every result is the same to the last bit for any number of threads: tags, features, activations and trained
//!   weights.
//! - A classifier's result for a pair does not depend on other pairs, because it runs in evaluation mode.
//! - An interrupted training ends with the same weights as an uninterrupted one.
//! - Bad files give an [`Error`] that names the file and the line or weight; lines of text files have at most 1 MiB.
#![forbid(unsafe_code)]

pub mod counterfactual;
pub mod error;
pub mod features;
pub mod grammar;
pub mod model;
mod random;
pub mod text;
pub mod train;

pub use error::{Error, Result};
