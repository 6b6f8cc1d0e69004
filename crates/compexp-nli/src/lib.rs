//! Sentence pairs: from raw text to features, and classifiers whose units are explained by them.
//!
//! In reading order: [`text`] reads pairs and words, [`compexp_text::tokenizer`] cuts raw text into words and [`compexp_text::tagger`] tags them, both
//! by the files of a spaCy model; [`compexp_text::feats`] reads and writes sentences that are annotated already. [`features`] makes a
//! probe set of words, tags and overlap. [`model`] is the classifier, from the reference's checkpoints or own files, and
//! [`train`] learns one; [`counterfactual`] edits sentences, and measures what that does to predictions. [`grammar`]
//! composes pairs of its own, with everything that is known of them.
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
//! Images, thresholds, the search, the command line: it turns sentence pairs and a classifier into the probe sets and
//! activations that `compexp-core` works on.
//!
//! # Invariants
//! - Every result is the same to the last bit whatever the thread count: tags, features, activations and trained weights.
//! - What a classifier gives for a pair does not depend on the pairs beside it: it runs in evaluation mode.
//! - A training that was interrupted ends with the weights of one that was not.
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
