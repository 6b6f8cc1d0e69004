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

use super::labels::label_names;
use super::probe_files;
use super::sentences::SentenceSource;
use super::weights::Firings;
use crate::args::nli::{LayerArg, NliProbeArgs};
use crate::args::sentences::FeatureArg;
use crate::classifier_run::likeliest;
use crate::evidence::EvidenceConfig;
use crate::failure::Failure;
use crate::input_files::{Paths, absolute};
use crate::pipeline::Job;
use crate::progress::Reporter;
use crate::{contributions, explain_config, pipeline, summary, unit_numbers};

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
    let threshold = explain_config::threshold(&args.threshold, false, args.search.compat);
    explain_config::check_search(&args.search)?;
    let mut config = explain_config::explain(&args.search, threshold, Task::Nli);
    config.search.min_activations = args.search.min_activations.unwrap_or(MIN_ACTIVATIONS);
    config.search.check().map_err(Failure::usage)?;
    let units = unit_numbers::units(args.search.units.as_ref(), n_units)?;

    let source = SentenceSource::new(&args.pairs, &args.parts);
    let sentences = source.read(features.tags, reporter)?;
    // The released reference looks neighbours up under names that never exist, and so has none.
    let vectors = args.features.vectors.as_deref().filter(|_| !args.search.compat);
    let vectors = vectors.map(WordVectors::read).transpose()?;
    reporter.stage("features", "pairs", sentences.split.len());
    let set = probe_set(&sentences.split, Some(&model.words), vectors.as_ref(), &features)?;
    let evidence = EvidenceConfig::from(&args.trust);
    let seen = evidence.seen(&set.examples)?;
    reporter.end();

    let mut inputs = json!({
        "checkpoint": hash_file(&args.checkpoint)?,
        "layer": match args.layer { LayerArg::Features => "features", LayerArg::Encodings => "encodings" },
        "features": features,
    });
    // Relative to the run directory, which may move.
    let mut paths = Paths::from([
        ("probe".into(), probe_files::FOLDER.into()),
        ("activations".into(), "activations.npy".into()),
        ("checkpoint".into(), absolute(&args.checkpoint)),
    ]);
    source.record(&mut inputs, &mut paths, reporter)?;
    if let Some(path) = &args.features.vectors {
        inputs["vectors"] = json!(hash_file(path)?);
        paths.insert("vectors".into(), absolute(path));
    }
    let record = pipeline::record("nli probe", inputs, &config, &evidence, &units, false);

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
            let (units, config, evidence, seen) = (&units, &config, &evidence, &seen);
            let similar = |a, b| vectors.as_ref()?.similarity(word(set, a)?, word(set, b)?);
            let similarity = Some(&similar as Similarity<'_>);
            let job = Job { set, firing, units, config, evidence, seen, record, predictions, similarity };
            (pipeline::finish(writer, job, reporter)?, false)
        }
        Err(run) => (run, true),
    };
    if args.layer == LayerArg::Features {
        contributions::measure_to_classes(&run, up_to_date, reporter)?;
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

fn compare(examples: &[Example], targets: &[Option<Label>], predicted: &[usize], names: &[String]) -> Vec<Prediction> {
    let one = |((example, target), predicted): ((&Example, &Option<Label>), &usize)| Prediction {
        image: example.name.clone(),
        target: target.map_or(String::new(), |label| label.name().to_owned()),
        predicted: names[*predicted].clone(),
        correct: target.map(|label| label.index() == *predicted),
    };
    examples.iter().zip(targets).zip(predicted).map(one).collect()
}
