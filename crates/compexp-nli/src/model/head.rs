//! The last layer of a classifier, as a linear map from its features.

use compexp_trust::behaviour::Head;
use ndarray::Array2;

use super::config::{Kind, NORM};
use super::file;
use super::file::Model;
use super::network::EPSILON;
use crate::error::Result;

impl Model {
    /// The last layer, with these names of its classes. For [`Kind::Minimal`] it includes the batch norm before it, so
    /// that it reads the probed features.
    ///
    /// # Errors
    /// [`compexp_core::Error::Mismatch`] if the weights do not have the classifier's sizes, or if the numbers of names
    /// and classes differ.
    pub fn head(&self, classes: Vec<String>) -> Result<Head> {
        self.config.check()?;
        file::check_weights(&self.config.shapes(self.words.len()), &self.weights)?;
        let (n_classes, n_units) = (self.config.classes, self.config.probed());
        let [weight, bias] = self.config.last();
        let (last, bias) = (&self.weights[weight], &self.weights[bias]);
        let [gain, shift, mean, var] = NORM.map(|name| &self.weights[name]);
        // In f64, rounded once.
        let mut weights = Array2::zeros((n_classes, n_units));
        let mut biases = Vec::with_capacity(n_classes);
        for class in 0..n_classes {
            let mut sum = f64::from(bias[class]);
            for unit in 0..n_units {
                let mut weight = f64::from(last[class * n_units + unit]);
                if self.config.kind == Kind::Minimal {
                    sum += weight * f64::from(shift[unit]);
                    weight *= f64::from(gain[unit]) / f64::from(var[unit] + EPSILON).sqrt();
                    sum -= weight * f64::from(mean[unit]);
                }
                weights[[class, unit]] = weight as f32;
            }
            biases.push(sum as f32);
        }
        Ok(Head::new(classes, weights, biases)?)
    }
}
