//! The records of a run as tables: explanations, null draws and held-out scores.

use compexp_core::explanation::{ConceptExplanation, ConceptFormulas, Explanation, Explanations, Scored, Significance};
use compexp_files::{Values, guarded};

use crate::error::{Error, Result};

/// The explanations as columns with their names, a value a unit. `iou_k` and `mcc_k` are those of entry `k` of `by_length`,
/// counted from 1.
pub fn explanation_columns(explanations: &Explanations) -> Vec<(String, Values)> {
    columns_of(&explanations.units)
}

fn columns_of(units: &[Explanation]) -> Vec<(String, Values)> {
    let lengths = units.iter().map(|u| u.by_length.len()).max().unwrap_or(0);
    let text = |of: &dyn Fn(&Explanation) -> Option<String>| Values::Text(units.iter().map(of).collect());
    let int = |of: &dyn Fn(&Explanation) -> Option<u64>| {
        Values::Int(units.iter().map(|u| of(u).map(|value| value as i64)).collect())
    };
    let float = |of: &dyn Fn(&Explanation) -> Option<f64>| Values::Float(units.iter().map(of).collect());
    let by_length = |what: &str, of: &dyn Fn(&Scored) -> Option<f64>| -> Vec<(String, Values)> {
        (0..lengths).map(|k| (format!("{what}_{}", k + 1), float(&|u| u.by_length.get(k).and_then(of)))).collect()
    };
    let columns = [
        ("unit", int(&|u| Some(u.unit as u64))),
        ("status", text(&|u| Some(u.status.name().to_owned()))),
        ("formula", text(&|u| u.formula.clone())),
        ("length", int(&|u| u.length.map(|length| length as u64))),
        ("iou", float(&|u| Some(u.iou))),
        ("score", float(&|u| Some(u.score))),
        ("intersection", int(&|u| u.intersection)),
        ("union", int(&|u| u.union)),
        ("unit_area", int(&|u| Some(u.unit_area))),
        ("formula_area", int(&|u| u.formula_area)),
        ("threshold", float(&|u| u.threshold)),
        ("precision", float(&|u| u.scores.map(|s| s.precision))),
        ("recall", float(&|u| u.scores.map(|s| s.recall))),
        ("f1", float(&|u| u.scores.map(|s| s.f1))),
        ("primitive", text(&|u| u.primitive.as_ref().map(|p| p.formula.clone()))),
        ("primitive_iou", float(&|u| u.primitive.as_ref().map(|p| p.iou))),
    ];
    let named = |(name, values): (&str, Values)| (name.to_owned(), values);
    let mut columns: Vec<(String, Values)> = columns.into_iter().map(named).collect();
    columns.extend(by_length("iou", &|s| Some(s.iou)));
    let scores = [
        ("firing_rate", float(&|u| u.firing_rate)),
        ("lift", float(&|u| u.lift)),
        ("mcc", float(&|u| u.mcc)),
        ("chance_corrected", float(&|u| u.chance_corrected)),
    ];
    columns.extend(scores.map(named));
    columns.extend(by_length("mcc", &|s| s.mcc));
    columns
}

/// The columns of [`explanation_columns`] as comma-separated values under a header, one line a unit; what is none is an empty
/// field.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] where a row cannot be written, which no value of this record can cause.
pub fn explanations_csv(explanations: &Explanations) -> Result<String> {
    columns_csv(explanation_columns(explanations))
}

/// The table of activation ranges: the number of the range and its ends `lo < value <= hi` behind the unit, the other columns of
/// [`explanations_csv`], and the scores of the longest formula on held-out examples. None where no ranges were asked for.
///
/// # Errors
/// As [`explanations_csv`].
pub fn ranges_csv(explanations: &Explanations) -> Result<Option<String>> {
    let records = &explanations.ranges;
    if records.is_empty() {
        return Ok(None);
    }
    let float = |of: &dyn Fn(&Explanation) -> Option<f64>| Values::Float(records.iter().map(of).collect());
    let mut columns = columns_of(records);
    let place = [
        ("range", Values::Int(records.iter().map(|r| r.range.map(|range| range.k as i64)).collect())),
        ("lo", float(&|r| r.range.map(|range| range.lo))),
        ("hi", float(&|r| r.range.and_then(|range| range.hi))),
    ];
    columns.splice(1..1, place.map(|(name, values)| (name.to_owned(), values)));
    columns.extend(held_out_columns(records));
    columns_csv(columns).map(Some)
}

/// The table of concepts that formulas over units explain: number, name and category of the concept, the other columns of
/// [`explanations_csv`] with the concept in the unit's place, p and q of null draws, and the scores of the longest formula on
/// held-out examples. None where concepts were not explained.
///
/// # Errors
/// As [`explanations_csv`].
pub fn concept_formulas_csv(explanations: &Explanations) -> Result<Option<String>> {
    let Some(ConceptFormulas { list, .. }) = explanations.concepts.as_ref() else { return Ok(None) };
    let records: Vec<Explanation> = list.iter().map(|concept| concept.found.clone()).collect();
    let text = |of: &dyn Fn(&ConceptExplanation) -> &str| {
        Values::Text(list.iter().map(|concept| Some(of(concept).to_owned())).collect())
    };
    let significance = |of: &dyn Fn(&Significance) -> f64| {
        Values::Float(records.iter().map(|record| record.significance.as_ref().map(of)).collect())
    };
    let mut columns = columns_of(&records);
    columns.retain(|(name, _)| name != "threshold");
    for (name, _) in &mut columns {
        match name.as_str() {
            "unit" => *name = "id".into(),
            "unit_area" => *name = "concept_area".into(),
            _ => {}
        }
    }
    let names = [("concept", text(&|c| &c.concept)), ("category", text(&|c| &c.category))];
    columns.splice(1..1, names.map(|(name, values)| (name.to_owned(), values)));
    let chance = [("p", significance(&|s| s.p)), ("q", significance(&|s| s.q))];
    columns.extend(chance.map(|(name, values)| (name.to_owned(), values)));
    columns.extend(held_out_columns(&records));
    columns_csv(columns).map(Some)
}

