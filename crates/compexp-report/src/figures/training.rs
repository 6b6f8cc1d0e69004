//! The curves of a training.

use super::figure;
use crate::charts::{Line, lines};
use crate::figure::Figure;
use crate::svg::Svg;

/// A curve: its name, and a value an epoch.
pub type Curve<'a> = (&'a str, Vec<f64>);

/// A figure of curves over epochs, a panel each: its name, and its lines, a value an epoch from 1. `csv` is kept as given.
pub fn training_curves(panels: &[(&str, Vec<Curve<'_>>)], csv: String) -> Figure {
    let mut svg = Svg::new();
    for (i, (name, series)) in panels.iter().enumerate() {
        let series: Vec<Line<'_>> = series
            .iter()
            .map(|(name, values)| Line {
                name,
                points: values.iter().zip(1..).map(|(v, e)| (f64::from(e), *v)).collect(),
            })
            .collect();
        lines(&mut svg, [64.0 + 420.0 * i as f64, 34.0, 330.0, 220.0], &series, ["epoch", name]);
    }
    let size = [420.0 * panels.len() as f64, 310.0];
    figure("curves", "Training", "How the training went, epoch by epoch.", svg, size, csv)
}
