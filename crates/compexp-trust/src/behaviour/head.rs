//! The last layer of a classifier, and what it reads.

use compexp_core::activation::{ActivationSource, check_finite};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::{Error, Result};

/// A linear map from features to logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The names of the classes, in the order of the logits.
    pub classes: Vec<String>,
    /// Weights, `(n_classes, n_units)`.
    pub weights: Array2<f32>,
    /// What is added to each class.
    pub bias: Vec<f32>,
}

/// One value for every example and unit: the mean over the positions of a feature map.
#[derive(Clone, Debug, PartialEq)]
pub struct Features(Array2<f32>);

impl Head {
    /// A head; `weights` is `(n_classes, n_units)`.
    ///
    /// # Errors
    /// `Error::Mismatch` if the parts are of different sizes, a value is not finite, or there are fewer than 2 classes.
    pub fn new(classes: Vec<String>, weights: Array2<f32>, bias: Vec<f32>) -> Result<Self> {
        let n = classes.len();
        if n < 2 {
            return Err(Error::mismatch("classes of a head", n, "at least 2"));
        }
        for (what, found) in [("rows of a head's weights", weights.nrows()), ("values of a head's bias", bias.len())] {
            if found != n {
                return Err(Error::mismatch(what, found, format!("{n}, one a class")));
            }
        }
        if let Some(value) = weights.iter().chain(&bias).find(|v| !v.is_finite()) {
            return Err(Error::mismatch("weight of a head", value, "finite numbers"));
        }
        Ok(Self { classes, weights, bias })
    }

    /// The number of units that it reads.
    pub fn n_units(&self) -> usize {
        self.weights.ncols()
    }

    /// The logits, `(n_examples, n_classes)`.
    ///
    /// # Errors
    /// `Error::Mismatch` if the features are of another number of units.
    pub fn logits(&self, features: &Features) -> Result<Array2<f64>> {
        let found = features.n_units();
        if found != self.n_units() {
            return Err(Error::mismatch(
                "units of the features",
                found,
                format!("{}, as the head has", self.n_units()),
            ));
        }
        let n_classes = self.classes.len();
        let mut logits = Array2::zeros((features.n_examples(), n_classes));
        let rows: Vec<_> = logits.outer_iter_mut().zip(features.0.outer_iter()).collect();
        rows.into_par_iter().for_each(|(mut to, from)| {
            for (class, to) in to.iter_mut().enumerate() {
                let sum: f64 =
                    self.weights.row(class).iter().zip(from).map(|(w, f)| f64::from(*w) * f64::from(*f)).sum();
                *to = sum + f64::from(self.bias[class]);
            }
        });
        Ok(logits)
    }
}

impl Features {
    /// Features, `(n_examples, n_units)`.
    ///
    /// # Errors
    /// `Error::Mismatch` for a value that is not finite.
    pub fn new(values: Array2<f32>) -> Result<Self> {
        match values.iter().find(|v| !v.is_finite()) {
            Some(value) => Err(Error::mismatch("feature", value, "finite numbers")),
            None => Ok(Self(values)),
        }
    }

    /// The mean of each unit's map on each example of a layer.
    ///
    /// # Errors
    /// `Error::Source` if the source cannot be read; `Error::NotFinite` if a value is not finite.
    pub fn pool(source: &dyn ActivationSource) -> Result<Self> {
        let (n, n_units, positions) = (source.n_examples(), source.n_units(), source.grid().positions());
        let mut means = Array2::zeros((n, n_units));
        let mut block = vec![0.0; n_units * positions];
        for (example, mut row) in means.outer_iter_mut().enumerate() {
            source.read(example, &mut block)?;
            check_finite(&block, example, n_units, positions)?;
            for (mean, map) in row.iter_mut().zip(block.chunks_exact(positions)) {
                let sum: f64 = map.iter().map(|v| f64::from(*v)).sum();
                *mean = (sum / positions as f64) as f32;
            }
        }
        Ok(Self(means))
    }

    /// The number of examples.
    pub fn n_examples(&self) -> usize {
        self.0.nrows()
    }

    /// The number of units.
    pub fn n_units(&self) -> usize {
        self.0.ncols()
    }

    /// `(n_examples, n_units)`
    pub fn view(&self) -> ArrayView2<'_, f32> {
        self.0.view()
    }

    /// One unit's values over the examples, and their mean.
    pub(super) fn of_unit(&self, unit: usize) -> (Vec<f64>, f64) {
        let values: Vec<f64> = self.0.column(unit).iter().map(|v| f64::from(*v)).collect();
        let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
        (values, mean)
    }
}

/// The class with the greatest logit, the first of equal ones.
pub(super) fn argmax(logits: &[f64]) -> usize {
    let best = logits
        .iter()
        .enumerate()
        .fold((0, f64::NEG_INFINITY), |best, (class, logit)| if *logit > best.1 { (class, *logit) } else { best });
    best.0
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::*;

    fn head() -> Head {
        let classes = vec!["beach".into(), "street".into()];
        Head::new(classes, arr2(&[[1.0, -2.0, 0.5], [0.0, 1.0, 4.0]]), vec![0.25, -1.0]).unwrap()
    }

    #[test]
    fn logits_are_weighted_sums_and_the_bias() {
        let features = Features::new(arr2(&[[1.0, 2.0, 4.0], [0.0, 0.0, 0.0]])).unwrap();
        assert_eq!(head().logits(&features).unwrap(), arr2(&[[-0.75, 17.0], [0.25, -1.0]]));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        let e = head().logits(&Features::new(arr2(&[[1.0]])).unwrap()).unwrap_err().to_string();
        assert!(e.contains("found 1, expected 3, as the head has"), "{e}");
        let names = |n: usize| (0..n).map(|i| i.to_string()).collect::<Vec<_>>();
        let weights = arr2(&[[1.0], [2.0]]);
        assert!(Head::new(names(3), weights.clone(), vec![0.0; 3]).is_err());
        assert!(Head::new(names(2), weights.clone(), vec![0.0; 3]).is_err());
        assert!(Head::new(names(1), arr2(&[[1.0]]), vec![0.0]).is_err());
        assert!(Head::new(names(2), arr2(&[[1.0], [f32::NAN]]), vec![0.0; 2]).is_err());
        assert!(Features::new(arr2(&[[f32::INFINITY]])).is_err());
    }

    #[test]
    fn maps_are_pooled_by_their_mean() {
        let maps = ndarray::Array4::from_shape_fn((2, 3, 2, 2), |(i, u, y, x)| (i * 100 + u * 10 + y * 2 + x) as f32);
        let pooled = Features::pool(&maps.view()).unwrap();
        assert_eq!(pooled.view(), arr2(&[[1.5, 11.5, 21.5], [101.5, 111.5, 121.5]]));
        let broken = maps.mapv(|v| if v == 112.0 { f32::NAN } else { v });
        assert!(matches!(Features::pool(&broken.view()), Err(Error::NotFinite { unit: 1, example: 1, .. })));
    }

    #[test]
    fn the_first_of_equal_logits_wins() {
        assert_eq!([argmax(&[1.0, 3.0, 3.0]), argmax(&[-1.0, -2.0])], [1, 0]);
    }
}