/// The scores of the longest formulas on held-out examples.
fn held_out_columns(records: &[Explanation]) -> [(String, Values); 2] {
    let float = |of: &dyn Fn(&Explanation) -> Option<f64>| Values::Float(records.iter().map(of).collect());
    let iou = float(&|r| r.holdout.as_ref().map(|h| h.iou));
    let mcc = float(&|r| Some(r.holdout.as_ref()?.mcc?.value));
    [("held_out_iou".to_owned(), iou), ("held_out_mcc".to_owned(), mcc)]
}

/// Columns as comma-separated values under a header.
fn columns_csv(columns: Vec<(String, Values)>) -> Result<String> {
    fn shown<T: ToString>(values: Vec<Option<T>>) -> Vec<String> {
        values.into_iter().map(|value| value.map_or(String::new(), |value| value.to_string())).collect()
    }
    let header: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let header = header.join(",");
    let cells: Vec<Vec<String>> = columns
        .into_iter()
        .map(|(_, values)| match values {
            Values::Int(values) => shown(values),
            Values::Float(values) => shown(values),
            Values::Text(values) => shown(values),
            Values::Bytes(values) => {
                shown(values.into_iter().map(|v| v.map(|v| String::from_utf8_lossy(&v).into_owned())).collect())
            }
        })
        .collect();
    let rows = cells.first().map_or(0, Vec::len);
    let row = |at: usize| cells.iter().map(|column| column[at].clone()).collect();
    table(&header, (0..rows).map(row).collect())
}

/// The scores of draws as comma-separated values under a header, one line a unit and length; none where no unit was
/// tested.
///
/// # Errors
/// As [`explanations_csv`].
pub fn null_csv(explanations: &Explanations) -> Result<Option<String>> {
    let header = "unit,length,iou,draws,p,q,mean,median,q95,q99,max,step_p,metric_median";
    let mut rows = Vec::new();
    for unit in &explanations.units {
        let Some(s) = &unit.significance else { continue };
        for (null, own) in s.by_length.iter().zip(&unit.by_length) {
            // What is decided is the greatest length: q is of that.
            let q = if null.length == s.by_length.len() { s.q.to_string() } else { String::new() };
            let numbers = [null.p.to_string(), q];
            let nulls = [null.mean, null.median, null.q95, null.q99, null.max].map(|v| v.to_string());
            let mut row =
                vec![unit.unit.to_string(), null.length.to_string(), own.iou.to_string(), s.draws.to_string()];
            row.extend(numbers.into_iter().chain(nulls));
            row.extend([null.step_p, null.metric_median].map(|v| v.map_or(String::new(), |v| v.to_string())));
            rows.push(row);
        }
    }
    if rows.is_empty() { Ok(None) } else { table(header, rows).map(Some) }
}

/// The scores on held-out examples as comma-separated values under a header, one line a unit and length; none where
/// nothing was held out.
///
/// # Errors
/// As [`explanations_csv`].
pub fn holdout_csv(explanations: &Explanations) -> Result<Option<String>> {
    let header = "unit,length,formula,search_iou,held_out_iou,low,high,standard_error,drop,suggested,\
                  held_out_mcc,mcc_low,mcc_high,mcc_drop";
    let mut rows = Vec::new();
    for unit in &explanations.units {
        let Some(held_out) = &unit.holdout else { continue };
        for (out, own) in held_out.by_length.iter().zip(&unit.by_length) {
            let mut row = vec![unit.unit.to_string(), out.length.to_string(), own.formula.clone()];
            let [low, high] = out.interval;
            row.extend([own.iou, out.iou, low, high, out.standard_error, out.drop].map(|v| v.to_string()));
            row.push((out.length == held_out.suggested_length).to_string());
            let mcc = out.mcc.map(|mcc| [mcc.value, mcc.interval[0], mcc.interval[1], mcc.drop]);
            row.extend(mcc.map_or([const { String::new() }; 4], |mcc| mcc.map(|v| v.to_string())));
            rows.push(row);
        }
    }
    if explanations.held_out.is_none() { Ok(None) } else { table(header, rows).map(Some) }
}

/// Comma-separated values; the header's names hold no comma.
fn table(header: &str, rows: Vec<Vec<String>>) -> Result<String> {
    let header = header.split(',').map(str::to_owned).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |e: &dyn std::fmt::Display| Error::mismatch("row of a table", e, "text");
    for row in [header].into_iter().chain(rows) {
        let row: Vec<String> = row;
        writer.write_record(row).map_err(|e| failed(&e))?;
    }
    let bytes = writer.into_inner().map_err(|e| failed(&e))?;
    String::from_utf8(guarded(bytes)).map_err(|e| failed(&e))
}
