//! What a run was made with: the command, every setting, and the hash of every input.
//!
//! `config.json` is the serialisation of [`Provenance`], and so is `config` in `explanations.json`. Two runs are of the
//! same thing where their provenances are equal; where inputs lie is no part of it.

use compexp_core::explain::{ExplainConfig, SwapConfig};
use compexp_core::probe::Grid;
use compexp_core::ranges::RangeConfig;
use compexp_core::search::SearchConfig;
use compexp_core::threshold::ThresholdRule;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::activations::Axes;

/// What a run was made with, one variant for each command that makes runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command")]
pub enum Provenance {
    /// `compexp explain`: a layer from a file.
    #[serde(rename = "explain")]
    Explain(Made<ArrayInputs>),
    /// `compexp vision probe`: a layer of a network on images.
    #[serde(rename = "vision probe")]
    VisionProbe(Made<ImageInputs>),
    /// `compexp nli probe`: a layer of a classifier on sentence pairs.
    #[serde(rename = "nli probe")]
    NliProbe(Made<PairInputs>),
    /// `compexp text probe`: a layer of a language model on the words of sentences.
    #[serde(rename = "text probe")]
    TextProbe(Made<WordInputs>),
}

/// Inputs of one kind, with the settings that all runs have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Made<I> {
    /// What the run was made from.
    pub inputs: I,
    /// How.
    #[serde(flatten)]
    pub settings: Settings,
}

/// The settings that all runs have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The version of compexp: another one may find other formulas.
    pub compexp: String,
    /// When a unit counts as firing; none where masks were given.
    pub threshold: Option<ThresholdRule>,
    /// The ranges of activation that were explained beside the whole; none if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<RangeConfig>,
    /// How concepts were explained by formulas over the units; none if they were not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap: Option<SwapConfig>,
    /// How formulas were searched.
    pub search: SearchConfig,
    /// The units asked for: `0-9,12`.
    pub units: String,
    /// Whether the formulas of every step are recorded.
    pub keep_beams: bool,
    /// The greatest number of exemplars of each choice for a unit.
    pub exemplars: usize,
    /// The evidence asked for; none where no evidence was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust: Option<Evidence>,
}

/// The evidence asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Null draws of each unit.
    pub null_draws: Option<usize>,
    /// The share of the groups that was held out.
    pub holdout: Option<f64>,
    /// Decides the draws, and what is held out.
    pub seed: u64,
}

/// The inputs of `compexp explain`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArrayInputs {
    /// The annotated examples.
    pub annotations: AnnotationInput,
    /// The layer's activations, where they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activations: Option<ArrayInput>,
    /// The units' masks, where they were given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<ArrayInput>,
    /// The hash of the file of word vectors that names of concepts were compared by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_vectors: Option<String>,
}

/// The inputs of `compexp vision probe`. Hashes are 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageInputs {
    /// The annotated images.
    pub annotations: AnnotationInput,
    /// The hash of the network's checkpoint.
    pub checkpoint: String,
    /// The entry of the checkpoint that was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The family of networks that was stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// The attention heads that were stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heads: Option<usize>,
    /// The patches that tokens stand for, where it was stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// The tokens before those of the patches, where it was stated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_tokens: Option<usize>,
    /// The hash of all images.
    pub images: String,
    /// The probed layer.
    pub layer: String,
    /// How pixels were scaled: `reference`, `imagenet` or `file`.
    pub preprocess: String,
    /// The scaling, where a file beside the network stated it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// The seed of the random weights that replaced those of the checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_weights: Option<u64>,
    /// The device that the network ran on, where that was not the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The hash of the list of the network's classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<String>,
    /// The hash of the list of the images' scenes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenes: Option<String>,
    /// The hash of the file of word vectors that names of concepts were compared by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_vectors: Option<String>,
}

