//! `compexp nli probe`: from sentence pairs and a classifier to a run directory.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use compexp_core::concept::ConceptId;
use compexp_core::exemplar::Firing;
use compexp_core::explain::Progress;
use compexp_core::probe::{Example, Grid, ProbeSet, Variant};
use compexp_core::relation::Similarity;
use compexp_files::{ContentHash, TensorFile, excerpt, hash_file};
use compexp_nli::features::{FeatureConfig, SplitPair, WordVectors, probe_set};
use compexp_nli::model::{Classifier, Model, Output, Pair};
use compexp_nli::text::Label;
use compexp_run::provenance::{Made, PairFeatures, PairInputs, Settings};
use compexp_run::run_dir::Prediction;
use compexp_run::{
    ActivationFile, ActivationStore, InputPaths, Layer, Method, Provenance, StoreShape, check_evidence, explain_into,
    write_head,
};

use super::classifier;
use super::labels::label_names;
use super::probe_files;
use super::sentences::{ProbedModel, SentenceSource, warn_of_unknown};
use crate::args::nli::{LayerArg, NliProbeArgs};
use crate::args::sentences::FeatureArg;
use crate::classifier_run::likeliest;
use crate::failure::Failure;
use crate::input_files::absolute;
use crate::progress::Reporter;
use crate::terminal::count;
use crate::{contributions, explain_config, run_folder, summary, unit_numbers};

/// The paper's minimum: by default, units that fire on fewer pairs are not searched.
const MIN_ACTIVATIONS: u64 = 500;

/// The batch size of the reference implementation, on which its padding depends.
const REFERENCE_BATCH: usize = 16;

/// The number of pairs between two progress reports.
const CHUNK: usize = 1024;

