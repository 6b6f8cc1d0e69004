//! The record of a search for every unit.

use serde::{Deserialize, Serialize};

use super::trust::{HeldOut, HeldOutUniverse, Significance};
use crate::concept::Vocabulary;
use crate::formula::Formula;
use crate::partition::Partition;
use crate::ranges::Range;
use crate::score::Metric;
use crate::search::{Found, Optimal, SearchResult, Status};

/// The version of the record that this crate reads and writes.
pub const VERSION: u32 = 1;

/// The explanations of a layer's units, with the settings and inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanations {
    /// The version of this record.
    pub version: u32,
    /// Every setting, and the hash of every input.
    pub config: serde_json::Value,
    /// The size of the universe on which the units were observed.
    pub universe: Universe,
    /// The examples held out of the search; none if there are none. `universe` and the units' own numbers count only
    /// the examples that were searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<HeldOutUniverse>,
    /// One entry for each selected unit, ascending.
    pub units: Vec<Explanation>,
    /// One entry for each selected unit and range of its activation, ascending; empty unless ranges were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Explanation>,
    /// Concepts explained by formulas over the units; none unless these were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concepts: Option<ConceptFormulas>,
}

/// Concepts explained by formulas over the units: units and concepts have changed places.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConceptFormulas {
    /// The units that formulas could name.
    pub candidates: usize,
    /// The units that they were chosen from: those that the run explains and that fire.
    pub units: usize,
    /// The universe, divided by which of the candidates fire.
    pub universe: Universe,
    /// One entry for each concept that was observed, ascending by number.
    pub list: Vec<ConceptExplanation>,
}

/// The formula over units that best matches a concept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConceptExplanation {
    /// The concept's name.
    pub concept: String,
    /// Its category.
    pub category: String,
    /// As for a unit, with the concept in the place of the unit: `unit` is the concept's number, the literals of formulas are
    /// units (`u12`), and the unit's mask is the concept's. There is no threshold.
    #[serde(flatten)]
    pub found: Explanation,
}

/// The size of the universe on which units were observed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Universe {
    /// Examples.
    pub examples: usize,
    /// Positions of each example.
    pub positions: usize,
    /// Cells.
    pub cells: usize,
    /// Cells of one position.
    pub singleton_cells: usize,
}

/// The explanation of one unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The unit, counted from 0.
    pub unit: usize,
    /// The range of its activation that is explained; none where the unit as a whole is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<Range>,
    /// Whether it has an explanation.
    pub status: Status,
    /// The best formula found. It and every field that depends on it are none unless the unit is explained.
    pub formula: Option<String>,
    /// Its number of literals (not the length that the compat search counts).
    pub length: Option<usize>,
    /// Its IoU; 0 without a formula. The compat search adds the reference's small number to the union.
    pub iou: f64,
    /// The share of the universe where the unit fires: the IoU of the formula that is true everywhere. None in records of
    /// earlier versions.
    #[serde(default)]
    pub firing_rate: Option<f64>,
    /// How much more often the unit fires where the formula is true than anywhere. None unless the unit is explained.
    #[serde(default)]
    pub lift: Option<f64>,
    /// The Matthews correlation coefficient of the formula's mask and the unit's; none also where it is not defined.
    #[serde(default)]
    pub mcc: Option<f64>,
    /// How much of what chance leaves the formula reaches: of the metric that was searched, the best formula's value minus
    /// the median of the null draws, over 1 minus that median. None without null draws.
    #[serde(default)]
    pub chance_corrected: Option<f64>,
    /// The number that the search maximised: the metric times the penalty; 0 without a formula.
    pub score: f64,
    /// Positions in both masks.
    pub intersection: Option<u64>,
    /// Positions in either mask.
    pub union: Option<u64>,
    /// Positions in the unit's mask.
    pub unit_area: u64,
    /// Positions in the formula's mask.
    pub formula_area: Option<u64>,
    /// The activation above which the unit fires; none if masks were given, and in records of ranges.
    pub threshold: Option<f64>,
    /// The best formula of one literal: the first entry of `by_length`.
    pub primitive: Option<Scored>,
    /// Entry `k` is the formula of at most `k + 1` literals that the search ranked best; empty unless explained.
    #[serde(default)]
    pub by_length: Vec<Scored>,
    /// For each length, from 1 on, the formulas kept and their scores, best first; optional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beams: Option<Vec<Vec<(String, f64)>>>,
    /// The other scores of the best formula, without the reference's small numbers.
    pub scores: Option<Scores>,
    /// Literals that were removed from the best formula because they change nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vacuous: Vec<String>,
    /// How the formula compares with chance; none if not requested, or if the unit is not explained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub significance: Option<Significance>,
    /// The formulas on examples held out of the search; none if not requested, or if the unit is not explained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<HeldOut>,
    /// The best IoU that any Boolean function of the concepts can reach; none if the unit never fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<f64>,
    /// What is proven about the best formula; none unless the search is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimal: Option<Optimal>,
}

