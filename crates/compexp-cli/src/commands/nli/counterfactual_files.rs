//! The results of sentence counterfactuals: tables, a record, and the printed text.
//!
//! | file | content |
//! |---|---|
//! | `cases.csv` | a row per case: unit, direction, classes, weight, gain, success rates, their difference with its interval |
//! | `edits.csv` | a row per edit: the pair, the words and those of the control, classes and probabilities before and after |
//! | `counterfactuals.json` | version 1: the cases, and of each the most convincing edits |

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use compexp_core::concept::Vocabulary;
use compexp_files::write_rows;
use compexp_nli::counterfactual::{Case, Config, Direction, Edit, Edited, Side, Unit};
use compexp_nli::features::{Sentence, SplitPair};
use compexp_run::layout;
use compexp_run::trial_record::{self, Changed, EditedPairs, PairEdit};
use serde::Serialize;
use serde_json::Value;

use crate::classifier_run::Classified;
use crate::terminal;
use crate::trials::{Kind, Trials, Tried};

/// The edits of a case in the record.
const KEPT: usize = 10;

/// The columns of `edits.csv`.
const EDITS: [&str; 26] = [
    "case",
    "unit",
    "formula",
    "direction",
    "pair",
    "side",
    "how",
    "word",
    "replaced",
    "tag",
    "control_word",
    "control_replaced",
    "control_tag",
    "premise",
    "hypothesis",
    "edited",
    "control",
    "before",
    "after",
    "control_after",
    "p_before",
    "p_after",
    "p_control",
    "value_before",
    "value_after",
    "value_control",
];

/// The meaning of numbers: names and texts.
pub(super) struct Names<'a> {
    pub(super) run: &'a Classified,
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) units: &'a [Unit],
    pub(super) pairs: &'a [SplitPair],
}

fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Fulfil => "fulfil",
        Direction::Break => "break",
    }
}

fn text(sentence: &Sentence) -> String {
    sentence.words.join(" ")
}

/// Premise and hypothesis with an edit, its word in brackets.
fn marked(edit: &Edit, pair: &SplitPair) -> [String; 2] {
    let edited = edit.marked(pair);
    match edit.side {
        Side::Premise => [edited, text(&pair.hypothesis)],
        Side::Hypothesis => [text(&pair.premise), edited],
    }
}

