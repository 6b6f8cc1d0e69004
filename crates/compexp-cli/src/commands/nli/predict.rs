//! `compexp nli predict`: the class of a pair, and the units that contribute most.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use compexp_core::explanation::Explanation;
use compexp_files::{Place, hash_file};
use compexp_nli::model::Pair;
use compexp_run::FinishedRun;
use ndarray::ArrayView1;
use serde_json::{Value, json};

use super::classifier;
use super::labels::label_names;
use super::sentences::{Words, warn_of_unknown};
use crate::args::nli::NliPredictArgs;
use crate::classifier_run::likeliest;
use crate::failure::Failure;
use crate::hub_paths::config_of;
use crate::input_files::read_stdin;
use crate::progress::Reporter;
use crate::terminal::{self, name};

pub(crate) fn run(args: &NliPredictArgs, reporter: &Reporter) -> Result<()> {
    let run = args.run.as_deref().map(|dir| open_run(dir, args)).transpose()?;
    // A run on random weights has formulas of these.
    let random = run.as_ref().map(FinishedRun::provenance).transpose()?.and_then(|made| made.random_weights());
    let (model, classifier) = classifier::load(&args.checkpoint, random, args.device)?;
    let labels = label_names(model.config.classes)?;
    if let (Some(run), Some(dir)) = (&run, &args.run)
        && run.explanations.units.iter().any(|u| u.unit >= model.config.probed())
    {
        return Err(of_another_layer(dir).into());
    }
    let words = words(args, run.as_ref(), reporter)?;
    let pairs = pairs(args)?;
    let sides: Vec<&str> = pairs.iter().flat_map(|(p, h)| [p.as_str(), h.as_str()]).collect();
    let split = words.split(&sides)?;
    warn_of_unknown(&model.words, split.iter().map(Vec::as_slice), &args.checkpoint, reporter);
    let numbers: Vec<Vec<u32>> = split.iter().map(|words| model.words.encode(words)).collect();
    let numbered: Vec<Pair<'_>> =
        numbers.chunks_exact(2).map(|pair| Pair { premise: &pair[0], hypothesis: &pair[1] }).collect();
    let output = classifier.forward(&numbered)?;

    let mut out = BufWriter::new(io::stdout().lock());
    let head = model.head(labels.clone())?;
    let rows = output.logits.chunks_exact(labels.len()).zip(output.features.chunks_exact(model.config.probed()));
    for (i, ((premise, hypothesis), (logits, values))) in pairs.iter().zip(rows).enumerate() {
        let probabilities = softmax(logits);
        let class = likeliest(logits);
        let units = run.as_ref().map(|run| deciding(run, values, head.weights.row(class), args.limit));
        if args.json {
            let pair = json!({
                "premise": premise,
                "hypothesis": hypothesis,
                "predicted": labels[class],
                "probabilities": labels.iter().cloned().zip(probabilities.iter().map(|p| json!(p))).collect::<serde_json::Map<_, _>>(),
                "units": units.map(|units| units.iter().map(Deciding::to_json).collect::<Vec<_>>()),
            });
            writeln!(out, "{pair}")?;
            continue;
        }
        if i > 0 {
            writeln!(out)?;
        }
        if pairs.len() > 1 {
            writeln!(out, "{} => {}", name(premise), name(hypothesis))?;
        }
        let text: Vec<String> =
            labels.iter().zip(&probabilities).map(|(label, p)| format!("{label} {:.1}%", 100.0 * p)).collect();
        writeln!(out, "{}: {}", labels[class], text.join(", "))?;
        if let Some(units) = units {
            let rows: Vec<_> = units.iter().map(Deciding::row).collect();
            terminal::write(&mut out, "  ", ["unit", "effect", "value", "weight", "IoU", "formula"], &rows)?;
        }
    }
    out.flush()?;
    Ok(())
}

const RIGHT_RUN: &str = "give the run of `compexp nli probe` on this checkpoint";

/// Opens a run, which must have this classifier's features as units.
fn open_run(dir: &Path, args: &NliPredictArgs) -> Result<FinishedRun> {
    let run = FinishedRun::open(dir)?;
    let made = run.provenance()?;
    if made.checkpoint() != Some(&hash_file(&args.checkpoint)?) {
        let message =
            format!("`{}`: found a run of another classifier than `{}`", dir.display(), args.checkpoint.display());
        return Err(Failure::new(message).hint(RIGHT_RUN).into());
    }
    if made.layer() != Some("features") {
        return Err(of_another_layer(dir).into());
    }
    Ok(run)
}