/// A formula and its IoU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// The greatest number of literals allowed; the formula may have fewer.
    pub length: usize,
    /// The formula.
    pub formula: String,
    /// Its IoU, also if the search maximised something else.
    pub iou: f64,
    /// Its Matthews correlation coefficient with the unit, whatever the search maximised; none where it is not defined, and
    /// in records of earlier versions.
    #[serde(default)]
    pub mcc: Option<f64>,
    /// Its lift; none where it is not defined, and in records of earlier versions.
    #[serde(default)]
    pub lift: Option<f64>,
    /// Whether it is proven that no formula of that length is better by what was searched; none unless the search is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certified: Option<bool>,
    /// The IoU, or in a search by MCC the MCC, that no formula of that length exceeds; none unless the search is exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upper_bound: Option<f64>,
}

/// Scores of a formula beside its IoU.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Intersection over the formula's mask.
    pub precision: f64,
    /// Intersection over the unit's mask.
    pub recall: f64,
    /// Twice the intersection over the sum of both masks.
    pub f1: f64,
}

impl Explanations {
    /// The metric that was searched, from the configuration; IoU, the default, if that does not name one.
    pub fn metric(&self) -> Metric {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Search {
            metric: Metric,
        }
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Settings {
            search: Search,
        }
        Settings::deserialize(&self.config).unwrap_or_default().search.metric
    }
}

impl Universe {
    /// The universe of a partition.
    pub fn of(partition: &Partition) -> Self {
        Self {
            examples: partition.n_examples(),
            positions: partition.grid().positions(),
            cells: partition.n_cells(),
            singleton_cells: partition.n_singleton_cells(),
        }
    }
}

impl Explanation {
    /// The record of a search for `unit`, whose mask has `area` of `universe` positions. Formulas are written with the names
    /// of `vocabulary`; the beams are left out unless `keep_beams`.
    pub fn new(
        unit: usize,
        area: u64,
        universe: u64,
        threshold: Option<f64>,
        result: &SearchResult,
        keep_beams: bool,
        vocabulary: &Vocabulary,
    ) -> Self {
        let text = |f: &Formula| f.display(vocabulary).to_string();
        let scored = |(i, f): (usize, &Found)| Scored {
            length: i + 1,
            formula: text(&f.formula),
            iou: f.iou,
            mcc: f.counts.mcc(),
            lift: f.counts.lift(),
            certified: result.optimal.get(i).map(|o| o.certified),
            upper_bound: result.optimal.get(i).map(|o| o.upper_bound),
        };
        let best = result.best();
        let beam = |beam: &Vec<(Formula, f64)>| beam.iter().map(|(f, score)| (text(f), *score)).collect();
        Self {
            unit,
            range: None,
            status: result.status,
            formula: best.map(|b| text(&b.formula)),
            length: best.map(|b| b.formula.length()),
            iou: best.map_or(0.0, |b| b.iou),
            firing_rate: (universe > 0).then(|| area as f64 / universe as f64),
            lift: best.and_then(|b| b.counts.lift()),
            mcc: best.and_then(|b| b.counts.mcc()),
            chance_corrected: None,
            score: best.map_or(0.0, |b| b.score),
            intersection: best.map(|b| b.counts.both),
            union: best.map(|b| b.counts.union()),
            unit_area: area,
            formula_area: best.map(|b| b.counts.formula),
            threshold,
            primitive: result.primitive().map(|p| scored((0, p))),
            by_length: result.by_length.iter().enumerate().map(scored).collect(),
            beams: keep_beams.then(|| result.beams.iter().map(beam).collect()),
            scores: best.map(|b| Scores {
                precision: Metric::Precision.of(b.counts),
                recall: Metric::Recall.of(b.counts),
                f1: Metric::F1.of(b.counts),
            }),
            vacuous: Vec::new(),
            significance: None,
            holdout: None,
            ceiling: None,
            optimal: result.optimal.last().copied(),
        }
    }
}
