//! Whether the explanations of two runs are still the same: formulas up to logical equivalence, IoU and accuracy within
//! tolerances.
//!
//! Formulas are compared by the names of their concepts, since two probe sets may number them differently. What counts
//! as drift is decided by [`Tolerances`]; runs over different probe sets always drift, because their figures are not of
//! the same thing.

mod settings;
mod shift;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use settings::{Difference, differences};
pub use shift::{RunMasks, Shift, Shifts, shift, shifts};

use compexp_core::concept::{Concept, ConceptId, Vocabulary};
use compexp_core::explanation::{Explanation, Explanations, Headline};
use compexp_core::formula::{Formula, names_in};
use compexp_core::search::Status;

use crate::{Error, Result};

/// The version of the record of a comparison.
pub const VERSION: u32 = 1;

/// How far two runs may be apart before it is drift.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tolerances {
    /// The greatest difference of a unit's IoU; of runs that were searched by MCC: of its MCC.
    pub iou: f64,
    /// The greatest difference of the model's accuracy, as a share.
    pub accuracy: f64,
    /// How many units may have another formula of nearly the same IoU.
    pub allow: Allowance,
}

/// A number of units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allowance {
    /// So many.
    Units(usize),
    /// This share of the units that are in both runs, rounded down.
    Share(f64),
}

impl Default for Tolerances {
    fn default() -> Self {
        Self { iou: 0.001, accuracy: 0.001, allow: Allowance::Units(0) }
    }
}

/// One of the two runs.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Its explanations.
    pub explanations: &'a Explanations,
    /// How often the model is right, as a share, where that is known.
    pub accuracy: Option<f64>,
    /// The score that was searched. Scores are compared by MCC if both sides were searched by it, else by IoU.
    pub headline: Headline,
}

/// What became of a unit's explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The same formula, letter by letter, and the same IoU within the tolerance; or for the same reason none.
    Same,
    /// A formula written otherwise that means the same, and the same IoU within the tolerance.
    Equivalent,
    /// A formula that means something else, and the same IoU within the tolerance: a tie or nearly one, decided otherwise.
    ChangedWithinTolerance,
    /// A formula that means something else, and an IoU beyond the tolerance.
    FormulaChanged,
    /// The formula means the same, and its IoU is beyond the tolerance.
    IouMoved,
    /// The unit was explained and no longer is, or the reverse, or is not for another reason.
    StatusChanged,
    /// The run has the unit, and the base has not.
    Gained,
    /// The base has the unit, and the run has not.
    Lost,
}

impl Verdict {
    /// All of them, in the order of their definition.
    pub const ALL: [Self; 8] = [
        Self::Same,
        Self::Equivalent,
        Self::ChangedWithinTolerance,
        Self::FormulaChanged,
        Self::IouMoved,
        Self::StatusChanged,
        Self::Gained,
        Self::Lost,
    ];
}

/// A unit, or a range of its activation, in both runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitChange {
    /// The unit.
    pub unit: usize,
    /// The range of its activation, counted from 1; none for the unit as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<usize>,
    /// What became of it.
    pub verdict: Verdict,
    /// Whether that is drift.
    pub drift: bool,
    /// In the base; none where it is not there.
    pub base: Option<Found>,
    /// In the run; none where it is not there.
    pub run: Option<Found>,
}

/// What was found for a unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Whether it has an explanation.
    pub status: Status,
    /// The best formula; none unless it is explained.
    pub formula: Option<String>,
    /// Its IoU; 0 where there is no formula.
    pub iou: f64,
    /// Its MCC; none without a formula, and in records of earlier versions.
    #[serde(default)]
    pub mcc: Option<f64>,
}

impl Found {
    /// The score that was compared; 0 if there is no formula.
    pub fn score(&self, headline: Headline) -> f64 {
        match headline {
            Headline::Iou => self.iou,
            Headline::Mcc => self.mcc.unwrap_or(0.0),
        }
    }
}

/// What a run came to as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Units asked for.
    pub units: usize,
    /// Units explained.
    pub explained: usize,
    /// The mean IoU of the explained ones; none where there are none.
    pub mean_iou: Option<f64>,
    /// How often the model is right, as a share, where that is known.
    pub accuracy: Option<f64>,
}

