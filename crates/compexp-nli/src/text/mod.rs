//! Sentence pairs and words: the content of data files, and the word numbers of a classifier.

mod pairs;

pub use compexp_text::words::{PAD, UNK, WordTable};
pub use pairs::{read_gold, read_pairs, read_tok};

use serde::{Deserialize, Serialize};

/// What the premise says about the hypothesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Label {
    /// The hypothesis follows.
    Entailment = 0,
    /// It may or may not be true.
    Neutral = 1,
    /// It cannot be true.
    Contradiction = 2,
}

impl Label {
    /// All of them, in the order of their indices.
    pub const ALL: [Self; 3] = [Self::Entailment, Self::Neutral, Self::Contradiction];

    /// Its place in a classifier's output: entailment 0, neutral 1, contradiction 2.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The label at this place of a classifier's output.
    pub fn from_index(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }

    /// Its name, as the data files write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Entailment => "entailment",
            Self::Neutral => "neutral",
            Self::Contradiction => "contradiction",
        }
    }

    /// Reads a label as data files write it: a name, or `-`, `UNK` or nothing if the annotators did not agree. The
    /// outer `None` says that the text is no label.
    pub fn parse(text: &str) -> Option<Option<Self>> {
        match text {
            "-" | "UNK" | "" => Some(None),
            _ => Self::ALL.into_iter().find(|label| label.name() == text).map(Some),
        }
    }
}

/// Two sentences and what the first says about the second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The gold label; `None` if the annotators did not agree.
    pub label: Option<Label>,
    /// The first sentence: raw text, or tokens separated by blanks, as the file has it.
    pub premise: String,
    /// The second sentence.
    pub hypothesis: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_read_back_from_names_and_indices() {
        for (i, label) in Label::ALL.into_iter().enumerate() {
            assert_eq!(label.index(), i);
            assert_eq!(Label::from_index(i), Some(label));
            assert_eq!(Label::parse(label.name()), Some(Some(label)));
        }
        assert_eq!(Label::from_index(3), None);
        assert_eq!(
            ["-", "UNK", "", "Neutral", "x"].map(Label::parse),
            [Some(None), Some(None), Some(None), None, None]
        );
    }
}
