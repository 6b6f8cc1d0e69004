//! The records of a run as comma-separated values: explanations, null draws and held-out scores.

use compexp_core::explanation::Explanations;
use compexp_files::guarded;

use crate::error::{Error, Result};

/// The same rows as comma-separated values under a header, one line a unit; what is none is an empty field. `iou_k` is
/// the IoU of entry `k` of `by_length`, counted from 1.
///
/// # Errors
/// [`compexp_core::Error::Mismatch`] where a row cannot be written, which no value of this record can cause.
pub fn explanations_csv(explanations: &Explanations) -> Result<String> {
    let lengths = explanations.units.iter().map(|u| u.by_length.len()).max().unwrap_or(0);
    let fixed = "unit,status,formula,length,iou,score,intersection,union,unit_area,formula_area,threshold,\
                 precision,recall,f1,primitive,primitive_iou";
    let by_length = |what: &'static str| (1..=lengths).map(move |k| format!("{what}_{k}"));
    let scores = ["firing_rate", "lift", "mcc", "chance_corrected"].map(str::to_owned);
    let header: Vec<String> =
        fixed.split(',').map(str::to_owned).chain(by_length("iou")).chain(scores).chain(by_length("mcc")).collect();
    let mut rows = Vec::new();
    fn show<T: ToString>(value: Option<T>) -> String {
        value.map_or(String::new(), |v| v.to_string())
    }
    for u in &explanations.units {
        let status = serde_json::to_value(u.status).ok();
        let mut row = vec![
            u.unit.to_string(),
            show(status.as_ref().and_then(|s| s.as_str())),
            show(u.formula.as_ref()),
            show(u.length),
            u.iou.to_string(),
            u.score.to_string(),
            show(u.intersection),
            show(u.union),
            u.unit_area.to_string(),
            show(u.formula_area),
            show(u.threshold),
            show(u.scores.map(|s| s.precision)),
            show(u.scores.map(|s| s.recall)),
            show(u.scores.map(|s| s.f1)),
            show(u.primitive.as_ref().map(|p| &p.formula)),
            show(u.primitive.as_ref().map(|p| p.iou)),
        ];
        row.extend((0..lengths).map(|k| show(u.by_length.get(k).map(|s| s.iou))));
        row.extend([u.firing_rate, u.lift, u.mcc, u.chance_corrected].map(show));
        row.extend((0..lengths).map(|k| show(u.by_length.get(k).and_then(|s| s.mcc))));
        rows.push(row);
    }
    table(&header.join(","), rows)
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
