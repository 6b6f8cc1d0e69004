//! Vectors of concepts whose names are words: how near two concepts are in meaning.

use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::concept::{Concept, ConceptId, Vocabulary};
use compexp_files::hash_file;
use compexp_text::vectors::WordVectors;

use crate::progress::Reporter;
use crate::terminal::{count, name};

/// The vectors of a file, and the words of each concept's name.
pub(crate) struct NameVectors {
    vectors: WordVectors,
    /// The hash of the file.
    pub(crate) hash: String,
    path: PathBuf,
}

impl NameVectors {
    /// Reads the vectors of a file.
    ///
    /// # Errors
    /// Those of [`WordVectors::read`] and [`hash_file`].
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Ok(Self { vectors: WordVectors::read(path)?, hash: hash_file(path)?, path: path.to_owned() })
    }

    /// Tells how many concepts have vectors.
    pub(crate) fn tell(&self, vocabulary: &Vocabulary, reporter: &Reporter) {
        let all = vocabulary.concepts();
        let known = all.iter().filter(|concept| self.vectors.mean(&self.words(concept)).is_some()).count();
        reporter.say(&format!("{} of {} names of concepts have vectors", count(known as u64), count(all.len() as u64)));
        if known == 0 && !all.is_empty() {
            let path = name(&self.path.display().to_string());
            reporter.warn(&format!("no name of a concept has a vector in `{path}`: relations get no similarity"));
        }
    }

    /// The cosine of the vectors of two concepts' names; none if a word of either has no vector.
    pub(crate) fn similarity(&self, vocabulary: &Vocabulary, a: ConceptId, b: ConceptId) -> Option<f64> {
        let mean = |id| self.vectors.mean(&self.words(vocabulary.get(id)?));
        let (a, b) = (mean(a)?, mean(b)?);
        Some(a.iter().zip(&b).map(|(a, b)| a * b).sum())
    }

    /// The words of a concept's name as the file has them: split at blanks, underscores and slashes, and at hyphens where the
    /// whole has no vector; in lower case where the file has no other.
    fn words(&self, concept: &Concept) -> Vec<String> {
        let known = |word: &str| self.vectors.contains(word);
        let parts = plain(concept).split([' ', '_', '/']).filter(|part| !part.is_empty());
        let split = |part: &str| -> Vec<String> {
            let as_in_file = |word: &str| if known(word) { word.to_owned() } else { word.to_lowercase() };
            let whole = as_in_file(part);
            match known(&whole) {
                true => vec![whole],
                false => part.split('-').filter(|word| !word.is_empty()).map(as_in_file).collect(),
            }
        };
        parts.flat_map(split).collect()
    }
}

/// A concept's name without what Broden and sentence pairs add to it: `-s` of scenes, `-c` of colors, the sentence of a word.
fn plain(concept: &Concept) -> &str {
    let name = &concept.name[..];
    let of_category = match &concept.category[..] {
        "scene" => name.strip_suffix("-s"),
        "color" => name.strip_suffix("-c"),
        "token" => name.splitn(3, ':').nth(2),
        _ => None,
    };
    of_category.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_into_words_that_have_vectors() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("vectors.txt");
        let lines = "night 1 0\ntable 0 1\nbed 3 4\nt-shirt 1 1\nshop -1 0\nParis 0 -2\nstop 0 0\n";
        std::fs::write(&path, lines).unwrap();
        let vectors = NameVectors::read(&path).unwrap();
        let concept = |(id, (name, category)): (u32, &(&str, &str))| Concept {
            id: ConceptId(id),
            name: (*name).into(),
            category: (*category).into(),
        };
        let named = [
            ("night table", "object"),
            ("bed-s", "scene"),
            ("T-shirt", "object"),
            ("table-s", "object"),
            ("night_shop-s", "scene"),
            ("bed/table", "object"),
            ("Paris", ""),
            ("bed-shop", "object"),
            ("stop", "object"),
            ("hyp:tok:bed", "token"),
            ("_", ""),
        ];
        let vocabulary = Vocabulary::new((0..).zip(&named).map(concept).collect()).unwrap();
        let near = |a, b| vectors.similarity(&vocabulary, ConceptId(a), ConceptId(b)).map(|v| (v * 1e6).round() / 1e6);
        // (1, 1) / 2 with (0.6, 0.8): 1.4 / sqrt(2).
        assert_eq!(near(0, 1), Some(0.989949));
        assert_eq!(near(0, 2), Some(1.0), "a name that has a vector is not split at its hyphen");
        assert_eq!(near(0, 3), None, "only scenes end in -s: `s` has no vector");
        assert_eq!(near(0, 4), None, "two opposite words have no mean direction");
        assert_eq!(near(1, 5), Some(0.948683));
        assert_eq!(near(1, 6), Some(-0.8), "upper case, where the file has it");
        assert_eq!(near(1, 7), Some(0.447214));
        assert_eq!(near(1, 8), None, "a vector of zeros");
        assert_eq!(near(1, 9), Some(1.0));
        assert_eq!(near(1, 10), None);
    }
}