impl Names<'_> {
    fn class(&self, class: usize) -> &str {
        &self.run.head.classes[class]
    }

    fn formula(&self, case: &Case) -> String {
        self.units[case.candidate.at].formula.display(self.vocabulary).to_string()
    }

    fn edited(&self, edited: &Edited) -> PairEdit {
        let (pair, edit, control) = (&self.pairs[edited.pair], &edited.edit, &edited.control);
        let [premise, hypothesis] = marked(edit, pair);
        let [before, after, control_after] = edited.classes.map(|class| self.class(class).to_owned());
        PairEdit {
            pair: edited.pair,
            premise: text(&pair.premise),
            hypothesis: text(&pair.hypothesis),
            side: Some(match edit.side {
                Side::Premise => trial_record::Side::Premise,
                Side::Hypothesis => trial_record::Side::Hypothesis,
            }),
            how: edit.how.name().to_owned(),
            at: edit.at,
            word: edit.word.clone(),
            replaced: edit.replaced.clone(),
            tag: edit.tag.clone(),
            control_word: control.word.clone(),
            control_replaced: control.replaced.clone(),
            edited_premise: premise,
            edited_hypothesis: hypothesis,
            control: control.marked(pair),
            before,
            after,
            control_after,
            probabilities: edited.probabilities.map(Some),
            unit_values: edited.values.map(Some),
        }
    }

    /// The cases, in the form in which they are written.
    pub(super) fn trials<'a>(&'a self, cases: &'a [Case]) -> Trials<'a> {
        let tried = |case: &'a Case| {
            let candidate = &case.candidate;
            let (direction, from, to, group) = match case.direction {
                Direction::Fulfil => {
                    (trial_record::Direction::Fulfil, None, Some(candidate.to), "formulas made true: ")
                }
                Direction::Break => (trial_record::Direction::Break, Some(candidate.to), None, "formulas made false: "),
            };
            let edits = case.edited.iter().take(KEPT).map(|edited| self.edited(edited)).collect();
            Tried {
                unit: self.units[candidate.at].unit,
                formula: self.formula(case),
                from,
                to,
                gain: candidate.gain,
                expected: candidate.expected(),
                effect: &case.effect,
                p: case.p,
                own: vec![name(case.direction).to_owned(), candidate.weight.to_string()],
                changed: Changed::Pairs(EditedPairs {
                    direction: Some(direction),
                    relative_weight: Some(candidate.weight),
                    edits,
                }),
                group,
            }
        };
        let kind = Kind {
            name: "nli",
            examples: "pairs",
            trials: "edits",
            columns: &["direction", "relative_weight"],
            interval: "95%, bootstrap over pairs, 2000 resamples; none of fewer than 20",
        };
        Trials { run: self.run, kind, cases: cases.iter().map(tried).collect() }
    }

    /// The fields of [`EDITS`].
    fn row(&self, nth: usize, case: &Case, edited: &Edited) -> impl Serialize {
        let Edited { pair, edit, control, classes, probabilities, values } = edited;
        let unit = self.units[case.candidate.at].unit;
        let word = |edit: &Edit| [&edit.word, &edit.replaced, &edit.tag].map(String::clone);
        let split = &self.pairs[*pair];
        let texts = [text(&split.premise), text(&split.hypothesis), edit.marked(split), control.marked(split)];
        let classes = classes.map(|class| self.class(class).to_owned());
        let case = (nth, unit, self.formula(case), case.direction);
        (case, (*pair, edit.side, edit.how), word(edit), word(control), texts, classes, *probabilities, *values)
    }
}

/// Writes all files into the folder `out`. Returns the content of `counterfactuals.json`.
///
/// # Errors
/// `Error::Io` if a file cannot be written; the errors of [`Trials::write`].
pub(super) fn write(out: &Path, names: &Names<'_>, config: &Config, cases: &[Case]) -> Result<Value> {
    let edits = (1..).zip(cases).flat_map(|(nth, case)| case.edited.iter().map(move |e| names.row(nth, case, e)));
    write_rows(&out.join(layout::EDITS), &EDITS, &edits.collect::<Vec<_>>())?;
    names.trials(cases).write(out, config)
}

/// Prints the edit of each case that is the strongest evidence for its unit.
///
/// # Errors
/// An I/O error if `out` cannot be written.
pub(super) fn print_edits(out: &mut dyn Write, names: &Names<'_>, cases: &[Case]) -> Result<()> {
    for case in cases {
        let (class, direction) = (case.candidate.to, case.direction);
        let tells = |e: &&Edited| direction.wants(e.classes[1], class) && !direction.wants(e.classes[2], class);
        let Some(edited) = case.edited.iter().find(tells) else { continue };
        let (pair, edit) = (&names.pairs[edited.pair], &edited.edit);
        let unit = names.units[case.candidate.at].unit;
        let made = if direction == Direction::Fulfil { "true" } else { "false" };
        writeln!(out, "\nunit {unit}, made {made}: {}", terminal::name(&names.formula(case)))?;
        let [before, after, control] = edited.classes.map(|class| terminal::name(names.class(class)));
        writeln!(out, "  premise     {}", terminal::name(&text(&pair.premise)))?;
        writeln!(out, "  hypothesis  {}", terminal::name(&text(&pair.hypothesis)))?;
        writeln!(out, "  before      {before}")?;
        writeln!(out, "  after       {after}: {}", terminal::name(&edit.marked(pair)))?;
        writeln!(out, "  control     {control}: {}", terminal::name(&edited.control.marked(pair)))?;
    }
    Ok(())
}