fn of_another_layer(dir: &Path) -> Failure {
    let message = format!("`{}`: found a run of another layer, expected one of the features", dir.display());
    Failure::new(message).hint(RIGHT_RUN)
}

/// How to split text: as the arguments say, otherwise by the run's tagger folder, otherwise at blanks.
fn words(args: &NliPredictArgs, run: Option<&FinishedRun>, reporter: &Reporter) -> Result<Words> {
    let mut recorded = match run {
        Some(run) => config_of(run)?.paths.tagger.map(PathBuf::from),
        None => None,
    };
    if let Some(dir) = &recorded
        && Place::behind(&dir.join("tokenizer"))? == Place::Nothing
    {
        recorded = None;
    }
    let folder = args.words.tokenizer.clone().or(recorded);
    if folder.is_none() && !args.words.tokenized {
        reporter.say("words are split at blanks; give --tokenizer DIR for text as people write it");
    }
    Words::new(args.words.tokenized || folder.is_none(), folder.as_deref(), "give --tokenizer DIR")
}

/// The pairs on the command line or on standard input.
fn pairs(args: &NliPredictArgs) -> Result<Vec<(String, String)>> {
    match (args.premise.as_str(), &args.hypothesis) {
        ("-", None) => {}
        (premise, Some(hypothesis)) => return Ok(vec![(premise.to_owned(), hypothesis.clone())]),
        (_, None) => {
            let hint = "give both sentences, or - and lines of premise, tab, hypothesis on standard input";
            return Err(Failure::usage("sentences: found a premise without a hypothesis").hint(hint).into());
        }
    }
    let text = read_stdin()?;
    let pair = |(number, line): (usize, &str)| match line.split_once('\t') {
        Some((premise, hypothesis)) if !hypothesis.contains('\t') => Ok((premise.to_owned(), hypothesis.to_owned())),
        _ => {
            let found = line.split('\t').count();
            let message =
                format!("standard input, line {}: found {found} fields, expected 2, separated by a tab", number + 1);
            Err(Failure::new(message).into())
        }
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(pair).collect()
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|x| f64::from(x - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// The contribution of a unit to a decision.
struct Deciding<'a> {
    explanation: &'a Explanation,
    value: f32,
    weight: f32,
}

impl Deciding<'_> {
    /// The amount that it adds to the class's logit.
    fn effect(&self) -> f32 {
        self.value * self.weight
    }

    fn row(&self) -> [String; 6] {
        let formula =
            self.explanation.formula.as_deref().map_or(self.explanation.status.name().replace('_', " "), name_of);
        let numbers = [self.effect(), self.value, self.weight].map(|v| format!("{v:.3}"));
        let [effect, value, weight] = numbers;
        [self.explanation.unit.to_string(), effect, value, weight, format!("{:.3}", self.explanation.iou), formula]
    }

    fn to_json(&self) -> Value {
        let Explanation { unit, iou, formula, .. } = self.explanation;
        let (value, weight, effect) = (self.value, self.weight, self.effect());
        json!({ "unit": unit, "effect": effect, "value": value, "weight": weight, "iou": iou, "formula": formula })
    }
}

fn name_of(text: &str) -> String {
    name(text)
}

/// The units of a run that fire, sorted by the amount that they add to the class's logit or subtract from it.
fn deciding<'a>(run: &'a FinishedRun, values: &[f32], weights: ArrayView1<'_, f32>, limit: usize) -> Vec<Deciding<'a>> {
    let fires = |u: &&Explanation| f64::from(values[u.unit]) > u.threshold.unwrap_or(0.0);
    let mut all: Vec<_> = run
        .explanations
        .units
        .iter()
        .filter(fires)
        .map(|explanation| Deciding { explanation, value: values[explanation.unit], weight: weights[explanation.unit] })
        .collect();
    all.sort_by(|a, b| b.effect().abs().total_cmp(&a.effect().abs()).then(a.explanation.unit.cmp(&b.explanation.unit)));
    all.truncate(limit);
    all
}
