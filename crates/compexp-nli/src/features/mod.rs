//! Binary features of sentence pairs: words and tags of each side, and the overlap of the words.
//!
//! A feature is named `pre:tok:man` (the premise holds the word), `hyp:tag:nn` (a word of the hypothesis has the tag) or
//! `oth:overlap:overlap50`; its number is its place in this order: words of the premise, tags of the premise, words and
//! tags of the hypothesis, overlap. [`probe_set`] makes a probe set of them, with one position per pair.

mod annotator;
mod overlap;
mod table;

pub use annotator::Annotator;
pub use compexp_text::vectors::{WordVectors, for_each_vector};

use std::collections::HashMap;

use compexp_core::concept::ConceptId;
use compexp_core::probe::{Annotation, AnnotationSource, Example, Grid, Neighbors, ProbeSet, Variant};
use compexp_run::provenance::PairFeatures;
use compexp_text::feats::Feats;
use compexp_text::tagger::Tagger;
use compexp_text::tokenizer::Tokenizer;

use crate::error::{Error, Result};
use crate::text::{Pair, WordTable};

/// One side of a pair.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sentence {
    /// Its words, in any case.
    pub words: Vec<String>,
    /// Their tags; empty if tags are not among the features.
    pub tags: Vec<String>,
}

impl Sentence {
    /// The tag of a word; empty if it has none.
    pub(crate) fn tag(&self, at: usize) -> &str {
        self.tags.get(at).map_or("", String::as_str)
    }
}

/// A pair, split into words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitPair {
    /// The first sentence.
    pub premise: Sentence,
    /// The second sentence.
    pub hypothesis: Sentence,
}

/// Splits pairs into words, with the tokenizer if one is given, else at white space (as tokenised files need it), and
/// tags them if a tagger is given.
///
/// # Errors
/// The errors of [`Tokenizer::tokenize`].
pub fn split_pairs(pairs: &[Pair], tokenizer: Option<&Tokenizer>, tagger: Option<&Tagger>) -> Result<Vec<SplitPair>> {
    let texts: Vec<&str> = pairs.iter().flat_map(|pair| [&*pair.premise, &*pair.hypothesis]).collect();
    let words: Vec<Vec<&str>> = match tokenizer {
        Some(tokenizer) => tokenizer.tokenize_all(&texts)?,
        None => texts.iter().map(|text| text.split_whitespace().collect()).collect(),
    };
    let sentence =
        |words: Vec<&str>| Sentence { words: words.into_iter().map(String::from).collect(), tags: Vec::new() };
    let mut sentences: Vec<Sentence> = words.into_iter().map(sentence).collect();
    if let Some(tagger) = tagger {
        let words: Vec<&[String]> = sentences.iter().map(|s| s.words.as_slice()).collect();
        let tags: Vec<Vec<String>> =
            tagger.tag_all(&words).into_iter().map(|tags| tags.into_iter().map(String::from).collect()).collect();
        for (sentence, tags) in sentences.iter_mut().zip(tags) {
            sentence.tags = tags;
        }
    }
    Ok(into_pairs(sentences))
}

/// Pairs of annotated sentences, premise and hypothesis in turn, with the tags of the column `tag`.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] if there is no such column, or if a premise has no hypothesis.
pub fn pairs_from_feats(feats: &Feats) -> Result<Vec<SplitPair>> {
    let tag = feats.column("tag")?;
    if !feats.sentences.len().is_multiple_of(2) {
        let expected = "an even number: premise and hypothesis in turn";
        return Err(Error::mismatch("annotated sentences", feats.sentences.len(), expected));
    }
    let sentence = |tokens: &Vec<compexp_text::feats::Token>| Sentence {
        words: tokens.iter().map(|token| token.word.clone()).collect(),
        tags: tokens.iter().map(|token| token.values.get(tag).cloned().unwrap_or_default()).collect(),
    };
    Ok(into_pairs(feats.sentences.iter().map(sentence).collect()))
}

fn into_pairs(sentences: Vec<Sentence>) -> Vec<SplitPair> {
    let mut sentences = sentences.into_iter();
    let mut pairs = Vec::with_capacity(sentences.len() / 2);
    while let (Some(premise), Some(hypothesis)) = (sentences.next(), sentences.next()) {
        pairs.push(SplitPair { premise, hypothesis });
    }
    pairs
}

