//! Explanations in the forms of other tools: records as Neuronpedia imports them, and files as delphi reads them.
//!
//! Both tools have one text for a unit, which is the formula in words. Units without a formula are left out.

use compexp_core::explanation::{Explanation, Explanations};
use serde::Serialize;

use crate::in_words::{Concepts, in_words};

/// What Neuronpedia calls the kind of the explanation, and the model that wrote it.
const KIND: &str = "compexp";

/// A line of Neuronpedia's file of explanations. Its import takes the columns that it knows from the first line, so that
/// every record has every field; the fields from `formula` on are compexp's own.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NeuronpediaRecord {
    /// Unique among explanations: model, source, unit and kind.
    pub id: String,
    /// The model.
    pub model_id: String,
    /// The source: a layer of the model, or a sparse autoencoder.
    pub layer: String,
    /// The unit.
    pub index: String,
    /// The formula in words.
    pub description: String,
    /// The formula as text.
    pub notes: String,
    /// The kind of explanation.
    pub type_name: &'static str,
    /// What wrote it.
    pub explanation_model_name: &'static str,
    /// The scores of the formula.
    #[serde(flatten)]
    pub scores: Scores,
}

/// The scores of a formula; none where the run does not have them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Its IoU.
    pub iou: f64,
    /// Its MCC.
    pub mcc: Option<f64>,
    /// Its lift.
    pub lift: Option<f64>,
    /// The share of positions on which the unit fires.
    pub firing_rate: Option<f64>,
    /// The IoU on held-out examples.
    pub held_out_iou: Option<f64>,
    /// The MCC on held-out examples.
    pub held_out_mcc: Option<f64>,
    /// How often chance does as well.
    pub p: Option<f64>,
    /// The false discovery rate among units with a p as small.
    pub q: Option<f64>,
}

/// The explained units with their formulas in words.
fn explained(explanations: &Explanations, concepts: Concepts) -> impl Iterator<Item = (&Explanation, &str, String)> {
    explanations.units.iter().filter_map(move |unit| {
        let formula = unit.formula.as_deref()?;
        // A formula that cannot be read stands as it is.
        Some((unit, formula, in_words(formula, concepts).unwrap_or_else(|| formula.to_owned())))
    })
}

/// The records of Neuronpedia, unit after unit.
pub fn neuronpedia<'a>(
    explanations: &'a Explanations,
    concepts: Concepts,
    model: &'a str,
    layer: &'a str,
) -> impl Iterator<Item = NeuronpediaRecord> + 'a {
    explained(explanations, concepts).map(move |(unit, formula, description)| NeuronpediaRecord {
        id: format!("{model}_{layer}_{}_{KIND}", unit.unit),
        model_id: model.to_owned(),
        layer: layer.to_owned(),
        index: unit.unit.to_string(),
        description,
        notes: formula.to_owned(),
        type_name: KIND,
        explanation_model_name: KIND,
        scores: Scores {
            iou: unit.iou,
            mcc: unit.mcc,
            lift: unit.lift,
            firing_rate: unit.firing_rate,
            held_out_iou: unit.holdout.as_ref().map(|held_out| held_out.iou),
            held_out_mcc: unit.holdout.as_ref().and_then(|held_out| Some(held_out.mcc?.value)),
            p: unit.significance.as_ref().map(|s| s.p),
            q: unit.significance.as_ref().map(|s| s.q),
        },
    })
}

/// delphi's files of explanations of the hook `hook`: their names, and their content, a text as JSON.
pub fn delphi<'a>(
    explanations: &'a Explanations,
    concepts: Concepts,
    hook: &'a str,
) -> impl Iterator<Item = (String, String)> + 'a {
    let file = move |(unit, _, words): (&Explanation, &str, String)| {
        (format!("{hook}_latent{}.txt", unit.unit), serde_json::Value::from(words).to_string())
    };
    explained(explanations, concepts).map(file)
}
