//! How units contribute to classes: the weights of the model's last layer, and the measures of contribution that the run has.

use std::collections::HashMap;

use compexp_run::{FinishedRun, UnitContribution, Weights};
use compexp_trust::behaviour::contribution::Role;

use crate::Result;

/// How units contribute to classes.
#[derive(Debug, PartialEq)]
pub(super) struct ClassMeasures {
    /// In the order of the model.
    pub(super) classes: Vec<String>,
    /// A weight a class, by unit.
    weights: HashMap<usize, Vec<f64>>,
    /// By unit and class.
    measured: HashMap<(usize, usize), Measured>,
}

/// The measures between a unit and a class, or a unit and one of the layer above, and the role that each measure gives.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    pub(super) weight: Option<f64>,
    pub(super) correlation: Option<f64>,
    pub(super) overlap: Option<f64>,
    pub(super) roles: [Role; 3],
}

impl From<&UnitContribution> for Measured {
    fn from(row: &UnitContribution) -> Self {
        let [weight, correlation, overlap] = row.measures;
        Self { weight, correlation, overlap, roles: row.roles }
    }
}

impl ClassMeasures {
    /// What a run has; none if it has neither weights of classes nor measures.
    ///
    /// # Errors
    /// `Error::File` or `Error::Damaged` if a file of the run cannot be read or is not what it was.
    pub(super) fn read(run: &FinishedRun, weights: Option<&Weights>) -> Result<Option<Self>> {
        let mut found = Self { classes: Vec::new(), weights: HashMap::new(), measured: HashMap::new() };
        if let Some(head) = run.head()? {
            let units = run.explanations.units.iter().map(|u| u.unit).filter(|u| *u < head.n_units());
            found.weights =
                units.map(|u| (u, head.weights.column(u).iter().map(|w| f64::from(*w)).collect())).collect();
            found.classes = head.classes;
        } else if let Some(weights) = weights {
            found.classes.clone_from(&weights.classes);
            found.weights = weights.units.iter().map(|u| (u.unit, u.weights.clone())).collect();
        }
        found.measure(run)?;
        Ok((!found.classes.is_empty()).then_some(found))
    }

    /// Adds the measures, where the run has them.
    fn measure(&mut self, run: &FinishedRun) -> Result<()> {
        let mut numbers: HashMap<String, usize> =
            self.classes.iter().enumerate().map(|(i, name)| (name.clone(), i)).collect();
        let known = !self.classes.is_empty();
        for row in run.contributions()?.unwrap_or_default() {
            let measured = Measured::from(&row);
            let class = match numbers.get(&row.target) {
                Some(class) => *class,
                // A target that is no class of the model.
                None if known => continue,
                None => {
                    self.classes.push(row.target.clone());
                    numbers.insert(row.target, self.classes.len() - 1);
                    self.classes.len() - 1
                }
            };
            self.measured.insert((row.unit, class), measured);
        }
        Ok(())
    }

    /// How a unit's value counts for a class.
    pub(super) fn weight(&self, unit: usize, class: usize) -> Option<f64> {
        let measured = || self.measured.get(&(unit, class))?.weight;
        self.weights.get(&unit).and_then(|w| w.get(class)).copied().or_else(measured)
    }

    /// The measures of a unit and a class.
    pub(super) fn measured(&self, unit: usize, class: usize) -> Option<&Measured> {
        self.measured.get(&(unit, class))
    }

    /// Whether there are any.
    pub(super) fn has_measures(&self) -> bool {
        !self.measured.is_empty()
    }

    /// The `n` greatest weights above 0 and the `n` least below, each with what it belongs to, strongest first.
    pub(super) fn strongest(weights: impl Iterator<Item = (usize, f64)>, n: usize) -> [Vec<(usize, f64)>; 2] {
        let (mut up, mut down): (Vec<_>, Vec<_>) =
            weights.filter(|(_, w)| *w != 0.0).partition(|(_, weight)| *weight > 0.0);
        for side in [&mut up, &mut down] {
            side.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()).then(a.0.cmp(&b.0)));
            side.truncate(n);
        }
        [up, down]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_weights_come_first_on_either_side() {
        let weights = [(0, -0.5), (1, 2.0), (2, 0.0), (3, -3.0), (4, 2.0), (5, 0.1)];
        let [up, down] = ClassMeasures::strongest(weights.into_iter(), 2);
        assert_eq!(up, [(1, 2.0), (4, 2.0)]);
        assert_eq!(down, [(3, -3.0), (0, -0.5)]);
    }
}
