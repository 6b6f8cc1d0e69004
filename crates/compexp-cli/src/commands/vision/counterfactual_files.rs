//! The results of copy-paste counterfactuals: tables, a record, pictures, and the printed text.
//!
//! | file | content |
//! |---|---|
//! | `cases.csv` | a row per case: unit, classes, concept, weight, gain, success rates, their difference with its interval |
//! | `placements.csv` | a row for every case, size and place: trials and their outcomes, with segments and with controls |
//! | `counterfactuals.json` | version 1: all of it, and the most convincing trial of each case with its pictures |
//! | `transfer.csv` | with other networks: a row for every case and network, with its trials and their outcomes |
//! | `case-001-before.png`, `-after`, `-control` | those pictures |

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use compexp_core::concept::Vocabulary;
use compexp_files::{entries, remove_tree, write_bytes, write_rows};
use compexp_run::layout;
use compexp_run::trial_record::{
    Answer, Answers, BestTrial, Changed, FeatureChange, PastedParts, Placement, Segment, Transfer,
};
use compexp_trust::behaviour::trial::{Effect, Tally, likeliest};
use compexp_vision::counterfactual::{Case, Config, Unit};
use serde_json::Value;

use crate::classifier_run::Classified;
use crate::terminal;
use crate::trials::{Kind, Trials, Tried, fields, outcome_columns, outcomes, success};

/// The meaning of numbers: names and texts.
pub(super) struct Names<'a> {
    pub(super) run: &'a Classified,
    pub(super) images: &'a [String],
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) units: &'a [Unit],
    /// Of every other network: its name, and the hash of its file.
    pub(super) others: &'a [(String, String)],
}

const PICTURES: [&str; 3] = ["before", "after", "control"];

