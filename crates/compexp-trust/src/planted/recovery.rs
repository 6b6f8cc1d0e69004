//! How many planted formulas a search recovered.

use std::cmp::Ordering;

use compexp_core::concept::Vocabulary;
use compexp_core::explanation::{Explanations, Universe};
use compexp_core::formula::Formula;
use compexp_core::partition::Partition;
use compexp_core::score::Metric;
use serde::Serialize;

use super::{Noise, PlantedUnits, VERSION};
use crate::{Error, Result};

/// What the formula found is to the planted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Logically equivalent, whatever the annotations.
    Equivalent,
    /// It has the same mask on these annotations.
    SameMask,
    /// It has another mask.
    Other,
    /// Nothing was found.
    Nothing,
}

impl Verdict {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equivalent => "equivalent",
            Self::SameMask => "same_mask",
            Self::Other => "other",
            Self::Nothing => "nothing",
        }
    }
}

/// A planted unit, and what was found for it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recovered {
    /// The unit, counted from 0.
    pub unit: usize,
    /// Literals of the planted formula.
    pub length: usize,
    /// The noise of the unit.
    pub noise: Noise,
    /// The planted formula.
    pub planted: String,
    /// The formula found.
    pub found: Option<String>,
    /// What the best formula found that is no longer than the planted one is to it: a longer one may fit noise.
    pub at_length: Verdict,
    /// The same of the formula found, of whatever length.
    pub verdict: Verdict,
    /// IoU of the unit with the planted formula.
    pub planted_iou: f64,
    /// IoU of the unit with the formula found, 0 where there is none.
    pub found_iou: f64,
    /// MCC of the unit with the planted formula, and with the one found; none where it is not known.
    pub planted_mcc: Option<f64>,
    /// The same with the formula found.
    pub found_mcc: Option<f64>,
    /// The share of all positions on which the unit fires.
    pub firing_rate: f64,
    /// IoU of the mask of the formula found with that of the planted one, 0 where nothing was found.
    pub agreement: f64,
}

/// Units of one length and noise together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Literals of the planted formulas.
    pub length: usize,
    /// The noise of the units.
    pub noise: Noise,
    /// Units.
    pub units: usize,
    /// How many have [`Verdict::Equivalent`] or [`Verdict::SameMask`] for [`Recovered::at_length`].
    pub at_length: usize,
    /// How many have [`Verdict::Equivalent`] for [`Recovered::verdict`].
    pub equivalent: usize,
    /// How many have [`Verdict::SameMask`] for it.
    pub same_mask: usize,
    /// How many have a found formula of smaller IoU (in a search by MCC: smaller MCC) than the planted one: there the search
    /// failed. If another formula has a greater one, noise made it the better explanation.
    pub below_planted: usize,
    /// The mean IoU of the planted formulas.
    pub planted_iou: f64,
    /// The mean IoU of those found.
    pub found_iou: f64,
    /// The mean of [`Recovered::firing_rate`].
    pub firing_rate: f64,
    /// The mean of [`Recovered::agreement`].
    pub agreement: f64,
}

/// Compares explanations of planted units, of all or some, with what was planted. `partition` and `vocabulary` are those of
/// the probe set.
///
/// # Errors
/// `Error::Mismatch` if the units were planted on another probe set or in another version, or a unit was not planted;
/// `Error::Formula` for a formula with a concept that is not there.
pub fn recover(
    explanations: &Explanations,
    planted: &PlantedUnits,
    partition: &Partition,
    vocabulary: &Vocabulary,
) -> Result<Vec<Recovered>> {
    if planted.version != VERSION {
        return Err(Error::mismatch("version of the planted units", planted.version, VERSION));
    }
    for universe in [explanations.universe, Universe::of(partition)] {
        if universe != planted.universe {
            let text = |u: Universe| format!("{} examples, {} positions, {} cells", u.examples, u.positions, u.cells);
            let expected = format!("{}, on which the units were planted", text(planted.universe));
            return Err(Error::mismatch("universe of the run", text(universe), expected));
        }
    }
    let unit = |explanation: &compexp_core::explanation::Explanation| {
        let unit = planted.units.iter().find(|unit| unit.unit == explanation.unit);
        let unit = unit.ok_or_else(|| {
            let expected = format!("one of the {} planted ones", planted.units.len());
            Error::mismatch("unit of the run", explanation.unit, expected)
        })?;
        if unit.unit_area != explanation.unit_area {
            let expected = format!("{}, as was planted: explain the masks beside the file", unit.unit_area);
            return Err(Error::mismatch(format!("area of unit {}", unit.unit), explanation.unit_area, expected));
        }
        let truth = Formula::parse(&unit.formula, vocabulary)?;
        let judge = |found: Option<&str>| {
            let Some(found) = found else { return Ok(Verdict::Nothing) };
            let found = Formula::parse(found, vocabulary)?;
            Ok(if found.equivalent(&truth) == Some(true) {
                Verdict::Equivalent
            } else if partition.evaluate(&found) == partition.evaluate(&truth) {
                Verdict::SameMask
            } else {
                Verdict::Other
            })
        };
        let masks = partition.evaluate(&truth);
        let agreement = match explanation.formula.as_deref() {
            Some(found) => {
                let found = partition.evaluate(&Formula::parse(found, vocabulary)?);
                let both = partition.area_of(&found.combine(&masks, |a, b| a & b));
                let either = partition.area_of(&found.combine(&masks, |a, b| a | b));
                if both == 0 { 0.0 } else { both as f64 / either as f64 }
            }
            None => 0.0,
        };
        let best = explanation.formula.as_deref();
        let verdict = judge(best)?;
        let by_length = explanation.by_length.get(unit.length.saturating_sub(1));
        let at_length = judge(by_length.map(|scored| scored.formula.as_str()).or(best))?;
        // Without the small number that the compat search adds.
        let found_iou = match (explanation.intersection, explanation.union) {
            (Some(both), Some(union)) if union > 0 => both as f64 / union as f64,
            _ => 0.0,
        };
        Ok(Recovered {
            unit: unit.unit,
            length: unit.length,
            noise: unit.noise,
            planted: unit.formula.clone(),
            found: explanation.formula.clone(),
            at_length,
            verdict,
            planted_iou: unit.iou,
            found_iou,
            planted_mcc: unit.mcc,
            found_mcc: explanation.mcc,
            firing_rate: unit.unit_area as f64 / partition.n_positions() as f64,
            agreement,
        })
    };
    explanations.units.iter().map(unit).collect()
}

