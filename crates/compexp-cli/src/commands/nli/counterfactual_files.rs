//! What sentence counterfactuals leave: tables, a record, and what is printed.
//!
//! | file | content |
//! |---|---|
//! | `cases.csv` | a row a case: unit, class, weight, gain, success rates, their difference with its interval |
//! | `edits.csv` | a row an edit: the pair, the word and that of the control, classes and probabilities before and after |
//! | `counterfactuals.json` | version 1: the cases, and of each the most convincing edits |

use std::io::{self, Write};
use std::path::Path;

use anyhow::Result;
use compexp_core::artifact::{hash_file, write_json};
use compexp_core::behaviour::trial::{Difference, Tally};
use compexp_core::concept::Vocabulary;
use compexp_nli::counterfactual::{Case, Config, Edited, How, Side, Unit};
use compexp_nli::features::{Sentence, SplitPair};
use serde_json::{Value, json};

use crate::commands::classified::{Classified, outcome_columns, outcomes, write_csv};
use crate::table;

/// The edits of a case in the record, and those that are printed.
const KEPT: usize = 10;
const PRINTED: usize = 1;

/// What numbers stand for.
pub(super) struct Names<'a> {
    pub(super) run: &'a Classified,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) units: &'a [Unit],
    pub(super) pairs: &'a [SplitPair],
}

impl Names<'_> {
    fn class(&self, class: usize) -> &str {
        &self.run.head.classes[class]
    }

    fn formula(&self, case: &Case) -> String {
        self.units[case.candidate.at].formula.display(self.vocabulary).to_string()
    }

    /// Premise and hypothesis with an edit, its word in brackets.
    fn marked(&self, edited: &Edited, word: &str) -> [String; 2] {
        let mut pair = edited.edit.apply(&self.pairs[edited.pair], word);
        let sentence = match edited.edit.side {
            Side::Premise => &mut pair.premise,
            Side::Hypothesis => &mut pair.hypothesis,
        };
        sentence.words[edited.edit.at] = format!("[{word}]");
        [pair.premise.words.join(" "), pair.hypothesis.words.join(" ")]
    }

    fn edited(&self, edited: &Edited) -> Value {
        let pair = &self.pairs[edited.pair];
        let text = |sentence: &Sentence| sentence.words.join(" ");
        let [premise, hypothesis] = self.marked(edited, &edited.edit.word);
        let [before, after, control] = edited.classes.map(|class| self.class(class));
        json!({
            "pair": edited.pair, "premise": text(&pair.premise), "hypothesis": text(&pair.hypothesis),
            "side": edited.edit.side, "how": edited.edit.how, "at": edited.edit.at, "word": edited.edit.word,
            "tag": edited.edit.tag, "control_word": edited.control.word, "edited_premise": premise,
            "edited_hypothesis": hypothesis, "before": before, "after": after, "control_after": control,
            "probabilities": edited.probabilities, "unit_values": edited.values,
        })
    }

    fn case(&self, nth: usize, case: &Case) -> Value {
        json!({
            "case": nth, "unit": self.units[case.candidate.at].unit, "formula": self.formula(case),
            "to": self.class(case.candidate.to), "weight": case.candidate.weight, "gain": case.candidate.gain,
            "expected": case.candidate.expected(), "effect": case.effect,
            "edits": case.edited.iter().take(KEPT).map(|edited| self.edited(edited)).collect::<Vec<_>>(),
        })
    }
}

