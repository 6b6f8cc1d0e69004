//! The effects of explained units on the classes that a model predicts: contributions, and accuracy without the units.
//!
//! - [`contributions`]: how the units of a run contribute to classes; [`between`]: to the units of a run of the next layer;
//! - [`curve`]: accuracy as units are ablated in the order of how well they are explained, and at random;
//! - [`support()`]: whether the classes that a unit supports lose accuracy without it.
//!
//! They need the records of the run, the model's last layer, and the features that this layer reads.

pub mod curve;
pub mod support;

use ndarray::{Array2, ArrayView2, Axis};

pub use curve::{Curve, Order, bands, curves, order};
pub use support::support;

use compexp_core::activation::ActivationSource;
use compexp_core::explanation::{Explanation, Explanations};
use compexp_trust::behaviour::contribution::{Contributions, Measure};
use compexp_trust::behaviour::layers::Layer;
use compexp_trust::behaviour::{Features, Head};

use super::Records;
use crate::{Error, Result};

/// The share of examples that count as the top quantile of a target's value: 1 / the number of classes, which is the share
/// of each class if all are equally frequent.
pub fn top_share(n_classes: usize) -> f64 {
    1.0 / n_classes.max(2) as f64
}

/// The class of every example among those of `head`, none where it is not known.
///
/// # Errors
/// `Error::Core` if the run has no predictions, and so no classes of examples.
pub fn targets(records: &Records, head: &Head) -> Result<Vec<Option<usize>>> {
    let Some(predictions) = &records.predictions else {
        return Err(Error::mismatch("predictions of the run", "none", "one an example"));
    };
    Ok(predictions.iter().map(|p| head.classes.iter().position(|class| *class == p.target)).collect())
}

/// How the units of a run contribute to targets, by [`Contributions::measure`]. Rows are all units of the layer. Units that
/// are not in the run have NaN, and are left out of the quantiles.
///
/// `weights` is `(n_targets, n_units)`, `values` `(n_examples, n_targets)`.
///
/// # Errors
/// `Error::Core` if sizes differ.
pub fn contributions(
    records: &Records,
    weights: ArrayView2<'_, f32>,
    features: &Features,
    values: ArrayView2<'_, f64>,
    top: f64,
) -> Result<Contributions> {
    let (n, n_units) = (records.explanations.universe.examples, features.n_units());
    let units: Vec<usize> = records.explanations.units.iter().map(|u| u.unit).collect();
    check("features", (features.n_examples(), n), (n_units, &units), weights.ncols())?;
    let fires: Vec<Vec<bool>> =
        (0..units.len()).map(|place| (0..n).map(|example| records.fires(place, example)).collect()).collect();
    let (weights, chosen) = (weights.select(Axis(1), &units), features.view().select(Axis(1), &units));
    Ok(spread(Contributions::measure(weights.view(), chosen.view(), values, &fires, top)?, &units, n_units))
}

/// How the units of a run contribute to the units of a run of the next layer, by [`Contributions::between`]. Each run comes
/// with its layer's activations. Rows are as in [`contributions`], columns the units of the later run. `weights` is `(units of the
/// later layer, units of the earlier one)`.
///
/// # Errors
/// `Error::Core` if sizes differ, a run of given masks has no thresholds, or activations cannot be read.
pub fn between(
    weights: ArrayView2<'_, f32>,
    below: (&Explanations, &dyn ActivationSource),
    above: (&Explanations, &dyn ActivationSource),
) -> Result<Contributions> {
    let mut chosen = Vec::new();
    for (which, (run, source), of_weights) in
        [("activations below", below, weights.ncols()), ("activations", above, weights.nrows())]
    {
        let cut = |u: &Explanation| {
            let missing = || Error::mismatch(format!("threshold of unit {}", u.unit), "none", "a run of activations");
            Ok((u.unit, u.threshold.ok_or_else(missing)?))
        };
        let units: Vec<(usize, f64)> = run.units.iter().map(cut).collect::<Result<_>>()?;
        let numbers: Vec<usize> = units.iter().map(|(unit, _)| *unit).collect();
        let examples = (source.n_examples(), run.universe.examples);
        check(which, examples, (source.n_units(), &numbers), of_weights)?;
        chosen.push((units, numbers));
    }
    let [(lower, rows), (own, columns)] = [&chosen[0], &chosen[1]];
    let weights = weights.select(Axis(0), columns).select(Axis(1), rows);
    let [lower, own] = [Layer { source: below.1, units: lower }, Layer { source: above.1, units: own }];
    let found = Contributions::between(weights.view(), &lower, &own)?;
    Ok(spread(found, rows, below.1.n_units()))
}