/// Two runs side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The version of this record.
    pub version: u32,
    /// Whether any of what follows is drift.
    pub drift: bool,
    /// The score that was compared.
    pub score: Headline,
    /// What decided.
    pub tolerances: Tolerances,
    /// How many units were allowed to have another formula of nearly the same IoU.
    pub allowed: usize,
    /// In what the probe sets differ: always drift.
    pub probe_set: Vec<Difference>,
    /// The other settings and inputs that differ, a model's weights for one: told, and no drift by themselves.
    pub settings: Vec<Difference>,
    /// The base as a whole.
    pub base: Outcome,
    /// The run as a whole.
    pub run: Outcome,
    /// Whether the accuracy is beyond its tolerance, or the run has none and the base has: drift.
    pub accuracy_moved: bool,
    /// How many units there are of each verdict.
    pub totals: BTreeMap<Verdict, usize>,
    /// One entry for each unit of either run, and one for each range of its activation, ascending.
    pub units: Vec<UnitChange>,
}

/// Compares `run` with `base`. `probe_fields` name what in the configuration says on which probe set a run was made:
/// settings, or objects of settings, such as `inputs.annotations`.
///
/// # Errors
/// `Error::Mismatch` for a tolerance that is negative or no number, a unit that is there twice, an IoU or an accuracy
/// outside of 0 to 1, and an explained unit whose formula is missing or cannot be read; `what` says of which run.
pub fn compare(base: Side<'_>, run: Side<'_>, tolerances: Tolerances, probe_fields: &[&str]) -> Result<Comparison> {
    tolerances.check()?;
    let (before, after) = (units_of(base, "base")?, units_of(run, "run")?);
    let mut numbers: Vec<Key> = before.keys().chain(after.keys()).copied().collect();
    numbers.sort_unstable();
    numbers.dedup();
    let in_both = before.keys().filter(|unit| after.contains_key(unit)).count();

    let headline = if base.headline == run.headline { base.headline } else { Headline::Iou };
    let verdict = |key: &Key| match (before.get(key), after.get(key)) {
        (Some(base), Some(run)) => judge(base, run, tolerances.iou, headline),
        (None, _) => Ok(Verdict::Gained),
        (_, None) => Ok(Verdict::Lost),
    };
    let verdicts = numbers.iter().map(verdict).collect::<Result<Vec<_>>>()?;
    let allowed = match tolerances.allow {
        Allowance::Units(n) => n,
        Allowance::Share(share) => (share * in_both as f64) as usize,
    };
    let mut totals: BTreeMap<Verdict, usize> = Verdict::ALL.map(|v| (v, 0)).into();
    for verdict in &verdicts {
        *totals.entry(*verdict).or_default() += 1;
    }
    let beyond = totals[&Verdict::ChangedWithinTolerance] > allowed;
    let is_drift = |verdict: Verdict| match verdict {
        Verdict::Same | Verdict::Equivalent => false,
        Verdict::ChangedWithinTolerance => beyond,
        _ => true,
    };
    let found = |e: &&Explanation| Found { status: e.status, formula: e.formula.clone(), iou: e.iou, mcc: e.mcc };
    let change = |(key, verdict): (Key, Verdict)| UnitChange {
        unit: key.0,
        range: key.1,
        verdict,
        drift: is_drift(verdict),
        base: before.get(&key).map(found),
        run: after.get(&key).map(found),
    };
    let units: Vec<UnitChange> = numbers.into_iter().zip(verdicts).map(change).collect();

    let universe = |side: Side<'_>| serde_json::json!({ "universe": side.explanations.universe });
    let mut probe_set = differences(&universe(base), &universe(run));
    let config = differences(&base.explanations.config, &run.explanations.config);
    let (inputs, settings) = config.into_iter().partition(|d| probe_fields.iter().any(|field| d.is_within(field)));
    probe_set.extend::<Vec<Difference>>(inputs);
    let accuracy_moved = base.accuracy.is_some_and(|a| run.accuracy.is_none_or(|b| !near(a, b, tolerances.accuracy)));
    Ok(Comparison {
        version: VERSION,
        drift: accuracy_moved || !probe_set.is_empty() || units.iter().any(|u| u.drift),
        score: headline,
        tolerances,
        allowed,
        probe_set,
        settings,
        base: Outcome::of(base),
        run: Outcome::of(run),
        accuracy_moved,
        totals,
        units,
    })
}

impl UnitChange {
    /// The unit's number, and that of the range: `12`, or `12, range 2`.
    pub fn name(&self) -> String {
        let range = self.range.map_or(String::new(), |k| format!(", range {k}"));
        format!("{}{range}", self.unit)
    }
}

