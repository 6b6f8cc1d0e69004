//! The common part of counterfactuals on images and on sentences: the choice of cases, their table and record, and the
//! printed text.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_files::{claim_folder, hash_file, make_folder, whole_path, write_json, write_rows};
use compexp_run::trial_record::{Changed, TrialCase};
use compexp_run::{FinishedRun, TrialRecord, layout};
use compexp_trust::behaviour::trial::{Difference, Effect, Tally};
use compexp_trust::stats::fdr::benjamini_hochberg;
use serde::Serialize;
use serde_json::Value;

use crate::classifier_run::Classified;
use crate::terminal;

/// The number of cases that are tried by default.
pub(crate) const CASES: usize = 20;

/// The greatest rate of false discoveries at which a case counts as one that differs from its controls.
const LEVEL: f64 = 0.05;

/// The columns of [`outcomes`]. The columns of controls have `control_` in front.
const OUTCOMES: [&str; 5] = ["trials", "success", "partial", "failure", "change"];

/// The result of a case.
pub(crate) struct Tried<'a> {
    pub(crate) unit: usize,
    pub(crate) formula: String,
    /// The class predicted before; any but `to` if there is none.
    pub(crate) from: Option<usize>,
    /// The class that is wanted; any but `from` if there is none.
    pub(crate) to: Option<usize>,
    pub(crate) gain: f64,
    /// The expected change of the logit of the class that the unit supports, if the formula becomes true.
    pub(crate) expected: f64,
    pub(crate) effect: &'a Effect,
    /// The p of the difference of the success rates.
    pub(crate) p: f64,
    /// The fields of [`Kind::columns`].
    pub(crate) own: Vec<String>,
    /// What was changed, for the record.
    pub(crate) changed: Changed,
    /// The cases that are added up with this one, and how they are called.
    pub(crate) group: &'static str,
}

/// How cases of images and of sentences differ.
pub(crate) struct Kind {
    /// `vision` or `nli`
    pub(crate) name: &'static str,
    /// The column for the changed inputs.
    pub(crate) examples: &'static str,
    /// The trials, for printed text.
    pub(crate) trials: &'static str,
    /// Columns of `cases.csv` that only this kind has; the first is printed too.
    pub(crate) columns: &'static [&'static str],
    /// The description of the interval.
    pub(crate) interval: &'static str,
}

/// The cases of a run.
pub(crate) struct Trials<'a> {
    pub(crate) run: &'a Classified,
    pub(crate) kind: Kind,
    pub(crate) cases: Vec<Tried<'a>>,
}

/// Tries candidates in order until there are `wanted` cases. Returns the cases and the number of candidates that were
/// left out because `case` returned nothing for them.
///
/// # Errors
/// Any error of `case`.
pub(crate) fn first_cases<C, T>(
    candidates: &[C],
    wanted: usize,
    mut case: impl FnMut(&C) -> Result<Option<T>>,
) -> Result<(Vec<T>, usize)> {
    let (mut cases, mut left_out) = (Vec::new(), 0);
    for candidate in candidates {
        if cases.len() == wanted {
            break;
        }
        match case(candidate)? {
            Some(tried) => cases.push(tried),
            None => left_out += 1,
        }
    }
    Ok((cases, left_out))
}

/// Prints a record.
///
/// # Errors
/// An I/O error if standard output cannot be written.
pub(crate) fn print_json(record: &Value) -> Result<()> {
    let mut stdout = io::stdout().lock();
    terminal::write_json(&mut stdout, record)?;
    Ok(stdout.flush()?)
}

/// A tally as fields: trials, success, partial, failure, and the mean change of the probability of the wanted outcome.
pub(crate) fn outcomes(tally: &Tally) -> [String; 5] {
    let Tally { trials, success, partial, failure, .. } = *tally;
    let [trials, success, partial, failure] = [trials, success, partial, failure].map(|n| n.to_string());
    [trials, success, partial, failure, tally.mean_change().to_string()]
}

/// The columns of [`outcomes`] of trials and of controls.
pub(crate) fn outcome_columns() -> Vec<String> {
    OUTCOMES.iter().map(|name| (*name).to_owned()).chain(OUTCOMES.map(|name| format!("control_{name}"))).collect()
}

fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

/// The share of successes of trials; a dash if there are none.
pub(crate) fn success((trials, hits): (usize, usize)) -> String {
    if trials == 0 { "-".to_owned() } else { percent(hits as f64 / trials as f64) }
}

impl Trials<'_> {
    /// The q of every case, over all of them.
    fn q(&self) -> Vec<f64> {
        benjamini_hochberg(&self.cases.iter().map(|case| case.p).collect::<Vec<_>>())
    }

    fn class(&self, class: Option<usize>) -> Option<&str> {
        class.map(|class| self.run.head.classes[class].as_str())
    }

    /// Writes `cases.csv` and `counterfactuals.json` into the folder `out`. Returns the content of the latter.
    ///
    /// # Errors
    /// `Error::Io` if a file cannot be written; `Error::Io` or `Error::Format` if the run's contributions cannot be
    /// read.
    pub(crate) fn write(&self, out: &Path, config: &impl Serialize) -> Result<Value> {
        let contributions = self.run.run.contributions()?.unwrap_or_default();
        let measures: HashMap<(usize, &str), [Option<f64>; 3]> =
            contributions.iter().map(|row| ((row.unit, row.target.as_str()), row.measures)).collect();
        let (mut rows, mut records) = (Vec::new(), Vec::new());
        for ((nth, case), q) in (1..).zip(&self.cases).zip(self.q()) {
            let [from, to] = [case.from, case.to].map(|class| self.class(class));
            let supported = case.to.or(case.from).unwrap_or_default();
            let weight = f64::from(self.run.head.weights[[supported, case.unit]]);
            let [_, correlation, overlap] =
                measures.get(&(case.unit, self.run.head.classes[supported].as_str())).copied().unwrap_or_default();
            let effect = case.effect;
            let text = |value: Option<f64>| value.map_or(String::new(), |v| v.to_string());

            let mut row: Vec<String> = vec![nth.to_string(), case.unit.to_string(), case.formula.clone()];
            row.extend(case.own.iter().cloned());
            row.extend([from, to].map(|name| name.unwrap_or_default().to_owned()));
            row.extend([Some(weight), correlation, overlap, Some(case.gain), Some(case.expected)].map(text));
            row.push(effect.examples.to_string());
            row.extend(outcomes(&effect.tested).into_iter().chain(outcomes(&effect.control)));
            row.extend([effect.success, effect.change].into_iter().flat_map(fields));
            row.extend([case.p, q].map(|value| value.to_string()));
            rows.push(row);

            records.push(TrialCase {
                case: nth,
                unit: case.unit,
                formula: case.formula.clone(),
                from: from.map(str::to_owned),
                to: to.map(str::to_owned),
                weight: Some(weight),
                correlation,
                overlap,
                gain: Some(case.gain),
                expected: Some(case.expected),
                effect: *effect,
                p: Some(case.p),
                q: Some(q),
                changed: case.changed.clone(),
            });
        }
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let columns = [
            named(&["case", "unit", "formula"]),
            named(self.kind.columns),
            named(&["from", "to", "weight", "correlation", "overlap", "gain", "expected", self.kind.examples]),
            outcome_columns(),
            named(&["difference", "difference_low", "difference_high"]),
            named(&["change_difference", "change_low", "change_high", "p", "q"]),
        ]
        .concat();
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        write_rows(&out.join(layout::CASES), &columns, &rows)?;
        let record = TrialRecord {
            version: TrialRecord::VERSION,
            kind: self.kind.name.to_owned(),
            run: hash_file(&self.run.run.dir().join(layout::EXPLANATIONS))?,
            config: serde_json::to_value(config)?,
            interval: self.kind.interval.to_owned(),
            test: format!(
                "exact sign-flip test over {}, two-sided; q by Benjamini and Hochberg over all cases",
                self.kind.examples
            ),
            order: "weight x gain".to_owned(),
            cases: records,
        };
        // As a value, whose fields are sorted by name.
        let record = serde_json::to_value(&record)?;
        write_json(&out.join(layout::TRIALS), &record)?;
        Ok(record)
    }

    /// Prints a table of the cases, then the output of `between`, then the totals.
    ///
    /// # Errors
    /// An I/O error if standard output cannot be written.
    pub(crate) fn print(&self, out: &Path, between: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let mut stdout = io::stdout().lock();
        let class = |class| self.class(class).map_or("any other".into(), terminal::name);
        let interval = |difference: Difference| match (difference.low, difference.high) {
            (Some(low), Some(high)) => format!("[{}, {}]", percent(low), percent(high)),
            _ => format!("(too few {})", self.kind.examples),
        };
        let q = self.q();
        let rows: Vec<[String; 11]> = self
            .cases
            .iter()
            .zip(&q)
            .map(|(case, q)| {
                let difference = case.effect.success;
                [
                    case.unit.to_string(),
                    terminal::name(&case.own[0]),
                    class(case.from),
                    class(case.to),
                    case.effect.tested.trials.to_string(),
                    success((case.effect.tested.trials, case.effect.tested.success)),
                    success((case.effect.control.trials, case.effect.control.success)),
                    format!("{} {}", percent(difference.value), interval(difference)),
                    if *q < 0.001 { "< 0.001".to_owned() } else { format!("{q:.3}") },
                    percent(case.effect.change.value),
                    terminal::name(&case.formula),
                ]
            })
            .collect();
        let header = [
            "unit",
            self.kind.columns[0],
            "from",
            "to",
            self.kind.trials,
            "success %",
            "control %",
            "difference [95%]",
            "q",
            "change of p %",
            "formula",
        ];
        terminal::write(&mut stdout, "", header, &rows)?;
        between(&mut stdout)?;
        writeln!(stdout)?;
        let mut rest = &q[..];
        for group in self.cases.chunk_by(|a, b| a.group == b.group) {
            let of_group;
            (of_group, rest) = rest.split_at(group.len());
            let sum = |of: fn(&Effect) -> Tally| {
                let tallies = group.iter().map(|case| of(case.effect));
                tallies.fold((0, 0), |(n, hits), tally| (n + tally.trials, hits + tally.success))
            };
            let (tested, control) = (sum(|effect| effect.tested), sum(|effect| effect.control));
            let differ = |more: bool| {
                let cases = group.iter().zip(of_group);
                cases.filter(|(case, q)| **q < LEVEL && (case.effect.success.value > 0.0) == more).count()
            };
            let [above, below] = [true, false].map(differ);
            writeln!(
                stdout,
                "{}{} {}: success {}% of {} {}, {}% of the controls; q < {LEVEL} in {}: above the controls \
                 in {}, below in {}",
                group[0].group,
                group.len(),
                if group.len() == 1 { "case" } else { "cases" },
                success(tested),
                terminal::count(tested.0 as u64),
                self.kind.trials,
                success(control),
                above + below,
                above,
                below,
            )?;
        }
        writeln!(stdout, "tables in `{}`", terminal::name(&out.display().to_string()))?;
        Ok(stdout.flush()?)
    }
}

/// Writes with `write` into the folder `out`, or, without `out`, into the run's own folder of edited inputs, which
/// appears only when it is complete. Returns the folder's path and the result of `write`.
///
/// # Errors
/// `Error::Io` if a folder cannot be created; `Error::Locked` if another process writes there; any error of `write`.
pub(crate) fn write_trials<T>(
    run: &FinishedRun,
    out: Option<&Path>,
    command: &str,
    write: impl FnOnce(&Path) -> Result<T>,
) -> Result<(PathBuf, T)> {
    let own = run.dir().join(layout::COUNTERFACTUALS);
    if let Some(out) = out
        && whole_path(out)? != whole_path(&own)?
    {
        let _lock = claim_folder(out)?;
        return Ok((out.to_owned(), write(out)?));
    }
    let adding = run.add(command)?;
    let folder = adding.path(layout::COUNTERFACTUALS);
    make_folder(&folder)?;
    let done = write(&folder)?;
    adding.finish()?;
    Ok((own, done))
}

/// A difference and the ends of its interval as fields of a table.
pub(crate) fn fields(difference: Difference) -> [String; 3] {
    [Some(difference.value), difference.low, difference.high]
        .map(|value| value.map_or(String::new(), |v| v.to_string()))
}