/// Checks that a layer's values have the sizes of a run and of some weights.
fn check(
    what: &str,
    (examples, of_run): (usize, usize),
    (n_units, units): (usize, &[usize]),
    of_weights: usize,
) -> Result<()> {
    let most = units.iter().max().map_or(0, |unit| unit + 1);
    for (what, found, expected, right) in [
        (format!("examples of the {what}"), examples, of_run, examples == of_run),
        (format!("units of the {what}"), n_units, most, n_units >= most),
        ("units of the weights".to_owned(), of_weights, n_units, of_weights == n_units),
    ] {
        if !right {
            return Err(Error::mismatch(what, found, format!("{expected}, as the run has")));
        }
    }
    Ok(())
}

/// Rows of some units as rows of all `n_units`; the other rows are NaN.
fn spread(found: Contributions, units: &[usize], n_units: usize) -> Contributions {
    let spread = |measure: Measure| {
        let mut values = Array2::from_elem((n_units, measure.values.ncols()), f64::NAN);
        for (row, unit) in measure.values.outer_iter().zip(units) {
            values.row_mut(*unit).assign(&row);
        }
        Measure { values, cuts: measure.cuts }
    };
    let Contributions { weight, correlation, overlap } = found;
    Contributions { weight: spread(weight), correlation: spread(correlation), overlap: spread(overlap) }
}

#[cfg(test)]
pub(super) mod tests {
    use ndarray::arr2;

    use super::super::tests::records;
    use super::*;

    /// Units 10 to 12 of 13, on 6 examples of the classes x and y; the others have no features and no weights.
    pub(in crate::analysis) fn case() -> (Records, Head, Features) {
        let predictions = [("x", "x"), ("x", "x"), ("x", "y"), ("y", "y"), ("y", "y"), ("", "x")];
        let units: [(&str, &[f64], &[usize]); 3] =
            [("a", &[0.2], &[0, 1]), ("-", &[], &[3, 4, 5]), ("b", &[0.6], &[2, 3])];
        let own = arr2(&[[2.0_f32, -1.0, 0.0], [0.0, 1.0, 0.5]]);
        let values = arr2(&[
            [1.0_f32, 0.0, 0.0],
            [2.0, 0.0, 1.0],
            [0.0, 0.0, 3.0],
            [0.0, 2.0, 2.0],
            [0.0, 1.0, 0.0],
            [0.25, 0.25, 0.0],
        ]);
        let wide = |own: Array2<f32>| {
            let mut all = Array2::zeros((own.nrows(), 13));
            for (mut to, from) in all.outer_iter_mut().zip(own.outer_iter()) {
                to.iter_mut().skip(10).zip(from).for_each(|(to, from)| *to = *from);
            }
            all
        };
        let head = Head::new(vec!["x".into(), "y".into()], wide(own), vec![0.5, 0.0]).unwrap();
        (records("ab", &units, &[], &predictions), head, Features::new(wide(values)).unwrap())
    }

    #[test]
    fn contributions_are_of_the_units_asked_for() {
        let (records, head, features) = case();
        let logits = head.logits(&features).unwrap();
        let found = contributions(&records, head.weights.view(), &features, logits.view(), top_share(2)).unwrap();
        assert_eq!(found.weight.values.dim(), (13, 2));
        assert!(found.weight.values.row(9).iter().all(|v| v.is_nan()), "unit 9 was not asked for");
        assert_eq!(found.weight.values.row(10).to_vec(), [2.0, 0.0]);
        // Its zeros would pull the quantiles to 0: without them the least of six weights is near -1.
        let [low, high] = found.weight.cuts.unwrap();
        assert!((low + 0.95).abs() < 1e-9 && (high - 1.95).abs() < 1e-9, "{low} {high}");
        // The top half of x's logits, 0.5 2.5, 4.5, ... are examples 1, 0 and 5; unit 10 fires on 0 and 1.
        assert_eq!(found.overlap.values[[10, 0]], 2.0 / 3.0);
    }

