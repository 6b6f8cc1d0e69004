//! The oracle: the searches written a second time, slowly, on dense masks.
//!
//! It knows nothing of the engine: no cells, no co-occurrence counts, no incremental vectors. Every candidate's mask is
//! formed position by position (64 at a time) and counted. What it returns is what the engine must return, to the
//! character and, for scores, to the bit.
//!
//! Three searches ([`vision_compat`], [`nli_compat`], [`default_beam`]) and an exhaustive one ([`brute_force`]) run on a
//! [`Problem`]; [`random_problem`] makes small ones full of ties, equal masks and degenerate concepts, and
//! [`Problem::concepts_by_position`] turns one into what a partition is built from. [`Space`] is the same problem packed
//! for many units.
//!
//! # Where the procedure's description leaves something open
//!
//! - `--metric` names mean the same in every mode: precision = both / formula area, recall = both / unit area, and
//!   0 / 0 = 0. (The reference's own "precision" is `Recall` here; its ground truth is the formula.) The small numbers of
//!   the compat modes are added to IoU's union only.
//! - `penalty^(length-1)` is `powf`, which is what a double raised to an integer is in the reference's language. The
//!   product is `metric * power`.
//! - A beam limit K ranks all present concepts in vision (those without overlap last, by id), so that a K as large as the
//!   vocabulary leaves only the order changed; in NLI it ranks primitives with a positive score; in the default search it
//!   ranks all literals, and only the K best are joined (primitives still enter the pool by themselves).
//! - The compat modes filter nothing after the start: when the beam is not full, candidates with score 0 fill it.
//! - Vision compat knows only present concepts (with a non-empty mask). NLI compat knows every listed concept, empty ones
//!   included, and gives each a NEIGHBORS node, with or without neighbours (without, it equals the leaf).
//! - A unit without a position is `Silent`, whatever the minimum; one below the minimum is `TooFew`, in every mode.
//! - A formula that is true everywhere is no answer of the default and the exhaustive search, but may stand in a beam. There
//!   is an answer only if some literal overlaps the unit that is not true everywhere.
//! - By correlation, formulas of negative score may stand in a beam too: only those without a hit are left out.
//! - A unit that is not `Explained` has `NONE` (vision, default) or `0` (NLI: too few or silent) as its formula and
//!   primitive, with score 0, no beams and no `by_length`. NLI with an overlap of nothing still runs its search over zeros:
//!   `NoOverlap`, with the formula and beams of that search.

mod beam;
mod bits;
mod brute;
mod compat;
mod formula;
mod random;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub(crate) use bits::{Bits, Space, Unit};
pub(crate) use brute::{brute_force, brute_force_with_constants};
pub(crate) use random::random_problem;

/// One unit and the concepts that may explain it, as dense masks over one universe.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// Concept id and mask; ids are distinct, masks are as long as `unit`.
    pub(crate) concepts: Vec<(u32, Vec<bool>)>,
    /// The unit's mask, one entry a position.
    pub(crate) unit: Vec<bool>,
    /// Ids whose masks NEIGHBORS(id) adds to the concept's own; all are ids of `concepts`.
    pub(crate) neighbors: BTreeMap<u32, Vec<u32>>,
}

impl Problem {
    /// The sorted concept ids of every position: what cells are made from.
    pub(crate) fn concepts_by_position(&self) -> Vec<Vec<u32>> {
        let mut sets = vec![Vec::new(); self.unit.len()];
        for (id, mask) in &self.concepts {
            for (set, _) in sets.iter_mut().zip(mask).filter(|(_, on)| **on) {
                set.push(*id);
            }
        }
        sets.iter_mut().for_each(|set| set.sort_unstable());
        sets
    }
}

/// What a search ranks by, before the penalty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Intersection over union.
    Iou,
    /// Share of the formula's mask that the unit covers.
    Precision,
    /// Share of the unit's mask that the formula covers.
    Recall,
    /// Harmonic mean of the two.
    F1,
    /// Correlation of the two masks.
    Mcc,
}

/// The settings of one search; the default is the paper's score at vision's length, with a small beam.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Number of steps, the primitives counted as the first; at least 1.
    pub(crate) length: usize,
    /// Places in the beam.
    pub(crate) beam: usize,
    /// Factor per unit of length beyond the first.
    pub(crate) penalty: f64,
    /// Join only the best of this many primitives.
    pub(crate) beam_limit: Option<usize>,
    /// Units with fewer positions are not searched.
    pub(crate) min_activations: usize,
    /// What to rank by.
    pub(crate) metric: Metric,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { length: 3, beam: 5, penalty: 1.0, beam_limit: None, min_activations: 0, metric: Metric::Iou }
    }
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// A formula with a positive score was found.
    Explained,
    /// The unit's mask is empty.
    Silent,
    /// No primitive has a positive score; in the default search: none but constants overlaps.
    NoOverlap,
    /// No formula has a positive correlation.
    Uncorrelated,
    /// The unit has fewer positions than `min_activations`.
    TooFew,
}

/// The result of one search.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Found {
    /// How the search ended.
    pub(crate) status: Status,
    /// The best formula of the last beam.
    pub(crate) formula: String,
    /// What the formula was ranked by: the metric times the penalty.
    pub(crate) score: f64,
    /// Positions in both masks.
    pub(crate) intersection: u64,
    /// Positions in either mask.
    pub(crate) union: u64,
    /// Positions in the formula's mask.
    pub(crate) formula_area: u64,
    /// Positions in the unit's mask.
    pub(crate) unit_area: u64,
    /// The best primitive and its score.
    pub(crate) primitive: (String, f64),
    /// The beam after each step, primitives first, best first, with scores.
    pub(crate) beams: Vec<Vec<(String, f64)>>,
    /// The best formula after each step.
    pub(crate) by_length: Vec<(f64, String)>,
}

/// The reference's vision search on one unit.
pub(crate) fn vision_compat(problem: &Problem, settings: &Settings) -> Found {
    Space::new(problem).vision_compat(&Unit::from_bools(&problem.unit), settings)
}

/// The reference's NLI search on one unit.
pub(crate) fn nli_compat(problem: &Problem, settings: &Settings) -> Found {
    Space::new(problem).nli_compat(&Unit::from_bools(&problem.unit), settings)
}

/// The default search on one unit: distinct masks, exact comparison, NEIGHBORS literals everywhere.
pub(crate) fn default_beam(problem: &Problem, settings: &Settings) -> Found {
    Space::new(problem).default_beam(&Unit::from_bools(&problem.unit), settings)
}

impl Found {
    /// The result of a unit that was not searched, or whose search had nothing to start from.
    fn nothing(status: Status, formula: &str, unit_area: u64) -> Self {
        Found {
            status,
            formula: formula.to_owned(),
            score: 0.0,
            intersection: 0,
            union: unit_area,
            formula_area: 0,
            unit_area,
            primitive: (formula.to_owned(), 0.0),
            beams: Vec::new(),
            by_length: Vec::new(),
        }
    }
}

/// Whether the unit is left unsearched, and why.
fn refused(unit_area: u64, settings: &Settings) -> Option<Status> {
    if unit_area == 0 {
        Some(Status::Silent)
    } else if unit_area < settings.min_activations as u64 {
        Some(Status::TooFew)
    } else {
        None
    }
}