/// How pixels of 0 to 255 become a network's input: `(pixel * rescale - mean) / std`, for red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    /// The factor.
    pub rescale: f64,
    /// What is taken away.
    pub mean: [f64; 3],
    /// What the difference is divided by.
    pub std: [f64; 3],
}

/// The inputs of `compexp nli probe`. Hashes are 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairInputs {
    /// The hash of the file of pairs.
    pub pairs: String,
    /// How many pairs were taken from its beginning; none for all.
    pub first: Option<usize>,
    /// Whether blanks separate its words.
    pub tokenized: bool,
    /// The hash of what splits and tags the sentences.
    pub words_and_tags: String,
    /// The hash of the classifier.
    pub checkpoint: String,
    /// The probed layer: `features` or `encodings`.
    pub layer: String,
    /// Which features of pairs there are.
    pub features: PairFeatures,
    /// The seed of the random weights that replaced those of the classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_weights: Option<u64>,
    /// The device that the classifier ran on, where that was not the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The hash of the file of gold labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold: Option<String>,
    /// The hash of the file of word vectors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vectors: Option<String>,
}

/// The inputs of `compexp text probe`. Hashes are 64 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WordInputs {
    /// The annotated sentences.
    pub annotations: AnnotationInput,
    /// The hash of the model's configuration and weights.
    pub model: String,
    /// The hash of its tokenizer.
    pub tokenizer: String,
    /// The tokens that texts were cut to, where some were longer; words behind the cut are outside of the universe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<usize>,
    /// The probed layer.
    pub layer: String,
    /// The hash of the sparse autoencoder whose latents are the units; none where the layer's own values are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sae: Option<String>,
    /// The device that the model ran on, where that was not the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// Which features of sentence pairs a run has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairFeatures {
    /// The words of either sentence.
    pub words: bool,
    /// Their tags.
    pub tags: bool,
    /// How far the words of both overlap.
    pub overlap: bool,
    /// How many of the most frequent words are features.
    pub vocab_size: usize,
    /// The neighbours of a word.
    pub neighbors: usize,
    /// The batch over which overlap was padded, as the reference implementation does.
    pub padded_batch: Option<usize>,
}

/// An annotated probe set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AnnotationInput {
    /// The form it has: `probe`, `broden`, `coco`, `panoptic`, `ade20k`, `mask-dir` or `tokens`.
    pub kind: String,
    /// The categories that were read, of a form that has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
    /// The size that masks were brought to, of a form whose pictures differ in size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_size: Option<Grid>,
    /// The length that the short side of photographs was resized to, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resize: Option<usize>,
    /// The sides of the square that was cut out of photographs, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<usize>,
    /// Which concepts the words of sentences have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<WordConcepts>,
    /// Which concepts were used, where not all were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concepts: Option<Choice>,
    /// The hash of all its files.
    pub hash: String,
}

/// Which concepts the words of sentences have, beside those of the families that `categories` names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordConcepts {
    /// Concepts of context: `prev`, `head:lemma`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<String>,
    /// Concepts that fewer words have were left out.
    pub min_count: usize,
    /// The hash of the tagger that split texts into words and annotated them, where the sentences were texts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tagger: Option<String>,
    /// The field that held the texts, where it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_field: Option<String>,
}

/// Which concepts of a probe set are used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Choice {
    /// Only concepts of these names; all if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub include: Vec<String>,
    /// No concepts of these names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Only concepts on at least this share of all positions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_area: Option<f64>,
}

/// An array in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayInput {
    /// The hash of the file; of an array in several files, that of all of them in their order.
    pub hash: String,
    /// The name of the tensor, where the file holds several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
    /// What its axes are; none for `[n, U, h, w]` and `[n, U]`, and for masks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Axes>,
    /// The map that its positions form, where the array has them in one axis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grid: Option<Grid>,
    /// The hash of the files that say where the words of sentences are in it, where there are some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<String>,
}