impl Tolerances {
    fn check(&self) -> Result<()> {
        let share = match self.allow {
            Allowance::Units(_) => 0.0,
            Allowance::Share(share) => share,
        };
        let all = [("IoU tolerance", self.iou), ("accuracy tolerance", self.accuracy), ("share allowed", share)];
        match all.into_iter().find(|(_, value)| !(0.0..=1.0).contains(value)) {
            Some((what, value)) => Err(Error::mismatch(what, value, "a number from 0 to 1")),
            None => Ok(()),
        }
    }
}

impl Outcome {
    fn of(side: Side<'_>) -> Self {
        let units = &side.explanations.units;
        let ious: Vec<f64> = units.iter().filter(|u| u.status == Status::Explained).map(|u| u.iou).collect();
        Self {
            units: units.len(),
            explained: ious.len(),
            mean_iou: (!ious.is_empty()).then(|| ious.iter().sum::<f64>() / ious.len() as f64),
            accuracy: side.accuracy,
        }
    }
}

/// A unit, and the range of its activation unless it is the whole.
type Key = (usize, Option<usize>);

/// The units and ranges of a run by their numbers, each looked over.
fn units_of<'a>(side: Side<'a>, name: &str) -> Result<BTreeMap<Key, &'a Explanation>> {
    if let Some(accuracy) = side.accuracy.filter(|a| !(0.0..=1.0).contains(a)) {
        return Err(Error::mismatch(format!("accuracy of the {name}"), accuracy, "a share from 0 to 1"));
    }
    let mut units = BTreeMap::new();
    for unit in side.explanations.units.iter().chain(&side.explanations.ranges) {
        let key = (unit.unit, unit.range.map(|range| range.k));
        let which = key.1.map_or(String::new(), |k| format!(", range {k},"));
        let what = |part: &str| format!("{part} of unit {}{which} of the {name}", unit.unit);
        if !(0.0..=1.0).contains(&unit.iou) {
            return Err(Error::mismatch(what("IoU"), unit.iou, "a number from 0 to 1"));
        }
        if unit.status == Status::Explained && unit.formula.is_none() {
            return Err(Error::mismatch(what("formula"), "none", "one, since the unit is explained"));
        }
        if units.insert(key, unit).is_some() {
            return Err(Error::mismatch(what("records"), "two or more", "one"));
        }
    }
    Ok(units)
}

fn judge(base: &Explanation, run: &Explanation, tolerance: f64, headline: Headline) -> Result<Verdict> {
    let (Status::Explained, Status::Explained) = (base.status, run.status) else {
        return Ok(if base.status == run.status { Verdict::Same } else { Verdict::StatusChanged });
    };
    let [before, after] = [base, run].map(|e| e.formula.as_deref().unwrap_or_default());
    let near = near(headline.value(base), headline.value(run), tolerance);
    Ok(match (meaning(before, after, base.unit)?, near) {
        (Meaning::Identical, true) => Verdict::Same,
        (Meaning::Equivalent, true) => Verdict::Equivalent,
        (Meaning::Other, true) => Verdict::ChangedWithinTolerance,
        (Meaning::Identical | Meaning::Equivalent, false) => Verdict::IouMoved,
        (Meaning::Other, false) => Verdict::FormulaChanged,
    })
}

/// How two formulas' meanings compare.
enum Meaning {
    Identical,
    Equivalent,
    Other,
}

/// Compares two formulas by the names in them. Of formulas with too many concepts for a truth table only a reordering is
/// known to mean the same.
fn meaning(base: &str, run: &str, unit: usize) -> Result<Meaning> {
    let [base_names, run_names] = [(base, "base"), (run, "run")].map(|(text, side)| {
        names_in(text).map_err(|e| Error::mismatch(format!("formula of unit {unit} of the {side}"), e, "a formula"))
    });
    let mut names = base_names?;
    names.extend(run_names?);
    names.sort_unstable();
    names.dedup();
    let concept = |(i, name)| Concept { id: ConceptId(i), name, category: String::new() };
    let vocabulary = Vocabulary::new((0..).zip(names).map(concept).collect())?;
    let parse = |text, side| {
        let failed = |e| Error::mismatch(format!("formula of unit {unit} of the {side}"), e, "a formula");
        Formula::parse(text, &vocabulary).map_err(failed)
    };
    let [base_formula, run_formula] = [parse(base, "base")?, parse(run, "run")?];
    if base == run {
        return Ok(Meaning::Identical);
    }
    let same = base_formula.canonical_cmp(&run_formula).is_eq() || base_formula.equivalent(&run_formula) == Some(true);
    Ok(if same { Meaning::Equivalent } else { Meaning::Other })
}

fn near(a: f64, b: f64, tolerance: f64) -> bool {
    (a - b).abs() <= tolerance
}

#[cfg(test)]
mod tests;
