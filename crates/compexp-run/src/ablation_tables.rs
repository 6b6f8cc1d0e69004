//! The tables beside `ablation.json`: the bands of its curves, and what each unit does alone.
//!
//! A column that an earlier version did not write reads as a column of nothing.

use compexp_trust::behaviour::ablation::Fill;
use serde::{Deserialize, Serialize};

/// A row of `bands.csv`: the curves of one kind, after as many units are gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Band {
    /// The order's name.
    pub order: String,
    /// What units were set to.
    pub fill: Fill,
    /// Curves.
    pub curves: usize,
    /// Units taken away.
    pub removed: usize,
    /// Mean accuracy.
    pub accuracy: f64,
    /// 10% of the curves are below it; none for a single one.
    pub low: Option<f64>,
    /// 90% of them are below it.
    pub high: Option<f64>,
    /// The mean change of accuracy over the examples of the classes concerned; none while no class is.
    pub concerned_change: Option<f64>,
    /// 10% are below it; none for a single curve.
    pub concerned_change_low: Option<f64>,
    /// 90% are below it.
    pub concerned_change_high: Option<f64>,
}

/// A row of `effects.csv`: what a unit does alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnitEffect {
    /// The unit.
    pub unit: usize,
    /// Its formula.
    pub formula: Option<String>,
    /// The formula's IoU.
    pub iou: Option<f64>,
    /// The classes that it supports, with `; ` between them.
    pub supports: String,
    /// Their examples.
    pub supported_examples: Option<usize>,
    /// The greatest of its weights to them; none where it supports none.
    pub greatest_weight: Option<f64>,
    /// The change of accuracy over all examples of known class.
    pub accuracy_change: f64,
    /// The change over the examples of the classes that it supports; none without such.
    pub supported_change: Option<f64>,
    /// The change over the other examples.
    pub others_change: Option<f64>,
    /// What the unit was set to.
    pub fill: Fill,
}

impl Band {
    /// The columns, in the order of the fields.
    pub const COLUMNS: [&str; 10] = [
        "order",
        "fill",
        "curves",
        "removed",
        "accuracy",
        "low",
        "high",
        "concerned_change",
        "concerned_change_low",
        "concerned_change_high",
    ];
}

impl UnitEffect {
    /// The columns, in the order of the fields.
    pub const COLUMNS: [&str; 10] = [
        "unit",
        "formula",
        "iou",
        "supports",
        "supported_examples",
        "greatest_weight",
        "accuracy_change",
        "supported_change",
        "others_change",
        "fill",
    ];
}

#[cfg(test)]
mod tests {
    use compexp_files::{read_rows, write_rows};
    use compexp_tests::files::Scratch;

    use super::*;

    #[test]
    fn rows_are_read_back_by_the_names_of_their_columns() {
        let scratch = Scratch::new();
        let band = Band {
            order: "iou".into(),
            fill: Fill::Mean,
            curves: 1,
            removed: 3,
            accuracy: 0.75,
            low: None,
            high: Some(0.5),
            concerned_change: Some(-0.25),
            concerned_change_low: None,
            concerned_change_high: None,
        };
        write_rows(&scratch.path("bands.csv"), &Band::COLUMNS, &[&band]).unwrap();
        let text = std::fs::read_to_string(scratch.path("bands.csv")).unwrap();
        assert_eq!(text.lines().nth(1), Some("iou,mean,1,3,0.75,,0.5,-0.25,,"));
        assert_eq!(read_rows::<Band>(&scratch.path("bands.csv"), &Band::COLUMNS).unwrap(), [band]);
        let effect = UnitEffect {
            unit: 7,
            formula: None,
            iou: None,
            supports: "a; b".into(),
            supported_examples: Some(2),
            greatest_weight: Some(0.1),
            accuracy_change: -0.5,
            supported_change: Some(0.0),
            others_change: None,
            fill: Fill::Zero,
        };
        write_rows(&scratch.path("effects.csv"), &UnitEffect::COLUMNS, &[&effect]).unwrap();
        let text = std::fs::read_to_string(scratch.path("effects.csv")).unwrap();
        assert_eq!(text.lines().nth(1), Some("7,,,a; b,2,0.1,-0.5,0.0,,zero"));
        assert_eq!(read_rows::<UnitEffect>(&scratch.path("effects.csv"), &UnitEffect::COLUMNS).unwrap(), [effect]);
    }

    #[test]
    fn a_table_without_a_newer_column_has_its_rows() {
        let scratch = Scratch::new();
        scratch.write("bands.csv", b"order,fill,curves,removed,accuracy,low,high\nrandom,zero,4,2,0.5,0.25,0.75\n");
        let bands: Vec<Band> = read_rows(&scratch.path("bands.csv"), &Band::COLUMNS).unwrap();
        assert_eq!((bands[0].high, bands[0].concerned_change), (Some(0.75), None));
        scratch.write(
            "effects.csv",
            b"unit,formula,iou,supports,accuracy_change,supported_change,others_change,fill\n3,a,0.5,b,0,-0.25,0,zero\n",
        );
        let effects: Vec<UnitEffect> = read_rows(&scratch.path("effects.csv"), &UnitEffect::COLUMNS).unwrap();
        assert_eq!((effects[0].supported_change, effects[0].supported_examples), (Some(-0.25), None));
    }
}
