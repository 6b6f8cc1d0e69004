//! Searches for the formula that best matches a unit.
//!
//! Two beams: the default one, which counts formulas of one mask once and compares scores exactly, and one that follows
//! the reference implementation to the last tie and bit. Both work on counts: from `|F and L|` and `|U and F and L|`,
//! known for all L after one pass over the cells in which a formula differs from one already counted, the score of every
//! extension of F follows by addition.

mod beam;
pub mod ceiling;
mod chain;
mod compat;
mod exact;
mod member;
mod scan;
mod table;
mod vacuous;

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use exact::{ExactConfig, Grammar, Optimal};
pub use vacuous::without_vacuous;

use crate::formula::Formula;
use crate::partition::Partition;
use crate::probe::Task;
use crate::profile::Profile;
use crate::score::{Counts, Metric};
use crate::{Error, Result};

/// Which search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Beam search over distinct masks, with exact comparisons.
    #[default]
    Beam,
    /// The reference's search, ties and rounding included.
    Compat,
    /// The optimum, proven.
    Exact,
}

/// How to search. The default is the paper's for vision, at length 3.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchConfig {
    /// The greatest number of literals, at least 1.
    pub length: usize,
    /// The number of formulas kept at each length, at least 1.
    pub beam: usize,
    /// Which search.
    pub mode: Mode,
    /// Which variant of the reference's search `Compat` follows.
    pub task: Task,
    /// What is maximised.
    pub metric: Metric,
    /// The score is the metric times this to the power of length minus 1; in (0, 1]. `Compat` counts length as the
    /// reference does, where NOT and NEIGHBORS are one each.
    pub penalty: f64,
    /// Extend formulas only by this many of the best primitives.
    pub beam_limit: Option<usize>,
    /// Units with fewer hits are not searched.
    pub min_activations: u64,
    /// What `Exact` does; not used otherwise.
    #[serde(default, skip_serializing_if = "ExactConfig::is_default")]
    pub exact: ExactConfig,
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self {
            length: 3,
            beam: 10,
            mode: Mode::Beam,
            task: Task::Vision,
            metric: Metric::Iou,
            penalty: 1.0,
            beam_limit: None,
            min_activations: 0,
            exact: ExactConfig::default(),
        }
    }
}

impl SearchConfig {
    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`Error::Mismatch`] for one that is not.
    pub fn check(&self) -> Result<()> {
        let at_least_one = |what: &str, n: usize| {
            if n == 0 { Err(Error::mismatch(what, 0, "at least 1")) } else { Ok(()) }
        };
        at_least_one("formula length", self.length)?;
        at_least_one("beam size", self.beam)?;
        at_least_one("beam limit", self.beam_limit.unwrap_or(1))?;
        if !(self.penalty > 0.0 && self.penalty <= 1.0) {
            return Err(Error::mismatch("complexity penalty", self.penalty, "a factor above 0 and up to 1 (1 = none)"));
        }
        if self.mode == Mode::Exact { exact::check(self) } else { Ok(()) }
    }
}

/// Whether a unit has an explanation, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It has.
    Explained,
    /// The unit never fires.
    Silent,
    /// It fires on no position that carries a concept.
    NoOverlap,
    /// It fires on fewer positions than asked for.
    TooFew,
}

impl Status {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Explained => "explained",
            Self::Silent => "silent",
            Self::NoOverlap => "no_overlap",
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
    /// What the search ranked by: the metric times the penalty.
    pub score: f64,
}

/// The result of a search for one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchResult {
    /// Whether anything was found.
    pub status: Status,
    /// Entry `k` is the best formula found after `k + 1` steps; empty unless explained, else one entry a step.
    pub by_length: Vec<Found>,
    /// For each step the formulas kept, best first, with their scores.
    pub beams: Vec<Vec<(Formula, f64)>>,
    /// For each step what is proven about its best formula; empty unless the search proves anything.
    pub optimal: Vec<Optimal>,
}

impl SearchResult {
    fn nothing(status: Status) -> Self {
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

/// Searches for the formula that best matches a unit.
///
/// # Errors
/// Those of [`SearchConfig::check`].
pub fn search(partition: &Partition, profile: &Profile, config: &SearchConfig) -> Result<SearchResult> {
    config.check()?;
    let area = profile.area();
    if area == 0 {
        return Ok(SearchResult::nothing(Status::Silent));
    }
    if area < config.min_activations {
        return Ok(SearchResult::nothing(Status::TooFew));
    }
    Ok(match config.mode {
        Mode::Beam => beam::search(partition, profile, config),
        Mode::Compat => compat::search(partition, profile, config),
        Mode::Exact => exact::search(partition, profile, config)?,
    })
}

/// Searches for every unit, in parallel; `progress` is told the number of units done.
///
/// # Errors
/// Those of [`SearchConfig::check`].
pub fn search_all(
    partition: &Partition,
    profiles: &[Profile],
    config: &SearchConfig,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<SearchResult>> {
    let done = AtomicUsize::new(0);
    profiles
        .par_iter()
        .map(|profile| {
            let result = search(partition, profile, config);
            progress(1 + done.fetch_add(1, Ordering::Relaxed));
            result
        })
        .collect()
}
