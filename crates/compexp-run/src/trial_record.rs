//! What `counterfactuals.json` holds: cases of changed inputs, and what became of the predictions.
//!
//! A field that not every version wrote, and a number that may not be finite, is none where the file has none.

use compexp_trust::behaviour::trial::{Effect, Tally};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `counterfactuals.json` holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TrialRecord {
    /// [`TrialRecord::VERSION`].
    pub version: u32,
    /// What was changed: `vision` or `nli`.
    pub kind: String,
    /// The hash of the run's explanations.
    pub run: String,
    /// How cases were tried, kept as the command has it.
    pub config: Value,
    /// What the intervals are of.
    pub interval: String,
    /// What `p` and `q` are of.
    pub test: String,
    /// In which order cases were taken.
    pub order: String,
    /// The cases.
    pub cases: Vec<TrialCase>,
}

/// A unit, the class that it supports, and what changed inputs showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrialCase {
    /// Its number, from 1.
    pub case: u64,
    /// The unit, counted from 0.
    pub unit: usize,
    /// Its formula.
    pub formula: String,
    /// The class predicted before; any but `to` where there is none.
    pub from: Option<String>,
    /// The class that is wanted; any but `from` where there is none.
    pub to: Option<String>,
    /// The unit's weight to the class that it supports.
    pub weight: Option<f64>,
    /// The measure of contribution, where the run has it.
    pub correlation: Option<f64>,
    /// The measure of contribution, where the run has it.
    pub overlap: Option<f64>,
    /// The unit's mean value where its formula is true, less that elsewhere.
    pub gain: Option<f64>,
    /// What the formula's truth should add to the logit of the class that the unit supports.
    pub expected: Option<f64>,
    /// What the trials came to, beside their controls.
    pub effect: Effect,
    /// The p of the difference of the success rates; none where it was not tested.
    pub p: Option<f64>,
    /// The rate of false discoveries of all cases together, at which this is still a discovery.
    pub q: Option<f64>,
    /// What was changed.
    #[serde(flatten)]
    pub changed: Changed,
}

/// What a case changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Changed {
    /// Parts pasted into images.
    Images(Box<PastedParts>),
    /// Words of sentence pairs.
    Pairs(EditedPairs),
}

/// The parts that a case pasted into images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastedParts {
    /// The concept that they are of.
    pub concept: String,
    /// The images that they were pasted into.
    #[serde(default)]
    pub targets: Vec<String>,
    /// Where they are from, each with its control.
    #[serde(default)]
    pub segments: Vec<Segment>,
    /// The mean change of the unit's value.
    pub feature_change: Option<FeatureChange>,
    /// The trials by size and place.
    #[serde(default)]
    pub placements: Vec<Placement>,
    /// The most convincing trial.
    pub best: Option<BestTrial>,
    /// What other networks made of the same images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transfer: Vec<Transfer>,
}

/// What another network made of the images of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// The name of its file.
    pub network: String,
    /// The hash of its file.
    pub checkpoint: String,
    /// Images that it took for the wanted class before they were changed; they are left out of the effect.
    pub already: usize,
    /// What the other trials came to, beside their controls.
    pub effect: Effect,
}

/// A part of an image, and its control.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// The image that it is from.
    pub image: String,
    /// The image that its control is from.
    pub control_image: String,
    /// What that shows.
    pub control_concept: String,
}

/// The mean change of a unit's value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureChange {
    /// With segments.
    pub tested: Option<f64>,
    /// With controls.
    pub control: Option<f64>,
}

/// The trials at one place and in one size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placement {
    /// The share of the image that is pasted.
    pub size: f64,
    /// The row of the grid of places.
    pub row: usize,
    /// The column.
    pub column: usize,
    /// With segments.
    pub tested: Tally,
    /// With controls.
    pub control: Tally,
}

/// One trial in full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BestTrial {
    /// The image that was changed.
    pub image: String,
    /// The place of the segment in its list.
    pub segment: usize,
    /// The share of the image that was pasted.
    pub size: f64,
    /// The row of the grid of places.
    pub row: usize,
    /// The column.
    pub column: usize,
    /// What the network made of it.
    pub answers: Answers,
}

/// What a network made of an image, with the segment, and with the control.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answers {
    /// As it was.
    pub before: Answer,
    /// With the segment.
    pub after: Answer,
    /// With the control.
    pub control: Answer,
}

/// What a network made of an image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Answer {
    /// The name of the picture's file.
    pub picture: String,
    /// The class.
    pub predicted: String,
    /// Its probability.
    pub probability: Option<f64>,
    /// The probability of the class `from`.
    pub from: Option<f64>,
    /// The probability of the class `to`.
    pub to: Option<f64>,
    /// The unit's value.
    pub unit_activation: Option<f64>,
}

/// The sentence pairs that a case edited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EditedPairs {
    /// What the edits made of the formula.
    pub direction: Option<Direction>,
    /// The unit's weight to the class, less the mean of its weights.
    pub relative_weight: Option<f64>,
    /// Those edits first that tell most for the unit.
    pub edits: Vec<PairEdit>,
}

/// What edits make of a formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// True.
    Fulfil,
    /// False.
    Break,
}

/// One of the two sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The first.
    Premise,
    /// The second.
    Hypothesis,
}

/// An edit of a sentence pair, and its control.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PairEdit {
    /// The pair, counted from 0.
    pub pair: usize,
    /// Its first sentence.
    pub premise: String,
    /// Its second.
    pub hypothesis: String,
    /// Which was edited.
    pub side: Option<Side>,
    /// What was done: `insert`, `substitute` or `delete`.
    pub how: String,
    /// The place of the word.
    pub at: usize,
    /// The word that came in; empty where none did.
    pub word: String,
    /// The word that went; empty where none did.
    pub replaced: String,
    /// The tag of either.
    pub tag: String,
    /// The word that the control brought in.
    pub control_word: String,
    /// The word that it took away.
    pub control_replaced: String,
    /// The first sentence after the edit, the word in brackets.
    pub edited_premise: String,
    /// The second.
    pub edited_hypothesis: String,
    /// The edited sentence after the control.
    pub control: String,
    /// The class of the pair as it was.
    pub before: String,
    /// Its class with the edit.
    pub after: String,
    /// Its class with the control.
    pub control_after: String,
    /// The probability of the class that the unit supports, of these three.
    pub probabilities: [Option<f64>; 3],
    /// The unit's value on these three.
    pub unit_values: [Option<f64>; 3],
}

impl TrialRecord {
    /// The version of the file.
    pub const VERSION: u32 = 1;
}

impl TrialCase {
    /// Whether the edits made the formula false.
    pub fn breaks(&self) -> bool {
        matches!(&self.changed, Changed::Pairs(pairs) if pairs.direction == Some(Direction::Break))
    }
}