    #[test]
    fn targets_are_the_classes_of_the_examples() {
        let (mut records, head, _) = case();
        assert_eq!(targets(&records, &head).unwrap(), [Some(0), Some(0), Some(0), Some(1), Some(1), None]);
        records.predictions = None;
        assert!(targets(&records, &head).unwrap_err().to_string().contains("predictions of the run: found none"));
    }

    #[test]
    fn features_of_another_layer_are_refused() {
        let (records, head, features) = case();
        let logits = head.logits(&features).unwrap();
        let try_with = |features: Array2<f32>, weights: Array2<f32>| {
            let features = Features::new(features).unwrap();
            contributions(&records, weights.view(), &features, logits.view(), 0.5).map_err(|e| e.to_string())
        };
        let e = try_with(Array2::zeros((5, 13)), head.weights.clone()).unwrap_err();
        assert!(e.contains("examples of the features: found 5, expected 6"), "{e}");
        let e = try_with(Array2::zeros((6, 12)), head.weights.clone()).unwrap_err();
        assert!(e.contains("units of the features: found 12, expected 13"), "{e}");
        let e = try_with(Array2::zeros((6, 13)), Array2::zeros((2, 12))).unwrap_err();
        assert!(e.contains("units of the weights: found 12, expected 13"), "{e}");
    }

    #[test]
    fn units_of_two_runs_are_those_asked_for() {
        let (lower, _, features) = case();
        let mut upper = records("ab", &[("a", &[0.2], &[0]), ("b", &[0.6], &[1])], &[], &[("x", "x"); 6]).explanations;
        // Unit 2 of three is what unit 12 below is; unit 0 the same upside down.
        let below = features.view().insert_axis(Axis(2)).insert_axis(Axis(3)).to_owned();
        let above = ndarray::Array4::from_shape_fn((6, 3, 1, 1), |(e, u, ..)| (u as f32 - 1.0) * below[[e, 12, 0, 0]]);
        let weights = Array2::from_shape_fn((3, 13), |(t, u)| (100 * t + u) as f32);
        let (a, b) = (above.view(), below.view());
        let mut lower = lower.explanations;
        let run = |lower: &Explanations, upper: &Explanations, weights: &Array2<f32>| {
            between(weights.view(), (lower, &b), (upper, &a)).map_err(|e| e.to_string())
        };
        assert!(run(&lower, &upper, &weights).unwrap_err().contains("threshold of unit 10: found none"));
        lower.units.iter_mut().for_each(|u| u.threshold = Some(0.5));
        upper.units.iter_mut().for_each(|u| u.threshold = Some(1.5));
        let (first, second) = (0, 2);
        (upper.units[0].unit, upper.units[1].unit) = (second, first);
        let found = run(&lower, &upper, &weights).unwrap();
        assert_eq!(found.weight.values.row(12).to_vec(), [212.0, 12.0]);
        let r = found.correlation.values.row(12).to_vec();
        assert!((r[0] - 1.0).abs() < 1e-12 && (r[1] + 1.0).abs() < 1e-12, "{r:?}");
        // Unit 12 fires on examples 1, 2 and 3, unit 2 on 2 and 3, unit 0 nowhere.
        assert_eq!(found.overlap.values.row(12).to_vec(), [2.0 / 3.0, 0.0]);
        assert!(found.weight.values.row(9).iter().all(|v| v.is_nan()), "unit 9 was not asked for");
        let e = run(&lower, &upper, &Array2::zeros((3, 12))).unwrap_err();
        assert!(e.contains("units of the weights: found 12, expected 13"), "{e}");
    }
}