/// The same by noise and length, both ascending; `metric` is the one that was searched.
pub fn rows(recovered: &[Recovered], metric: Metric) -> Vec<Row> {
    let mut sorted: Vec<&Recovered> = recovered.iter().collect();
    // Units that fire elsewhere by a rate come after those whose noise follows from their formula.
    let key = |r: &Recovered| [r.noise.elsewhere.unwrap_or(-1.0), r.noise.missed, r.noise.added, r.length as f64];
    let order = |(a, b): (&f64, &f64)| a.total_cmp(b);
    sorted.sort_by(|a, b| key(a).iter().zip(&key(b)).map(order).find(|o| o.is_ne()).unwrap_or(Ordering::Equal));
    let below = |r: &Recovered| match (metric, r.planted_mcc, r.found_mcc) {
        (Metric::Mcc, Some(planted), found) => found.unwrap_or(0.0) < planted,
        _ => r.found_iou < r.planted_iou,
    };
    let row = |group: &[&Recovered]| {
        let count = |is: &dyn Fn(&Recovered) -> bool| group.iter().filter(|r| is(r)).count();
        let mean = |of: &dyn Fn(&Recovered) -> f64| group.iter().map(|r| of(r)).sum::<f64>() / group.len() as f64;
        Row {
            length: group[0].length,
            noise: group[0].noise,
            units: group.len(),
            at_length: count(&|r| matches!(r.at_length, Verdict::Equivalent | Verdict::SameMask)),
            equivalent: count(&|r| r.verdict == Verdict::Equivalent),
            same_mask: count(&|r| r.verdict == Verdict::SameMask),
            below_planted: count(&below),
            planted_iou: mean(&|r| r.planted_iou),
            found_iou: mean(&|r| r.found_iou),
            firing_rate: mean(&|r| r.firing_rate),
            agreement: mean(&|r| r.agreement),
        }
    };
    sorted.chunk_by(|a, b| key(a) == key(b)).map(row).collect()
}

/// The comparison as comma-separated values under a header, a line a unit.
///
/// # Errors
/// `Error::Mismatch` if a row cannot be written, which no value of this record can cause.
pub fn to_csv(recovered: &[Recovered]) -> Result<String> {
    let failed = |e: &dyn std::fmt::Display| Error::mismatch("row of a table", e, "text");
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = [
        "unit",
        "length",
        "missed",
        "added",
        "at_length",
        "verdict",
        "planted_iou",
        "found_iou",
        "planted",
        "found",
        "elsewhere",
        "firing_rate",
        "planted_mcc",
        "found_mcc",
        "agreement",
    ];
    let number = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());
    writer.write_record(header).map_err(|e| failed(&e))?;
    for r in recovered {
        let row = [
            r.unit.to_string(),
            r.length.to_string(),
            r.noise.missed.to_string(),
            r.noise.added.to_string(),
            r.at_length.name().to_owned(),
            r.verdict.name().to_owned(),
            r.planted_iou.to_string(),
            r.found_iou.to_string(),
            r.planted.clone(),
            r.found.clone().unwrap_or_default(),
            number(r.noise.elsewhere),
            r.firing_rate.to_string(),
            number(r.planted_mcc),
            number(r.found_mcc),
            r.agreement.to_string(),
        ];
        writer.write_record(row).map_err(|e| failed(&e))?;
    }
    let bytes = writer.into_inner().map_err(|e| failed(&e))?;
    String::from_utf8(bytes).map_err(|e| failed(&e))
}
