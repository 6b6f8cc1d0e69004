//! Concepts of context: what stands elsewhere in the sentence.

use std::collections::HashSet;

use compexp_core::concept::Concept;
use compexp_core::formula::in_context;

use super::add;
use super::family::Family;
use super::source::Lists;
use crate::conllu::Sentence;

/// Where a concept of context looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operator {
    /// At the word before.
    Prev,
    /// At the word after.
    Next,
    /// At the syntactic head.
    Head,
    /// At the words whose head the word is: one of them is enough.
    Child,
    /// At the words up to so many places before: one of them is enough.
    Before(usize),
}

/// Concepts of context of some families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Context {
    /// Where they look.
    pub operator: Operator,
    /// The family that they look for; none stands for all families that are not lexical ([`Family::is_lexical`]).
    pub family: Option<Family>,
}

impl Operator {
    /// The name in formulas: `PREV`, `NEXT`, `HEAD`, `CHILD`, `BEFORE-3`.
    pub fn name(self) -> String {
        match self {
            Self::Prev => "PREV".into(),
            Self::Next => "NEXT".into(),
            Self::Head => "HEAD".into(),
            Self::Child => "CHILD".into(),
            Self::Before(k) => format!("BEFORE-{k}"),
        }
    }

    /// Whether it looks along the syntax, for which words need heads.
    pub(super) fn is_syntactic(self) -> bool {
        matches!(self, Self::Head | Self::Child)
    }

    /// The places where it looks from each word of a sentence.
    fn places(self, sentence: &Sentence) -> Vec<Vec<usize>> {
        let n = sentence.words.len();
        match self {
            Self::Prev => (0..n).map(|at| at.checked_sub(1).into_iter().collect()).collect(),
            Self::Next => (0..n).map(|at| Some(at + 1).filter(|next| *next < n).into_iter().collect()).collect(),
            Self::Head => sentence.words.iter().map(|word| word.head.into_iter().collect()).collect(),
            Self::Child => {
                let mut children = vec![Vec::new(); n];
                for (at, word) in sentence.words.iter().enumerate() {
                    word.head.into_iter().for_each(|head| children[head].push(at));
                }
                children
            }
            Self::Before(k) => (0..n).map(|at| (at.saturating_sub(k)..at).collect()).collect(),
        }
    }
}

impl std::str::FromStr for Context {
    type Err = String;

    /// `prev`, `next`, `head`, `child`, `before-3`, and the same with a family: `prev:lemma`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (operator, family) = text.split_once(':').map_or((text, None), |(o, f)| (o, Some(f)));
        let operator = match operator {
            "prev" => Operator::Prev,
            "next" => Operator::Next,
            "head" => Operator::Head,
            "child" => Operator::Child,
            other => {
                let k = other.strip_prefix("before-").and_then(|k| k.parse().ok()).filter(|k| (1..1000).contains(k));
                Operator::Before(k.ok_or_else(|| {
                    format!("`{text}`: expected prev, next, head, child or before-K, and a family after a colon")
                })?)
            }
        };
        let family = family.map(str::parse).transpose()?;
        Ok(Self { operator, family })
    }
}

impl std::str::FromStr for Family {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|family| family.name() == text)
            .ok_or_else(|| format!("`{text}`: expected one of {}", names()))
    }
}

impl std::fmt::Display for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.operator.name().to_lowercase())?;
        self.family.map_or(Ok(()), |family| write!(f, ":{}", family.name()))
    }
}

impl Context {
    fn covers(self, category: &str) -> bool {
        match self.family {
            Some(family) => family.name() == category,
            None => !Family::ALL.iter().any(|family| family.is_lexical() && family.name() == category),
        }
    }

    /// Adds the concepts of context to `lists`; `base` has the concepts that they look for, whose ids are below its count.
    pub(super) fn annotate(
        self,
        sentences: &[Sentence],
        base: &Lists,
        min_count: usize,
        concepts: &mut Vec<Concept>,
        lists: &mut Lists,
    ) {
        let operator = self.operator.name();
        let covered: Vec<bool> = concepts.iter().map(|concept| self.covers(&concept.category)).collect();
        let mut found: Vec<Vec<u32>> = Vec::with_capacity(base.0.len());
        let mut first = 0;
        for sentence in sentences {
            for places in self.operator.places(sentence) {
                let here = places.iter().flat_map(|place| &base.0[first + place]);
                let mut here: Vec<u32> = here.copied().filter(|id| covered[*id as usize]).collect();
                here.sort_unstable();
                here.dedup();
                found.push(here);
            }
            first += sentence.words.len();
        }
        let mut counts = vec![0; concepts.len()];
        found.iter().flatten().for_each(|id| counts[*id as usize] += 1);
        let mut ids = vec![None; concepts.len()];
        let known: HashSet<String> = concepts.iter().map(|concept| concept.name.clone()).collect();
        for (base, count) in counts.into_iter().enumerate().filter(|(_, count)| *count >= min_count) {
            // Named twice, `prev` and `prev:upos`, it is one concept.
            let name = in_context(&operator, &concepts[base].name);
            if count > 0 && !known.contains(&name) {
                let category = format!("{operator} {}", concepts[base].category);
                ids[base] = Some(add(concepts, name, &category));
            }
        }
        for (list, found) in lists.0.iter_mut().zip(found) {
            list.extend(found.iter().filter_map(|id| ids[*id as usize]));
        }
    }
}