impl Names<'_> {
    fn class(&self, class: usize) -> &str {
        &self.run.head.classes[class]
    }

    /// What the case changed: the fields of the record that only these cases have.
    fn changed(&self, nth: usize, case: &Case) -> Changed {
        let (candidate, best) = (&case.candidate, &case.best);
        let image = |image: usize| self.images[image].clone();
        let segments = case.sources.iter().map(|(of, control, concept)| Segment {
            image: image(*of),
            control_image: image(*control),
            control_concept: self.vocabulary.name(*concept).into_owned(),
        });
        let placements = case.places.iter().map(|of| Placement {
            size: of.size,
            row: of.place.row,
            column: of.place.column,
            tested: of.tested,
            control: of.control,
        });
        let answer = |kind: &str, (probabilities, feature): &(Vec<f64>, f64)| {
            let class = likeliest(&probabilities.iter().map(|p| *p as f32).collect::<Vec<_>>());
            Answer {
                picture: layout::picture(nth as u64, kind),
                predicted: self.class(class).to_owned(),
                probability: Some(probabilities[class]),
                from: Some(probabilities[candidate.from]),
                to: Some(probabilities[candidate.to]),
                unit_activation: Some(*feature),
            }
        };
        let transfer = self.others.iter().zip(&case.transfers).map(|((network, checkpoint), transfer)| Transfer {
            network: network.clone(),
            checkpoint: checkpoint.clone(),
            already: transfer.already,
            effect: transfer.effect,
        });
        let [before, after, control] = &best.answers;
        let [tested_change, control_change] = case.feature_change.map(Some);
        Changed::Images(Box::new(PastedParts {
            concept: self.vocabulary.name(case.concept).into_owned(),
            targets: case.targets.iter().map(|of| image(*of)).collect(),
            segments: segments.collect(),
            feature_change: Some(FeatureChange { tested: tested_change, control: control_change }),
            placements: placements.collect(),
            best: Some(BestTrial {
                image: image(best.target),
                segment: best.source,
                size: best.size,
                row: best.place.row,
                column: best.place.column,
                answers: Answers {
                    before: answer("before", before),
                    after: answer("after", after),
                    control: answer("control", control),
                },
            }),
            transfer: transfer.collect(),
        }))
    }

    /// The cases, in the form in which they are written.
    pub(super) fn trials<'a>(&'a self, cases: &'a [Case]) -> Trials<'a> {
        let tried = |(nth, case): (usize, &'a Case)| {
            let (candidate, Unit { unit, formula }) = (&case.candidate, &self.units[case.candidate.at]);
            let [tested, control] = case.feature_change.map(|v| v.to_string());
            Tried {
                unit: *unit,
                formula: formula.display(self.vocabulary).to_string(),
                from: Some(candidate.from),
                to: Some(candidate.to),
                gain: candidate.gain,
                expected: candidate.expected(),
                effect: &case.effect,
                p: case.p,
                own: vec![self.vocabulary.name(case.concept).into_owned(), tested, control],
                changed: self.changed(nth, case),
                group: "",
            }
        };
        let kind = Kind {
            name: "vision",
            examples: "images",
            trials: "trials",
            columns: &["concept", "feature_change", "control_feature_change"],
            interval: "95%, bootstrap over target images, 2000 resamples; none of fewer than 20",
        };
        Trials { run: self.run, kind, cases: (1..).zip(cases).map(tried).collect() }
    }

    /// Prints what the other networks made of the images of all cases.
    ///
    /// # Errors
    /// An I/O error if `out` cannot be written.
    pub(super) fn print_transfer(&self, cases: &[Case], out: &mut dyn Write) -> Result<()> {
        if !self.others.is_empty() {
            writeln!(out, "\nother networks, on the same images")?;
        }
        for (nth, (network, _)) in self.others.iter().enumerate() {
            let all = || cases.iter().filter_map(move |case| case.transfers.get(nth));
            let rate = |of: fn(&Effect) -> Tally| {
                let sum = all().map(|transfer| of(&transfer.effect));
                let (trials, hits) = sum.fold((0, 0), |(n, hits), tally| (n + tally.trials, hits + tally.success));
                success((trials, hits))
            };
            let already: usize = all().map(|transfer| transfer.already).sum();
            let agreed: usize = all().map(|transfer| transfer.agreed).sum();
            let images: usize = cases.iter().map(|case| case.targets.len()).sum();
            writeln!(
                out,
                "  {}: success {}%, controls {}%; of {images} images, it took {already} for the wanted class before the edit, and {agreed} \
                 for the class that the probed network takes them for",
                terminal::name(network),
                rate(|effect| effect.tested),
                rate(|effect| effect.control),
            )?;
        }
        Ok(())
    }

    /// Writes `transfer.csv`.
    fn write_transfer(&self, out: &Path, cases: &[Case]) -> Result<()> {
        let mut rows = Vec::new();
        for (nth, case) in (1_usize..).zip(cases) {
            for ((network, _), transfer) in self.others.iter().zip(&case.transfers) {
                let effect = &transfer.effect;
                let mut row = vec![nth.to_string(), self.units[case.candidate.at].unit.to_string(), network.clone()];
                row.extend([case.targets.len(), transfer.already].map(|n| n.to_string()));
                row.extend(outcomes(&effect.tested).into_iter().chain(outcomes(&effect.control)));
                row.extend(fields(effect.success));
                rows.push(row);
            }
        }
        let outcomes = outcome_columns();
        let columns = ["case", "unit", "network", "images", "already"].into_iter();
        let columns = columns.chain(outcomes.iter().map(String::as_str));
        let columns = columns.chain(["difference", "difference_low", "difference_high"]);
        Ok(write_rows(&out.join(layout::TRANSFER), &columns.collect::<Vec<_>>(), &rows)?)
    }
}

/// Writes all files into the folder `out`. Returns the content of `counterfactuals.json`.
///
/// # Errors
/// An I/O error or `Error::Io` if a file cannot be removed or written; the errors of [`Trials::write`].
pub(super) fn write(out: &Path, names: &Names<'_>, config: &Config, cases: &[Case]) -> Result<Value> {
    remove_pictures(out)?;
    let mut by_place = Vec::new();
    for (nth, case) in (1_usize..).zip(cases) {
        let unit = names.units[case.candidate.at].unit;
        for tally in &case.places {
            let place = (nth, unit, tally.size, tally.place.row, tally.place.column);
            by_place.push((place, outcomes(&tally.tested), outcomes(&tally.control)));
        }
        for (kind, picture) in PICTURES.iter().zip(&case.best.pictures) {
            write_bytes(&out.join(layout::picture(nth as u64, kind)), &picture.to_png()?)?;
        }
    }
    let outcomes = outcome_columns();
    let columns = ["case", "unit", "size", "row", "column"].into_iter().chain(outcomes.iter().map(String::as_str));
    write_rows(&out.join(layout::PLACEMENTS), &columns.collect::<Vec<_>>(), &by_place)?;
    if !names.others.is_empty() {
        names.write_transfer(out, cases)?;
    }
    names.trials(cases).write(out, config)
}

/// Removes the pictures of earlier cases.
fn remove_pictures(out: &Path) -> Result<()> {
    for entry in entries(out)? {
        let name = entry.name.to_string_lossy();
        if name.starts_with("case-") && name.ends_with(".png") {
            remove_tree(&entry.path)?;
        }
    }
    Ok(())
}
