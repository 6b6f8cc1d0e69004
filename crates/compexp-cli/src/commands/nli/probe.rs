//! `compexp nli probe`: from sentence pairs and a classifier to a run directory.

use std::path::Path;

use anyhow::Result;
use compexp_core::activation::ActivationSource;
use compexp_core::concept::ConceptId;
use compexp_core::exemplar::Firing;
use compexp_core::explain::Progress;
use compexp_core::probe::{Example, ProbeSet, Task};
use compexp_core::relation::Similarity;
use compexp_core::threshold::thresholds;
use compexp_files::{NpyWriter, hash_file};
use compexp_nli::features::{FeatureConfig, SplitPair, WordVectors, probe_set};
use compexp_nli::model::{Classifier, Model, Pair};
use compexp_nli::text::Label;
use compexp_run::run_dir::Prediction;
use compexp_run::{ActivationFile, write_head};
use compexp_trust::stats::holdout::Part;
use serde_json::json;

use super::probe_files;
use super::sentences::{self, Sentences};
use super::weights::Firings;
use crate::commands::behaviour;
use crate::failure::Failure;
use crate::inputs::{Paths, absolute, hash_files};
use crate::nli_args::{FeatureArg, LayerArg, NliProbeArgs};
use crate::pipeline::Job;
use crate::progress::Reporter;
use crate::{pipeline, settings, summary};

/// Units that fire on fewer pairs are not searched, unless asked for: the paper's.
const MIN_ACTIVATIONS: u64 = 500;

/// The batch of the reference implementation, which decides what it takes for words.
const REFERENCE_BATCH: usize = 16;

/// Pairs that are classified between two words of progress.
const CHUNK: usize = 1024;

