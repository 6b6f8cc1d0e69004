//! The table of features: which there are, and which every pair has.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use compexp_core::concept::{Concept, ConceptId, Vocabulary};
use rayon::prelude::*;

use super::{FeatureConfig, Sentence, SplitPair, overlap};
use crate::error::{Error, Result};
use crate::text::{UNK, WordTable};

/// Features and the pairs that have them.
pub(super) struct Features {
    /// Name and category, in the order of their numbers.
    pub(super) names: Vec<(String, &'static str)>,
    /// The words that are features, most frequent first.
    pub(super) words: Vec<String>,
    /// Words and tags of one side.
    of_side: u32,
    /// Row `i` is `ids[starts[i]..starts[i + 1]]`.
    starts: Vec<usize>,
    ids: Vec<u32>,
}

impl Features {
    pub(super) fn n_pairs(&self) -> usize {
        self.starts.len() - 1
    }

    /// The features of a pair, ascending.
    pub(super) fn row(&self, pair: usize) -> Option<&[u32]> {
        let (start, end) = (*self.starts.get(pair)?, *self.starts.get(pair + 1)?);
        Some(&self.ids[start..end])
    }

    /// The number of the `word`-th word on the premise's side (0) or the hypothesis's (1).
    pub(super) fn word_id(&self, side: u32, word: usize) -> u32 {
        side * self.of_side + word as u32
    }

    pub(super) fn vocabulary(&self) -> Result<Vocabulary> {
        let concept = |(id, (name, category)): (u32, &(String, &str))| Concept {
            id: ConceptId(id),
            name: name.clone(),
            category: (*category).into(),
        };
        Ok(Vocabulary::new((0..).zip(&self.names).map(concept).collect())?)
    }
}

/// The words of a sentence in lower case.
fn lower(sentence: &Sentence) -> Vec<String> {
    sentence.words.iter().map(|word| word.to_lowercase()).collect()
}

pub(super) fn build(pairs: &[SplitPair], known: Option<&WordTable>, config: &FeatureConfig) -> Result<Features> {
    if config.tags {
        for (i, pair) in pairs.iter().enumerate() {
            for (side, sentence) in [("premise", &pair.premise), ("hypothesis", &pair.hypothesis)] {
                if sentence.tags.len() != sentence.words.len() {
                    let expected = format!("{}, one a word; tag the pairs, or leave tags out", sentence.words.len());
                    return Err(Error::mismatch(format!("tags of {side} {i}"), sentence.tags.len(), expected));
                }
            }
        }
    }
    let words: Vec<[Vec<String>; 2]> =
        pairs.par_iter().map(|pair| [lower(&pair.premise), lower(&pair.hypothesis)]).collect();
    let is_known = |word: &str| known.is_none_or(|table| table.id(word) != UNK);

    let (mut top, mut tags) = (Vec::new(), Vec::new());
    if config.tokens {
        let stop: HashSet<&str> = config.stop_words.iter().map(String::as_str).collect();
        let counted = words.iter().flatten().flatten().map(String::as_str);
        top = by_count(counted.filter(|word| !stop.contains(word)));
        top.retain(|word| is_known(word));
        top.truncate(config.n_words);
    }
    let lower_tags = |sentence: &Sentence| sentence.tags.iter().map(|tag| tag.to_lowercase()).collect::<Vec<_>>();
    if config.tags {
        let all: Vec<String> = pairs.iter().flat_map(|p| [&p.premise, &p.hypothesis]).flat_map(lower_tags).collect();
        tags = by_count(all.iter().filter(|tag| !tag.is_empty()).map(String::as_str));
    }
    let overlaps = if config.overlap { overlap::compute(&words, known, config.padded_batch) } else { Vec::new() };

    let mut names = Vec::new();
    for side in ["pre", "hyp"] {
        for (items, kind, category) in [(&top, "tok", "token"), (&tags, "tag", "tag")] {
            names.extend(items.iter().map(|item| (format!("{side}:{kind}:{item}"), category)));
        }
    }
    let first_overlap = names.len() as u32;
    if config.overlap {
        names.extend(overlap::SHARES.map(|(name, _)| (format!("oth:overlap:{name}"), "overlap")));
    }
    if names.is_empty() {
        let expected = "at least one: choose more kinds of features, or more sentence pairs";
        return Err(Error::mismatch("features", 0, expected));
    }

    let places = |items: &[String]| -> HashMap<String, u32> { items.iter().cloned().zip(0..).collect() };
    let (word_places, tag_places) = (places(&top), places(&tags));
    let (n_words, of_side) = (top.len() as u32, (top.len() + tags.len()) as u32);
    let row = |i: usize| {
        let mut ids = Vec::new();
        for (side, sentence) in (0..).zip([&pairs[i].premise, &pairs[i].hypothesis]) {
            let words = words[i][side as usize].iter().filter_map(|word| word_places.get(word));
            ids.extend(words.map(|place| side * of_side + place));
            if config.tags {
                let tags = lower_tags(sentence);
                let tags = tags.iter().filter_map(|tag| tag_places.get(tag));
                ids.extend(tags.map(|place| side * of_side + n_words + place));
            }
        }
        if let Some(overlap) = overlaps.get(i) {
            let above = (first_overlap..).zip(overlap::SHARES).filter(|(_, (_, share))| overlap > share);
            ids.extend(above.map(|(id, _)| id));
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    };
    let rows: Vec<Vec<u32>> = (0..pairs.len()).into_par_iter().map(row).collect();
    let mut starts = vec![0];
    starts.extend(rows.iter().scan(0, |end, row| {
        *end += row.len();
        Some(*end)
    }));
    Ok(Features { names, words: top, of_side, starts, ids: rows.concat() })
}

/// The distinct items, most frequent first, equally frequent ones in their own order.
fn by_count<'a>(items: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for item in items {
        *counts.entry(item).or_default() += 1;
    }
    let mut items: Vec<(&str, usize)> = counts.into_iter().collect();
    items.sort_unstable_by_key(|&(item, count)| (Reverse(count), item));
    items.into_iter().map(|(item, _)| item.to_owned()).collect()
}