impl Choice {
    /// What a run records of it: nothing where all concepts are used.
    pub fn asked(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}

impl Evidence {
    /// What a run records of it: the seed counts only where something is drawn.
    pub fn asked(self) -> Option<Self> {
        (self.null_draws.is_some() || self.holdout.is_some()).then_some(self)
    }
}

impl Settings {
    /// The settings of a run of `units`, with the running version of compexp.
    pub fn new(config: &ExplainConfig, units: &[usize], masks: bool, evidence: Evidence) -> Self {
        Self {
            compexp: env!("CARGO_PKG_VERSION").to_owned(),
            threshold: (!masks).then_some(config.threshold),
            ranges: config.ranges,
            swap: config.swap,
            search: config.search.clone(),
            units: units_text(units),
            keep_beams: config.keep_beams,
            exemplars: config.exemplars,
            trust: evidence.asked(),
        }
    }
}

impl Provenance {
    /// The provenance in `config`, as a run's files hold it.
    ///
    /// # Errors
    /// The field that is not as this version of compexp writes it.
    pub fn parse(config: &Value) -> Result<Self, String> {
        Self::deserialize(config).map_err(|e| e.to_string())
    }

    /// As the run's files hold it.
    pub fn to_value(&self) -> Value {
        // Strings, numbers and maps with text keys: nothing that JSON cannot hold.
        serde_json::to_value(self).unwrap_or_default()
    }

    /// The command that made the run.
    pub fn command(&self) -> &'static str {
        match self {
            Self::Explain(_) => "explain",
            Self::VisionProbe(_) => "vision probe",
            Self::NliProbe(_) => "nli probe",
            Self::TextProbe(_) => "text probe",
        }
    }

    /// The settings that all runs have.
    pub fn settings(&self) -> &Settings {
        match self {
            Self::Explain(made) => &made.settings,
            Self::VisionProbe(made) => &made.settings,
            Self::NliProbe(made) => &made.settings,
            Self::TextProbe(made) => &made.settings,
        }
    }

    /// The layer that was probed, where compexp ran the network itself.
    pub fn layer(&self) -> Option<&str> {
        match self {
            Self::Explain(_) => None,
            Self::VisionProbe(made) => Some(&made.inputs.layer),
            Self::NliProbe(made) => Some(&made.inputs.layer),
            Self::TextProbe(made) => Some(&made.inputs.layer),
        }
    }

    /// The hash of the network, where compexp ran it itself.
    pub fn checkpoint(&self) -> Option<&str> {
        match self {
            Self::Explain(_) => None,
            Self::VisionProbe(made) => Some(&made.inputs.checkpoint),
            Self::NliProbe(made) => Some(&made.inputs.checkpoint),
            Self::TextProbe(made) => Some(&made.inputs.model),
        }
    }

    /// The seed of the random weights that the network ran with, where it did.
    pub fn random_weights(&self) -> Option<u64> {
        match self {
            Self::Explain(_) | Self::TextProbe(_) => None,
            Self::VisionProbe(made) => made.inputs.random_weights,
            Self::NliProbe(made) => made.inputs.random_weights,
        }
    }

    /// The same with the weights of the checkpoint in place of random ones.
    pub fn trained(mut self) -> Self {
        match &mut self {
            Self::Explain(_) | Self::TextProbe(_) => {}
            Self::VisionProbe(made) => made.inputs.random_weights = None,
            Self::NliProbe(made) => made.inputs.random_weights = None,
        }
        self
    }

    /// The inputs alone, as the run's files hold them: equal where two runs are of the same layer on the same examples.
    pub fn inputs(&self) -> Value {
        let inputs = match self {
            Self::Explain(made) => serde_json::to_value(&made.inputs),
            Self::VisionProbe(made) => serde_json::to_value(&made.inputs),
            Self::NliProbe(made) => serde_json::to_value(&made.inputs),
            Self::TextProbe(made) => serde_json::to_value(&made.inputs),
        };
        inputs.unwrap_or_default()
    }