pub(crate) fn run(args: &NliProbeArgs, reporter: &Reporter) -> Result<()> {
    let model = Model::load(&args.checkpoint)?;
    let classifier = Classifier::new(&model)?;
    let labels = label_names(model.config.classes)?;
    let features = feature_config(args);
    let n_units = n_units(&model, args.layer);
    let threshold = settings::threshold(&args.threshold, false, args.search.compat);
    settings::check_search(&args.search)?;
    let mut config = settings::explain(&args.search, threshold, Task::Nli);
    config.search.min_activations = args.search.min_activations.unwrap_or(MIN_ACTIVATIONS);
    config.search.check().map_err(Failure::usage)?;
    let units = settings::units(args.search.units.as_ref(), n_units)?;

    let sentences = Sentences::read(&args.pairs, &args.tags, features.tags, reporter)?;
    // The released reference looks neighbours up under names that never exist, and so has none.
    let vectors = args.features.vectors.as_deref().filter(|_| !args.search.compat);
    let vectors = vectors.map(WordVectors::read).transpose()?;
    reporter.stage("features", "pairs", sentences.split.len());
    let set = probe_set(&sentences.split, Some(&model.words), vectors.as_ref(), &features)?;
    let seen = args.trust.seen(&set.examples)?;
    reporter.end();

    let mut inputs = json!({
        "pairs": hash_file(&args.pairs.pairs)?,
        "first": args.pairs.first,
        "tokenized": sentences::is_tokenized(&args.pairs.pairs, args.pairs.tokenized),
        "words_and_tags": hash_files("words and tags", b"", &sentences::files(&args.tags), "tagger", reporter)?,
        "checkpoint": hash_file(&args.checkpoint)?,
        "layer": match args.layer { LayerArg::Features => "features", LayerArg::Encodings => "encodings" },
        "features": {
            "words": features.tokens, "tags": features.tags, "overlap": features.overlap,
            "vocab_size": features.n_words, "neighbors": features.neighbors, "padded_batch": features.padded_batch,
        },
    });
    // Relative to the run directory, which may move.
    let mut paths = Paths::from([
        ("probe".into(), probe_files::FOLDER.into()),
        ("activations".into(), "activations.npy".into()),
        ("pairs".into(), absolute(&args.pairs.pairs)?),
        ("checkpoint".into(), absolute(&args.checkpoint)?),
    ]);
    let optional = [("gold", &args.pairs.gold), ("vectors", &args.features.vectors)];
    for (what, path) in optional {
        if let Some(path) = path {
            inputs[what] = json!(hash_file(path)?);
            paths.insert(what.into(), absolute(path)?);
        }
    }
    let optional = [("tags", &args.tags.tags), ("tagger", &args.tags.tagger), ("symbols", &args.tags.symbols)];
    for (what, path) in optional {
        if let Some(path) = path {
            paths.insert(what.into(), absolute(path)?);
        }
    }
    let record = pipeline::record("nli probe", inputs, &config, &args.trust, &units, false);

    let (run, up_to_date) = match pipeline::open_run(&args.out, record.clone(), paths)? {
        Ok(writer) => {
            let dir = writer.dir();
            probe_files::write(dir, &set)?;
            let layer = Observed::new(&classifier, &sentences.split, args.layer, dir, reporter)?;
            let activations = ActivationFile::open(dir.join("activations.npy"))?;
            // Where a unit fires is decided, and counted, on what the search sees.
            let part: Part<'_, dyn ActivationSource> = Part::new(&activations, &seen.examples);
            let cuts = thresholds(&part, config.threshold, &|_| ())?;
            let predictions = compare(&set.examples, &sentences.labels, &layer.predicted, &labels);
            let mut firings = Firings::new(&cuts);
            for pair in &seen.examples {
                firings.add(&layer.values[pair * n_units..][..n_units], predictions[*pair].correct);
            }
            let head = (args.layer == LayerArg::Features).then(|| model.head(labels.clone())).transpose()?;
            firings.write(dir, head.as_ref())?;
            head.iter().try_for_each(|head| write_head(dir, head))?;
            drop(layer);
            let (set, firing) = (&set, Firing::Activations(&activations));
            let predictions = Some(predictions);
            let (units, config, trust, seen) = (&units, &config, &args.trust, &seen);
            let similar = |a, b| vectors.as_ref()?.similarity(word(set, a)?, word(set, b)?);
            let similarity = Some(&similar as Similarity<'_>);
            let job = Job { set, firing, units, config, trust, seen, record, predictions, similarity };
            (pipeline::finish(writer, job, reporter)?, false)
        }
        Err(run) => (run, true),
    };
    if args.layer == LayerArg::Features {
        behaviour::contributions(&run, up_to_date, reporter)?;
    }
    reporter.end();
    summary::print(&run, up_to_date, args.out.json, reporter)
}

/// The word that a feature is about.
fn word(set: &ProbeSet, feature: ConceptId) -> Option<&str> {
    let feature = set.vocabulary.get(feature)?;
    feature.name.splitn(3, ':').nth(2).filter(|_| feature.category == "token")
}

fn feature_config(args: &NliProbeArgs) -> FeatureConfig {
    let has = |kind| args.features.features.contains(&kind);
    FeatureConfig {
        tokens: has(FeatureArg::Words),
        tags: has(FeatureArg::Tags),
        overlap: has(FeatureArg::Overlap),
        n_words: args.features.vocab_size,
        neighbors: args.features.neighbors,
        padded_batch: args.search.compat.then_some(REFERENCE_BATCH),
        ..FeatureConfig::default()
    }
}

fn n_units(model: &Model, layer: LayerArg) -> usize {
    match layer {
        LayerArg::Features => model.config.probed(),
        LayerArg::Encodings => 2 * model.config.encoded(),
    }
}

/// The names of a classifier's classes.
///
/// # Errors
/// A [`Failure`] where they are not the three of the data.
pub(super) fn label_names(classes: usize) -> Result<Vec<String>> {
    if classes != Label::ALL.len() {
        let message = format!("classes of the classifier: found {classes}, expected {}", Label::ALL.len());
        return Err(Failure::new(message).hint("they are entailment, neutral and contradiction").into());
    }
    Ok(Label::ALL.iter().map(|label| label.name().to_owned()).collect())
}

/// What a classifier computes for all pairs.
struct Observed {
    /// `(n_pairs, n_units)`
    values: Vec<f32>,
    /// The likeliest class of each pair.
    predicted: Vec<usize>,
}

impl Observed {
    /// Runs the classifier, and writes the layer's values to `activations.npy` and the logits to `logits.npy`.
    fn new(
        classifier: &Classifier,
        pairs: &[SplitPair],
        layer: LayerArg,
        dir: &Path,
        reporter: &Reporter,
    ) -> Result<Self> {
        let (n, classes) = (pairs.len(), classifier.config().classes);
        let encoded = classifier.config().encoded();
        let n_units = if layer == LayerArg::Features { classifier.config().probed() } else { 2 * encoded };
        let mut file = NpyWriter::create(&dir.join("activations.npy"), &[n, n_units])?;
        let mut logits = NpyWriter::create(&dir.join("logits.npy"), &[n, classes])?;
        let mut all = Self { values: Vec::with_capacity(n * n_units), predicted: Vec::with_capacity(n) };
        reporter.stage("activations", "pairs", n);
        for chunk in pairs.chunks(CHUNK) {
            let words = classifier.words();
            let numbered: Vec<_> = chunk
                .iter()
                .map(|pair| (words.encode(&pair.premise.words), words.encode(&pair.hypothesis.words)))
                .collect();
            let numbered: Vec<Pair<'_>> =
                numbered.iter().map(|(premise, hypothesis)| Pair { premise, hypothesis }).collect();
            let output = classifier.forward(&numbered)?;
            let values = match layer {
                LayerArg::Features => output.features,
                LayerArg::Encodings => {
                    let sides = output.premises.chunks_exact(encoded).zip(output.hypotheses.chunks_exact(encoded));
                    sides.flat_map(|(premise, hypothesis)| [premise, hypothesis].concat()).collect()
                }
            };
            file.append(&values)?;
            logits.append(&output.logits)?;
            all.values.extend(values);
            all.predicted.extend(output.logits.chunks_exact(classes).map(likeliest));
            reporter.done(all.predicted.len());
        }
        file.finish()?;
        logits.finish()?;
        reporter.end();
        Ok(all)
    }
}

/// The first of the largest values.
pub(super) fn likeliest(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
}

fn compare(examples: &[Example], targets: &[Option<Label>], predicted: &[usize], names: &[String]) -> Vec<Prediction> {
    let one = |((example, target), predicted): ((&Example, &Option<Label>), &usize)| Prediction {
        image: example.name.clone(),
        target: target.map_or(String::new(), |label| label.name().to_owned()),
        predicted: names[*predicted].clone(),
        correct: target.map(|label| label.index() == *predicted),
    };
    examples.iter().zip(targets).zip(predicted).map(one).collect()
}