pub(crate) fn run(args: &NliProbeArgs, reporter: &Reporter) -> Result<()> {
    let (model, classifier) = classifier::load(&args.checkpoint, args.random_weights, args.device)?;
    let labels = label_names(model.config.classes)?;
    let features = feature_config(args);
    let n_units = n_units(&model, args.layer);
    let threshold = explain_config::threshold(&args.threshold, false, args.search.compat, reporter);
    explain_config::check_search(&args.search)?;
    let mut config = explain_config::explain(&args.search, threshold, Variant::Nli);
    config.search.min_activations = args.search.min_activations.unwrap_or(MIN_ACTIVATIONS);
    config.search.check().map_err(Failure::usage)?;
    let units = unit_numbers::units(args.search.units.as_ref(), n_units)?;

    let source = SentenceSource::new(&args.pairs, &args.parts);
    let sentences = source.read(features.tags, reporter)?;
    // The released reference looks neighbours up under names that do not exist, so it finds none.
    let vectors = args.features.vectors.as_deref().filter(|_| !args.search.compat);
    let vectors = vectors.map(WordVectors::read).transpose()?;
    warn_of_unknown(&model.words, sentences.split.iter().flat_map(sides), &args.checkpoint, reporter);
    reporter.stage("features", "pairs", sentences.split.len());
    let set = probe_set(&sentences.split, Some(&model.words), vectors.as_ref(), &features)?;
    let evidence = explain_config::evidence(&args.trust, units.len());
    check_evidence(&evidence, &set.examples)?;
    reporter.end();
    if let (Some(vectors), Some(path)) = (&vectors, &args.features.vectors) {
        tell_of_vectors(&set, vectors, path, reporter);
    }

    // Relative to the run directory, which may move.
    let mut paths = InputPaths {
        probe: Some(probe_files::FOLDER.into()),
        activations: Some(compexp_run::layout::ACTIVATIONS.into()),
        checkpoint: Some(absolute(&args.checkpoint)?),
        vectors: args.features.vectors.as_deref().map(absolute).transpose()?,
        ..InputPaths::default()
    };
    let model_inputs = ProbedModel {
        checkpoint: hash_file(&args.checkpoint)?,
        layer: match args.layer {
            LayerArg::Features => "features",
            LayerArg::Encodings => "encodings",
        },
        features: PairFeatures::from(&features),
        vectors: args.features.vectors.as_deref().map(hash_file).transpose()?,
        random_weights: args.random_weights,
        device: args.device.recorded(),
    };
    let inputs = source.record(model_inputs, &mut paths, reporter)?;
    let settings = Settings::new(&config, &units, false, evidence);
    let provenance = Provenance::NliProbe(Made { inputs: inputs.clone(), settings });

    let (run, up_to_date) = match run_folder::open(&args.out, &provenance, paths)? {
        Ok(writer) => {
            let dir = writer.dir();
            probe_files::write(dir, &set)?;
            let (activations, predicted) = observe(&classifier, &sentences.split, &inputs, args.layer, dir, reporter)?;
            let predictions = compare(&set.examples, &sentences.labels, &predicted, &labels);
            if args.layer == LayerArg::Features {
                write_head(dir, &model.head(labels.clone())?)?;
            }
            let similar = |a, b| vectors.as_ref()?.similarity(word(&set, a)?, word(&set, b)?);
            let (firing, similarity) = (Firing::Activations(&activations), Some(&similar as Similarity<'_>));
            let layer = Layer { set: &set, firing, similarity, predictions: Some(&predictions) };
            let method = Method { explain: config, units, evidence };
            (explain_into(writer, layer, &method, &provenance, reporter)?, false)
        }
        Err(run) => (run, true),
    };
    if args.layer == LayerArg::Features {
        contributions::measure_to_classes(&run, up_to_date, reporter)?;
    }
    run_folder::add_table(&args.out, &run)?;
    reporter.end();
    summary::print(&[(run, up_to_date)], args.out.json, reporter)
}

/// The words of both sides.
fn sides(pair: &SplitPair) -> [&[String]; 2] {
    [&pair.premise.words, &pair.hypothesis.words]
}

/// Tells how many of the words that are features have vectors.
fn tell_of_vectors(set: &ProbeSet, vectors: &WordVectors, path: &Path, reporter: &Reporter) {
    let words: BTreeSet<&str> = set.vocabulary.concepts().iter().filter_map(|c| word(set, c.id)).collect();
    let known = words.iter().filter(|word| vectors.contains(word)).count();
    reporter.say(&format!("{} of {} words have vectors", count(known as u64), count(words.len() as u64)));
    if let (0, Some(word)) = (known, words.first()) {
        let of_file = vectors.first().map_or("nothing".to_owned(), excerpt);
        let path = path.display();
        reporter.warn(&format!(
            "no word of the pairs has a vector in `{path}`: the pairs have {}, the file has {of_file}; there are no neighbours",
            excerpt(word)
        ));
    }
}

/// The word of a feature.
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

/// Runs the classifier on the pairs that are missing in the store in `dir`. Returns all activations and the most likely
/// class of each pair. The key of the store is the hash of the classifier and the pairs in `inputs`.
fn observe(
    classifier: &Classifier,
    pairs: &[SplitPair],
    inputs: &PairInputs,
    layer: LayerArg,
    dir: &Path,
    reporter: &Reporter,
) -> Result<(ActivationFile, Vec<usize>)> {
    let config = classifier.config();
    let (n_classes, encoded) = (config.classes, config.encoded());
    let n_units = if layer == LayerArg::Features { config.probed() } else { 2 * encoded };
    let shape = StoreShape { n_examples: pairs.len(), n_units, grid: Grid::SINGLE, maps: false, n_classes };
    let mut key = ContentHash::new("activations");
    key.field("version", env!("CARGO_PKG_VERSION").as_bytes());
    for (name, value) in [
        ("layer", &inputs.layer),
        ("checkpoint", &inputs.checkpoint),
        ("pairs", &inputs.pairs),
        ("words and tags", &inputs.words_and_tags),
        ("tokenized", &inputs.tokenized.to_string()),
    ] {
        key.field(name, value.as_bytes());
    }
    if let Some(seed) = inputs.random_weights {
        key.field("random weights", seed.to_string().as_bytes());
    }
    if let Some(device) = &inputs.device {
        key.field("device", device.as_bytes());
    }
    let activations = match ActivationStore::open_or_resume(dir, &key.finish(), shape)? {
        ActivationStore::Complete(activations) => {
            reporter.say("activations: all are there");
            activations
        }
        ActivationStore::Partial(mut writer) => {
            let first = writer.next_example();
            if first > 0 {
                reporter.say(&format!("activations: going on after {first} pairs"));
            }
            reporter.stage("activations", "pairs", pairs.len());
            for chunk in pairs[first..].chunks(CHUNK) {
                let output = classify(classifier, chunk)?;
                let values = match layer {
                    LayerArg::Features => output.features,
                    LayerArg::Encodings => {
                        let sides = output.premises.chunks_exact(encoded).zip(output.hypotheses.chunks_exact(encoded));
                        sides.flat_map(|(premise, hypothesis)| [premise, hypothesis].concat()).collect()
                    }
                };
                writer.append(writer.next_example(), &values, &output.logits)?;
                reporter.done(writer.next_example());
            }
            reporter.end();
            writer.finish()?
        }
    };
    let mut logits = vec![0.0; pairs.len() * n_classes];
    TensorFile::open(ActivationStore::logits_path(dir))?.read_f32(0, &mut logits)?;
    Ok((activations, logits.chunks_exact(n_classes).map(likeliest).collect()))
}

fn classify(classifier: &Classifier, pairs: &[SplitPair]) -> Result<Output> {
    let words = classifier.words();
    let numbered: Vec<_> =
        pairs.iter().map(|pair| (words.encode(&pair.premise.words), words.encode(&pair.hypothesis.words))).collect();
    let numbered: Vec<Pair<'_>> = numbered.iter().map(|(premise, hypothesis)| Pair { premise, hypothesis }).collect();
    Ok(classifier.forward(&numbered)?)
}

fn compare(examples: &[Example], targets: &[Option<Label>], predicted: &[usize], names: &[String]) -> Vec<Prediction> {
    let one = |((example, target), predicted): ((&Example, &Option<Label>), &usize)| Prediction {
        example: example.name.clone(),
        target: target.map_or(String::new(), |label| label.name().to_owned()),
        predicted: names[*predicted].clone(),
        correct: target.map(|label| label.index() == *predicted),
    };
    examples.iter().zip(targets).zip(predicted).map(one).collect()
}
