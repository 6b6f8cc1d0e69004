//! The results of a search.

use serde::{Deserialize, Serialize};

use crate::formula::Formula;
use crate::score::Counts;

/// Whether a unit has an explanation, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The unit has an explanation.
    Explained,
    /// The unit never fires.
    Silent,
    /// The unit fires on no position that carries a concept, those aside that every position carries.
    NoOverlap,
    /// No formula that was found has a Matthews correlation with the unit above 0, which was searched for.
    Uncorrelated,
    /// The unit fires on fewer positions than [`super::SearchConfig::min_activations`].
    TooFew,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Explained, Self::Silent, Self::NoOverlap, Self::Uncorrelated, Self::TooFew];

    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Explained => "explained",
            Self::Silent => "silent",
            Self::NoOverlap => "no_overlap",
            Self::Uncorrelated => "uncorrelated",
            Self::TooFew => "too_few",
        }
    }
}

/// A formula that a search found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The formula.
    pub formula: Formula,
    /// The sizes of its mask, of the unit's and of both.
    pub counts: Counts,
    /// Its IoU with the unit.
    pub iou: f64,
    /// The number that the search maximised: the metric times the penalty.
    pub score: f64,
}

/// What is proven about the best formula of at most a certain number of literals, and the work of the proof. The counts
/// of work include those of all shorter lengths.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimal {
    /// Whether no formula of the grammar is better.
    pub certified: bool,
    /// No formula of the grammar has a higher IoU; of a search by MCC: a higher MCC.
    pub upper_bound: f64,
    /// Pairs of literals that were bounded.
    pub pairs: u64,
    /// Triples of literals that were bounded.
    pub triples: u64,
    /// Triples of literals that no bound ruled out, so that they were counted on cells.
    pub full_passes: u64,
    /// Ends of longer formulas that were extended by every literal.
    pub nodes: u64,
    /// The IoU that the beam reaches with this number of literals; of a search by MCC: its MCC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beam: Option<f64>,
}

/// The result of a search for one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchResult {
    /// Whether anything was found.
    pub status: Status,
    /// Entry `k` is the best formula found of at most `k + 1` literals (with [`super::Grammar::Full`]: of at most `k + 1`
    /// distinct ones); empty unless explained.
    pub by_length: Vec<Found>,
    /// Entry `k` is the beam after `k + 1` literals: the formulas kept, best first, with their scores.
    pub beams: Vec<Vec<(Formula, f64)>>,
    /// What is proven about each entry of `by_length`; empty unless the search proves anything.
    pub optimal: Vec<Optimal>,
}

impl SearchResult {
    /// The result of a status without any formula.
    pub(super) fn nothing(status: Status) -> Self {
        Self { status, by_length: Vec::new(), beams: Vec::new(), optimal: Vec::new() }
    }

    /// The best formula.
    pub fn best(&self) -> Option<&Found> {
        self.by_length.last()
    }

    /// The best formula of one literal.
    pub fn primitive(&self) -> Option<&Found> {
        self.by_length.first()
    }
}
