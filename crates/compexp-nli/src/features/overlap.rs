//! The overlap of the words of premise and hypothesis.

use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::text::{PAD, UNK, WordTable};

/// The features, and the share that the overlap must exceed.
pub(super) const SHARES: [(&str, f64); 3] = [("overlap25", 0.25), ("overlap50", 0.5), ("overlap75", 0.75)];

/// The distinct words of a side, UNK and PAD of the reference implementation among them.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Type<'a> {
    Word(&'a str),
    Special(u32),
}

/// For every pair the words on both sides as a share of those on one only: |both| / (|premise only| + |hypothesis only|
/// + 1e-5).
///
/// `padded_batch` gives the reference's numbers: words that are not `known` are one type, and so is PAD, which a side
/// has if it is shorter than the longest sentence of either side among `padded_batch` pairs.
pub(super) fn compute(words: &[[Vec<String>; 2]], known: Option<&WordTable>, padded_batch: Option<usize>) -> Vec<f64> {
    let batch = padded_batch.unwrap_or(1).max(1);
    let longest = |batch: &[[Vec<String>; 2]]| batch.iter().flatten().map(Vec::len).max().unwrap_or(0);
    let share = |pair: &[Vec<String>; 2], longest: usize| {
        let [premise, hypothesis] = [0, 1].map(|side| {
            let mut types = BTreeSet::new();
            for word in &pair[side] {
                if known.is_none_or(|table| table.id(word) != UNK) {
                    types.insert(Type::Word(word));
                } else if padded_batch.is_some() {
                    types.insert(Type::Special(UNK));
                }
            }
            if padded_batch.is_some() && pair[side].len() < longest {
                types.insert(Type::Special(PAD));
            }
            types
        });
        let both = premise.intersection(&hypothesis).count();
        let one = premise.len() + hypothesis.len() - 2 * both;
        both as f64 / (one as f64 + 1e-5)
    };
    let batches = words.par_chunks(batch);
    let shares: Vec<Vec<f64>> = batches
        .map(|pairs| {
            let longest = longest(pairs);
            pairs.iter().map(|pair| share(pair, longest)).collect()
        })
        .collect();
    shares.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(premise: &str, hypothesis: &str) -> [Vec<String>; 2] {
        [premise, hypothesis].map(|text| text.split_whitespace().map(String::from).collect())
    }

    #[test]
    fn overlap_is_over_distinct_words() {
        let words = [pair("a man a dog", "a dog runs far"), pair("a b", "a b"), pair("", "")];
        let found = compute(&words, None, None);
        let expected = [2.0 / (3.0 + 1e-5), 2.0 / 1e-5, 0.0];
        assert_eq!(found, expected);
    }

    #[test]
    fn unknown_words_and_padding_count_only_on_request() {
        let table = WordTable::from_tokens(["a", "man", "dog"]);
        let words = [pair("a man xx yy", "a zz"), pair("a", "dog")];
        assert_eq!(compute(&words, Some(&table), None), [1.0 / (1.0 + 1e-5), 0.0]);
        // Types: {a man UNK} and {a UNK PAD}; then {a PAD} and {dog PAD}.
        assert_eq!(compute(&words, Some(&table), Some(16)), [2.0 / (2.0 + 1e-5), 1.0 / (2.0 + 1e-5)]);
        // Alone in its batch, either side of the second pair is as long as the longest.
        assert_eq!(compute(&words, Some(&table), Some(1))[1], 0.0);
    }
}
