//! What a run came to, in numbers, and what the model made of its examples.

use std::collections::BTreeMap;

use compexp_core::explanation::{Explanations, HoldoutSummary, OptimalSummary, SignificanceSummary, median};
use compexp_core::search::Status;
use serde::{Deserialize, Serialize};

/// What the units of a run came to, in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Units asked for.
    pub units: usize,
    /// How many of them have each status.
    pub by_status: BTreeMap<String, usize>,
    /// The mean IoU of the explained ones; none where there are none.
    pub mean_iou: Option<f64>,
    /// The median; of an even number the mean of the two in the middle.
    pub median_iou: Option<f64>,
    /// How often the model's predictions are right, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<Accuracy>,
    /// What is proven; none unless the search proves anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimal: Option<OptimalSummary>,
    /// How many units are more than chance; none unless asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub significance: Option<SignificanceSummary>,
    /// How the formulas do on examples held out; none where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<HoldoutSummary>,
}

/// How often predictions are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accuracy {
    /// Examples whose target is known.
    pub known: usize,
    /// Those of them whose prediction is the target.
    pub correct: usize,
}

impl Accuracy {
    /// The share of correct ones; none if no target is known.
    pub fn share(self) -> Option<f64> {
        (self.known > 0).then(|| self.correct as f64 / self.known as f64)
    }
}

/// What a model makes of an example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    /// The example's name: of a vision run its image, of a run on sentence pairs the pair's number. The file calls it `image`.
    #[serde(rename = "image", alias = "example")]
    pub example: String,
    /// The class it has; empty where that is not known, or none of the model's.
    pub target: String,
    /// The class that the model predicts.
    pub predicted: String,
    /// Whether that is the target, where there is one.
    pub correct: Option<bool>,
}

impl Summary {
    /// The summary of explanations.
    pub fn of(explanations: &Explanations, predictions: Option<&[Prediction]>) -> Self {
        let mut by_status = BTreeMap::new();
        let mut ious = Vec::new();
        for unit in &explanations.units {
            *by_status.entry(unit.status.name().to_owned()).or_insert(0) += 1;
            if unit.status == Status::Explained {
                ious.push(unit.iou);
            }
        }
        let n = ious.len();
        let accuracy = predictions.map(|all| Accuracy {
            known: all.iter().filter(|p| p.correct.is_some()).count(),
            correct: all.iter().filter(|p| p.correct == Some(true)).count(),
        });
        Self {
            units: explanations.units.len(),
            by_status,
            mean_iou: (n > 0).then(|| ious.iter().sum::<f64>() / n as f64),
            median_iou: median(ious),
            accuracy,
            optimal: OptimalSummary::of(explanations),
            significance: SignificanceSummary::of(explanations),
            holdout: HoldoutSummary::of(explanations),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_accuracy_of_nothing() {
        assert_eq!(Accuracy { known: 0, correct: 0 }.share(), None);
        assert_eq!(Accuracy { known: 4, correct: 1 }.share(), Some(0.25));
    }

    #[test]
    fn the_file_calls_the_example_of_a_prediction_its_image() {
        let read: Prediction =
            serde_json::from_str(r#"{"example":"7","target":"a","predicted":"b","correct":false}"#).unwrap();
        let text = serde_json::to_string(&read).unwrap();
        assert_eq!(text, r#"{"image":"7","target":"a","predicted":"b","correct":false}"#);
        assert_eq!(serde_json::from_str::<Prediction>(&text).unwrap(), read);
    }
}
