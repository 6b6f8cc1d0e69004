//! The features of pairs that are not in the probe set.

use compexp_core::concept::{ConceptId, Vocabulary};

use super::{FeatureConfig, SplitPair, overlap};
use crate::text::WordTable;

/// Annotates pairs with the features of a probe set.
pub struct Annotator<'a> {
    /// The features by name, as [`super::probe_set`] names them.
    pub vocabulary: &'a Vocabulary,
    /// The words that the model knows, as for the probe set.
    pub known: Option<&'a WordTable>,
    /// Which features there are. Overlap in padded batches depends on other pairs, and is taken without padding.
    pub config: &'a FeatureConfig,
}

impl Annotator<'_> {
    /// The features of a pair, ascending. A word without a tag has none.
    pub fn features(&self, pair: &SplitPair) -> Vec<u32> {
        let find = |name: String| self.vocabulary.find(&name).map(|ConceptId(id)| id);
        let mut ids = Vec::new();
        for (side, sentence) in [("pre", &pair.premise), ("hyp", &pair.hypothesis)] {
            if self.config.tokens {
                ids.extend(sentence.words.iter().filter_map(|w| find(format!("{side}:tok:{}", w.to_lowercase()))));
            }
            if self.config.tags {
                ids.extend(sentence.tags.iter().filter_map(|tag| find(format!("{side}:tag:{}", tag.to_lowercase()))));
            }
        }
        if self.config.overlap {
            let lower = |words: &[String]| words.iter().map(|word| word.to_lowercase()).collect::<Vec<_>>();
            let words = [[lower(&pair.premise.words), lower(&pair.hypothesis.words)]];
            let share = overlap::compute(&words, self.known, None).first().copied().unwrap_or(0.0);
            let above = overlap::SHARES.iter().filter(|(_, least)| share > *least);
            ids.extend(above.filter_map(|(name, _)| find(format!("oth:overlap:{name}"))));
        }
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

#[cfg(test)]
mod tests {
    use compexp_core::probe::Annotation;

    use super::super::{Sentence, probe_set};
    use super::*;

    #[test]
    fn pairs_of_the_probe_set_have_the_features_that_it_says() {
        let sentence = |text: &str| {
            let (words, tags) =
                text.split(' ').map(|token| token.split_once('/').unwrap()).unzip::<_, _, Vec<_>, Vec<_>>();
            Sentence {
                words: words.into_iter().map(String::from).collect(),
                tags: tags.into_iter().map(String::from).collect(),
            }
        };
        let pair = |p: &str, h: &str| SplitPair { premise: sentence(p), hypothesis: sentence(h) };
        let pairs = [
            pair("A/DT Dog/NN runs/VBZ ./.", "a/DT dog/NN sleeps/VBZ"),
            pair("two/CD dogs/NNS run/VBP", "two/CD dogs/NNS run/VBP ./."),
            pair("cat/NN", "dog/NN 7/CD"),
        ];
        let known = WordTable::from_tokens(["dog", "runs", "two", "dogs", "run", "a", "."]);
        for n_words in [3, 2000] {
            let config = FeatureConfig { n_words, ..FeatureConfig::default() };
            let set = probe_set(&pairs, Some(&known), None, &config).unwrap();
            let annotator = Annotator { vocabulary: &set.vocabulary, known: Some(&known), config: &config };
            for (i, pair) in pairs.iter().enumerate() {
                let mut expected = Annotation::default();
                set.source.annotate(i, &mut expected).unwrap();
                assert_eq!(annotator.features(pair), expected.scalars, "pair {i}");
            }
        }
    }
}