/// Which features there are. The default is the paper's. A run records it as [`PairFeatures`], all but the
/// stop words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureConfig {
    /// Words of each side.
    pub tokens: bool,
    /// Tags of each side.
    pub tags: bool,
    /// The overlap of the words of the two sides.
    pub overlap: bool,
    /// The number of most frequent words that are features; equally frequent words are in alphabetical order.
    pub n_words: usize,
    /// Words that are never features; lower case.
    pub stop_words: Vec<String>,
    /// The number of nearest words that NEIGHBORS considers, if there are vectors.
    pub neighbors: usize,
    /// For numbers equal to the reference implementation's: overlap counts UNK and PAD as words, PAD if a side is
    /// shorter than the longest sentence of either side in a batch of this many pairs (there 16).
    pub padded_batch: Option<usize>,
}

impl From<&FeatureConfig> for PairFeatures {
    fn from(config: &FeatureConfig) -> Self {
        Self {
            words: config.tokens,
            tags: config.tags,
            overlap: config.overlap,
            vocab_size: config.n_words,
            neighbors: config.neighbors,
            padded_batch: config.padded_batch,
        }
    }
}

impl From<&PairFeatures> for FeatureConfig {
    fn from(recorded: &PairFeatures) -> Self {
        Self {
            tokens: recorded.words,
            tags: recorded.tags,
            overlap: recorded.overlap,
            n_words: recorded.vocab_size,
            neighbors: recorded.neighbors,
            padded_batch: recorded.padded_batch,
            ..Self::default()
        }
    }
}

impl Default for FeatureConfig {
    fn default() -> Self {
        Self {
            tokens: true,
            tags: true,
            overlap: true,
            n_words: 2000,
            stop_words: ["a", "an", "the", "of", ".", ","].map(String::from).to_vec(),
            neighbors: 5,
            padded_batch: None,
        }
    }
}

/// The probe set of `pairs`: every feature is declared, even if no pair has it; pairs of one premise are a group.
///
/// If `known` is given, words outside of it are UNK for the model. They are not features, and do not count in the
/// overlap (but see [`FeatureConfig::padded_batch`]). If `vectors` is given, NEIGHBORS of a word feature are its
/// nearest words by cosine that are also features, on the same side.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] if a sentence has another number of tags than words, or if the configuration gives
/// no features.
pub fn probe_set(
    pairs: &[SplitPair],
    known: Option<&WordTable>,
    vectors: Option<&WordVectors>,
    config: &FeatureConfig,
) -> Result<ProbeSet> {
    let features = table::build(pairs, known, config)?;
    let neighbors = match vectors {
        Some(vectors) if config.tokens => word_neighbors(&features, vectors, config.neighbors),
        _ => Neighbors::new(),
    };
    let example = |(i, pair): (usize, &SplitPair)| {
        let (premise, hypothesis) = (pair.premise.words.join(" "), pair.hypothesis.words.join(" "));
        let text = format!("{premise} => {hypothesis}");
        Example { name: i.to_string(), text, group: premise, ..Example::default() }
    };
    Ok(ProbeSet {
        vocabulary: features.vocabulary()?,
        examples: pairs.iter().enumerate().map(example).collect(),
        variant: Variant::Nli,
        neighbors,
        source: Box::new(features),
    })
}

/// The neighbours of the word features, on either side.
fn word_neighbors(features: &table::Features, vectors: &WordVectors, k: usize) -> Neighbors {
    let words = &features.words;
    let places: HashMap<&str, usize> = words.iter().enumerate().map(|(i, word)| (word.as_str(), i)).collect();
    let mut neighbors = Neighbors::new();
    for (i, nearest) in vectors.nearest(words, k).iter().enumerate() {
        let mut nearest: Vec<usize> = nearest.iter().filter_map(|word| places.get(word).copied()).collect();
        nearest.sort_unstable();
        if nearest.is_empty() {
            continue;
        }
        for side in 0..2 {
            let id = |word: usize| ConceptId(features.word_id(side, word));
            neighbors.insert(id(i), nearest.iter().map(|&word| id(word)).collect());
        }
    }
    neighbors
}

impl AnnotationSource for table::Features {
    fn n_examples(&self) -> usize {
        self.n_pairs()
    }

    fn grid(&self) -> Grid {
        Grid::SINGLE
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> compexp_core::Result<()> {
        let row = self.row(example).ok_or_else(|| {
            compexp_core::Error::mismatch("number of a sentence pair", example, format!("less than {}", self.n_pairs()))
        })?;
        into.scalars.extend_from_slice(row);
        Ok(())
    }

    fn declared(&self) -> Vec<ConceptId> {
        (0..self.names.len() as u32).map(ConceptId).collect()
    }
}

#[cfg(test)]
mod tests;