    /// The annotated probe set, of runs that have one beside the sentences themselves.
    pub fn annotations(&self) -> Option<&AnnotationInput> {
        match self {
            Self::Explain(made) => Some(&made.inputs.annotations),
            Self::VisionProbe(made) => Some(&made.inputs.annotations),
            Self::TextProbe(made) => Some(&made.inputs.annotations),
            Self::NliProbe(_) => None,
        }
    }
}

/// The settings that say on which probe set a run was made, whichever command made it, by their names in `config.json`;
/// the others are of the model and of the search.
pub const PROBE_SET: [&str; 8] = [
    "inputs.annotations",
    "inputs.positions",
    "inputs.pairs",
    "inputs.first",
    "inputs.tokenized",
    "inputs.words_and_tags",
    "inputs.features",
    "inputs.vectors",
];

/// Units as they are written down: `0-9,12`.
pub fn units_text(units: &[usize]) -> String {
    let runs = units.chunk_by(|a, b| a + 1 == *b);
    let text = runs.map(|run| match run {
        [one] => one.to_string(),
        [first, .., last] => format!("{first}-{last}"),
        [] => String::new(),
    });
    text.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn configurations_of_earlier_versions_read_back_as_they_were_written() {
        let search = json!({
            "beam": 10, "beam_limit": null, "length": 3, "metric": "iou", "min_activations": 0, "mode": "beam",
            "penalty": 1.0, "task": "vision",
        });
        let explain = json!({
            "command": "explain", "compexp": "0.1.0", "exemplars": 20, "keep_beams": false, "search": search,
            "inputs": { "annotations": { "kind": "probe", "hash": "a" }, "activations": { "hash": "b", "tensor": "c" } },
            "threshold": { "top_quantile": 0.005 }, "units": "0-9,12",
        });
        let vision = json!({
            "command": "vision probe", "compexp": "0.1.0", "exemplars": 20, "keep_beams": true, "search": search,
            "inputs": {
                "annotations": { "kind": "broden", "hash": "a", "categories": ["object"] }, "checkpoint": "b",
                "images": "c", "layer": "layer4", "preprocess": "imagenet", "classes": "d",
            },
            "threshold": "positive", "units": "0",
            "trust": { "null_draws": 100, "holdout": null, "seed": 7 },
        });
        let nli = json!({
            "command": "nli probe", "compexp": "0.1.0", "exemplars": 20, "keep_beams": false, "search": search,
            "inputs": {
                "pairs": "a", "first": null, "tokenized": true, "words_and_tags": "b", "checkpoint": "c",
                "layer": "features", "vectors": "d", "features": {
                    "words": true, "tags": false, "overlap": true, "vocab_size": 2000, "neighbors": 5,
                    "padded_batch": null,
                },
            },
            "threshold": null, "units": "0-1023",
        });
        for (config, command) in [(explain, "explain"), (vision, "vision probe"), (nli, "nli probe")] {
            let mut config = config;
            if command == "vision probe" {
                config["threshold"] = serde_json::to_value(ThresholdRule::Positive).unwrap();
            } else if command == "explain" {
                config["threshold"] = serde_json::to_value(ThresholdRule::TopQuantile(0.005)).unwrap();
            }
            let read = Provenance::parse(&config).unwrap();
            assert_eq!(read.command(), command);
            assert_eq!(read.to_value(), config);
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_named() {
        let e = Provenance::parse(&json!({ "command": "explain", "inputs": {} })).unwrap_err();
        assert!(e.contains("annotations"), "{e}");
        let e = Provenance::parse(&json!({ "command": "dance" })).unwrap_err();
        assert!(e.contains("dance"), "{e}");
    }

    #[test]
    fn units_are_written_as_ranges() {
        assert_eq!(units_text(&[0, 1, 2, 7]), "0-2,7");
        assert_eq!(units_text(&[]), "");
    }
}