/// Writes everything into the folder `out`, and gives what `counterfactuals.json` holds.
///
/// # Errors
/// Those of the files.
pub(super) fn write(out: &Path, names: &Names<'_>, config: &Config, cases: &[Case]) -> Result<Value> {
    std::fs::create_dir_all(out)?;
    let (mut rows, mut edits) = (Vec::new(), Vec::new());
    for (nth, case) in (1..).zip(cases) {
        let (candidate, effect) = (&case.candidate, &case.effect);
        let unit = names.units[candidate.at].unit.to_string();
        let of = |d: &Difference| [d.value, d.low, d.high].map(|v| v.to_string());
        let mut row = vec![nth.to_string(), unit.clone(), names.formula(case), names.class(candidate.to).to_owned()];
        row.extend([candidate.weight, candidate.gain, candidate.expected()].map(|v| v.to_string()));
        row.push(effect.examples.to_string());
        row.extend(outcomes(&effect.tested));
        row.extend(outcomes(&effect.control));
        row.extend(of(&effect.success));
        row.extend(of(&effect.change));
        rows.push(row);
        for edited in &case.edited {
            let [premise, hypothesis] = names.marked(edited, &edited.edit.word);
            let side = if edited.edit.side == Side::Premise { "premise" } else { "hypothesis" };
            let how = if edited.edit.how == How::Insert { "insert" } else { "substitute" };
            let mut row = vec![nth.to_string(), unit.clone(), edited.pair.to_string(), side.into(), how.into()];
            row.extend(
                [&edited.edit.word, &edited.edit.tag, &edited.control.word, &premise, &hypothesis].map(String::clone),
            );
            row.extend(edited.classes.map(|class| names.class(class).to_owned()));
            row.extend(edited.probabilities.iter().chain(&edited.values).map(|v| v.to_string()));
            edits.push(row);
        }
    }
    let case = ["case", "unit", "formula", "to", "weight", "gain", "expected", "pairs"].map(String::from).to_vec();
    write_csv(&out.join("cases.csv"), [case, outcome_columns(true)].concat(), rows)?;
    let header = "case,unit,pair,side,how,word,tag,control_word,premise,hypothesis,before,after,control_after,\
                  p_before,p_after,p_control,value_before,value_after,value_control";
    write_csv(&out.join("edits.csv"), header.split(',').map(String::from).collect(), edits)?;
    let record = json!({
        "version": 1,
        "kind": "nli",
        "run": hash_file(&names.run.run.dir().join("explanations.json"))?,
        "config": config,
        "interval": "95%, bootstrap over pairs, 2000 resamples",
        "order": "weight x gain",
        "cases": (1..).zip(cases).map(|(nth, case)| names.case(nth, case)).collect::<Vec<_>>(),
    });
    write_json(&out.join("counterfactuals.json"), &record)?;
    Ok(record)
}

/// Prints a table of cases and their most convincing edits, or the record as JSON.
///
/// # Errors
/// Those of standard output.
pub(super) fn print(names: &Names<'_>, cases: &[Case], record: Option<&Value>, out: &Path) -> Result<()> {
    let mut stdout = io::stdout().lock();
    if let Some(record) = record {
        table::write_json(&mut stdout, record)?;
        return Ok(stdout.flush()?);
    }
    let percent = |share: f64| format!("{:.1}", 100.0 * share);
    let rows: Vec<[String; 8]> = cases
        .iter()
        .map(|case| {
            let effect = &case.effect;
            let Difference { value, low, high } = effect.success;
            [
                names.units[case.candidate.at].unit.to_string(),
                table::name(names.class(case.candidate.to)),
                effect.tested.trials.to_string(),
                percent(effect.tested.rate()),
                percent(effect.control.rate()),
                format!("{} [{}, {}]", percent(value), percent(low), percent(high)),
                percent(effect.change.value),
                table::name(&names.formula(case)),
            ]
        })
        .collect();
    let header = ["unit", "to", "edits", "success %", "control %", "difference [95%]", "change of p %", "formula"];
    table::write(&mut stdout, "", header, &rows)?;
    for case in cases {
        let shown = case.edited.iter().filter(|e| e.classes[1] == case.candidate.to && e.classes[2] != e.classes[1]);
        for edited in shown.take(PRINTED) {
            let [premise, hypothesis] = names.marked(edited, &edited.edit.word).map(|text| table::name(&text));
            let [before, after, control] = edited.classes.map(|class| table::name(names.class(class)));
            let unit = names.units[case.candidate.at].unit;
            writeln!(stdout, "\nunit {unit}  {}", table::name(&names.formula(case)))?;
            writeln!(stdout, "  premise     {premise}\n  hypothesis  {hypothesis}")?;
            writeln!(stdout, "  {before} -> {after}; with [{}] {control}", table::name(&edited.control.word))?;
        }
    }
    let sum = |of: &dyn Fn(&Case) -> Tally| {
        cases.iter().map(of).fold((0, 0), |(n, hits), tally| (n + tally.trials, hits + tally.success))
    };
    let (tested, control) = (sum(&|case| case.effect.tested), sum(&|case| case.effect.control));
    let share = |(n, hits): (usize, usize)| percent(hits as f64 / n.max(1) as f64);
    let above = cases.iter().filter(|case| case.effect.success.low > 0.0).count();
    writeln!(
        stdout,
        "\n{} cases: success {}% of {} edits, {}% of the controls; the difference is above 0 in {above}",
        cases.len(),
        share(tested),
        table::count(tested.0 as u64),
        share(control),
    )?;
    writeln!(stdout, "tables in `{}`", table::name(&out.display().to_string()))?;
    Ok(stdout.flush()?)
}
