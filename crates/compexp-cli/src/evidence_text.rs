//! Prints the evidence for an explanation: significance and held-out scores.

use std::io::{self, Write};

use compexp_core::explanation::{Explanation, Headline, Scored};
use compexp_run::run_dir::Summary;
use compexp_trust::stats::null::NullConfig;

use crate::terminal::{self, count, name};

/// Writes the evidence for a unit's explanation: a line for each number, with what the number means.
pub(crate) fn write(out: &mut impl Write, unit: &Explanation) -> io::Result<()> {
    if !unit.vacuous.is_empty() {
        let literals: Vec<String> = unit.vacuous.iter().map(|literal| name(literal)).collect();
        writeln!(
            out,
            "  left out      {}: the search added it, but the mask is the same without it",
            literals.join(", ")
        )?;
    }
    if let Some(s) = &unit.significance {
        let draws = count(s.draws as u64);
        let reached = (s.p * (s.draws + 1) as f64).round() as usize - 1;
        let reached = count(reached as u64);
        writeln!(
            out,
            "  p             {:.4}  {reached} of {draws} draws with the unit's maps on other examples match as well",
            s.p
        )?;
        writeln!(out, "  q             {:.4}  false discovery rate among the units with a p as small as this", s.q)?;
    }
    if let Some(corrected) = unit.chance_corrected {
        writeln!(out, "  corrected     {corrected:.4}  0 at the median of chance, 1 for a perfect match")?;
    }
    if let Some(h) = &unit.holdout {
        let [low, high] = h.interval;
        writeln!(
            out,
            "  held-out IoU  {:.4}  on examples the search never saw; 95% interval {low:.4} to {high:.4}",
            h.iou
        )?;
        if let Some(mcc) = h.mcc {
            let [low, high] = mcc.interval;
            writeln!(out, "  held-out MCC  {:.4}  95% interval {low:.4} to {high:.4}", mcc.value)?;
        }
        writeln!(
            out,
            "  suggested     length {}: longer formulas are not clearly better on those examples",
            h.suggested_length
        )?;
    }
    Ok(())
}

/// Writes a unit's scores by length, of what was searched, beside the scores that chance reaches and the held-out scores, if the
/// run has either. Of chance a search by MCC has the median alone.
pub(crate) fn write_by_length(out: &mut impl Write, unit: &Explanation, headline: Headline) -> io::Result<()> {
    let chance = unit.significance.as_ref().map(|s| &s.by_length);
    let held_out = unit.holdout.as_ref().map(|h| &h.by_length);
    if chance.is_none() && held_out.is_none() {
        return Ok(());
    }
    let by_mcc = headline == Headline::Mcc;
    let row = |(k, own): (usize, &Scored)| {
        let chance = chance.and_then(|chance| chance.get(k));
        let there = held_out.and_then(|held_out| held_out.get(k)).and_then(|h| match by_mcc {
            true => h.mcc.map(|mcc| (mcc.value, mcc.interval)),
            false => Some((h.iou, h.interval)),
        });
        let show = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.4}"));
        let interval = there.map_or("-".to_owned(), |(_, [low, high])| format!("{low:.4} to {high:.4}"));
        let own_score = if by_mcc { own.mcc } else { Some(own.iou) };
        let median = chance.and_then(|l| if by_mcc { l.metric_median } else { Some(l.median) });
        let numbers = [own_score, median, chance.map(|l| l.q95), chance.map(|l| l.p), chance.and_then(|l| l.step_p)];
        let [score, median, q95, p, step] = numbers.map(show);
        [own.length.to_string(), score, median, q95, p, step, show(there.map(|(value, _)| value)), interval]
    };
    let rows: Vec<_> = unit.by_length.iter().enumerate().map(row).collect();
    let (by_chance, there) = (chance.is_some(), held_out.is_some());
    let beside = match (by_chance, there) {
        (true, true) => ", by chance, and on held-out examples",
        (true, false) => " and by chance",
        (false, _) => " and on held-out examples",
    };
    writeln!(out, "{} by length{beside}", headline.name())?;
    let steps = chance.is_some_and(|chance| chance.iter().any(|l| l.step_p.is_some()));
    let keep = [true, true, by_chance, by_chance && !by_mcc, by_chance, steps, there, there];
    let header = ["length", headline.name(), "chance 50%", "chance 95%", "p", "step p", "held-out", "95% interval"];
    terminal::write_columns(out, "  ", header, &rows, keep)
}

/// The lines that sum up the significance and the held-out scores of a run.
pub(crate) fn summary_lines(summary: &Summary) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(s) = summary.significance {
        let (significant, tested) = (count(s.significant as u64), count(s.tested as u64));
        let mut line = format!("{significant} of {tested} units have q below 0.05 ({} draws)", count(s.draws as u64));
        let needed = NullConfig { draws: s.draws, seed: 0 }.units_needed(s.tested);
        if s.significant == 0 && needed > 1 {
            let alone = count(20 * s.tested as u64);
            line += &format!("; {needed} would have to reach the smallest p, and one alone can with {alone} draws");
        }
        lines.push(line);
    }
    if let Some(h) = &summary.holdout {
        let list = |values: &[f64]| values.iter().map(|v| format!("{v:.4}")).collect::<Vec<_>>().join(" ");
        let (examples, groups) = (count(h.examples as u64), count(h.groups as u64));
        lines.push(format!("held out: {examples} examples in {groups} groups"));
        lines.push(format!("  mean IoU there, by length:   {}", list(&h.mean_iou_by_length)));
        lines.push(format!("  below that of the search by: {}", list(&h.mean_drop_by_length)));
        // Summaries of earlier versions have no MCC.
        if !h.mean_mcc_by_length.is_empty() {
            lines.push(format!("  mean MCC there, by length:   {}", list(&h.mean_mcc_by_length)));
        }
        if let (Some(correlation), Some(area)) = (h.mean_correlation, h.mean_auprc_above_chance) {
            lines.push(format!(
                "  with the units' values:      mean correlation {correlation:.4}, area under precision and recall {area:.4} \
                 above chance"
            ));
        }
    }
    lines
}
