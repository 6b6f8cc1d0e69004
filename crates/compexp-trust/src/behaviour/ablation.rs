//! Ablation of units of a classifier's last layer: accuracy while units are ablated one after another, and the effect of each
//! unit alone on the classes.
//!
//! A unit is ablated by setting its feature to zero, or to its mean over the examples, on every example.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::contribution::{Measure, Role};
use super::head::{Features, Head, argmax};
use crate::{Error, Result};

/// The value that an ablated unit is set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fill {
    /// Zero.
    Zero,
    /// The unit's mean over the examples.
    Mean,
}

impl Fill {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zero => "zero",
            Self::Mean => "mean",
        }
    }
}

/// A classifier on examples whose classes are known.
pub struct Subject<'a> {
    head: &'a Head,
    features: &'a Features,
    /// The class of every example; none if it is not known, or not a class of the head.
    targets: &'a [Option<usize>],
    /// Logits with every unit, `(n_examples, n_classes)`.
    logits: Vec<f64>,
    /// The number of examples of every class.
    of_class: Vec<usize>,
    known: usize,
}

/// Accuracy after a number of units are ablated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Ablated units.
    pub removed: usize,
    /// The share of examples of known class that are predicted correctly.
    pub accuracy: f64,
    /// The same share over the examples of classes to which an ablated unit contributes; none while there is no such example.
    pub concerned: Option<f64>,
    /// That share over the same examples before any ablation.
    pub concerned_before: Option<f64>,
}

/// The effect of ablating one unit alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The unit.
    pub unit: usize,
    /// The classes to which it contributes.
    pub supports: Vec<usize>,
    /// The change of accuracy over all examples of known class.
    pub accuracy: f64,
    /// The change over the examples of the classes that it supports; none if there are no such examples.
    pub supported: Option<f64>,
    /// The change over the other examples.
    pub others: Option<f64>,
    /// For every class, how many more of its examples are predicted correctly than with the unit.
    pub gained: Vec<i64>,
    /// The change of the logit of every class, mean over the examples of that class; NaN if it has none.
    pub logits: Vec<f64>,
}

impl<'a> Subject<'a> {
    /// A classifier and its examples.
    ///
    /// # Errors
    /// `Error::Mismatch` if sizes differ, a target is no class, or no example's class is known.
    pub fn new(head: &'a Head, features: &'a Features, targets: &'a [Option<usize>]) -> Result<Self> {
        let logits = head.logits(features)?.into_raw_vec_and_offset().0;
        if targets.len() != features.n_examples() {
            return Err(Error::mismatch(
                "targets",
                targets.len(),
                format!("{}, one an example", features.n_examples()),
            ));
        }
        let n_classes = head.classes.len();
        if let Some(class) = targets.iter().flatten().find(|t| **t >= n_classes) {
            return Err(Error::mismatch("class of an example", class, format!("less than {n_classes}")));
        }
        let known = targets.iter().flatten().count();
        if known == 0 {
            return Err(Error::mismatch("examples whose class is known", 0, "at least one"));
        }
        let mut of_class = vec![0; n_classes];
        targets.iter().flatten().for_each(|class| of_class[*class] += 1);
        Ok(Self { head, features, targets, logits, of_class, known })
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.head.classes
    }

    /// The number of examples of every class.
    pub fn examples_of(&self) -> &[usize] {
        &self.of_class
    }

    /// The accuracy with every unit.
    pub fn accuracy(&self) -> f64 {
        self.right(&self.logits).iter().filter(|r| **r).count() as f64 / self.known as f64
    }

    /// Ablates the units of `order` one after another, and measures before the first, after every `every`-th and after the
    /// last. `contributes` says which units contribute to which classes.
    ///
    /// # Errors
    /// `Error::Mismatch` for a unit that the head does not have.
    pub fn curve(&self, order: &[usize], fill: Fill, every: usize, contributes: &Measure) -> Result<Vec<Step>> {
        self.check(order)?;
        let n_classes = self.head.classes.len();
        let before = self.right(&self.logits);
        let mut logits = self.logits.clone();
        let mut concerned = vec![false; n_classes];
        let mut steps = Vec::new();
        for removed in 0..=order.len() {
            if let Some(unit) = removed.checked_sub(1).map(|i| order[i]) {
                self.remove(unit, fill, &mut logits);
                for (class, concerned) in concerned.iter_mut().enumerate() {
                    *concerned |= contributes.role(unit, class) == Role::Contributor;
                }
            }
            if removed % every.max(1) != 0 && removed != order.len() {
                continue;
            }
            let right = self.right(&logits);
            let within = |right: &[bool]| self.share(right, |class| concerned[class]);
            let accuracy = self.share(&right, |_| true).unwrap_or(0.0);
            steps.push(Step { removed, accuracy, concerned: within(&right), concerned_before: within(&before) });
        }
        Ok(steps)
    }

    /// The effect of each of `units` alone.
    ///
    /// # Errors
    /// `Error::Mismatch` for a unit that the head does not have.
    pub fn effects(&self, units: &[usize], fill: Fill, contributes: &Measure) -> Result<Vec<Effect>> {
        self.check(units)?;
        let n_classes = self.head.classes.len();
        let before = self.right(&self.logits);
        Ok(units
            .par_iter()
            .map(|unit| {
                let mut logits = self.logits.clone();
                self.remove(*unit, fill, &mut logits);
                let right = self.right(&logits);
                let supports: Vec<usize> =
                    (0..n_classes).filter(|class| contributes.role(*unit, *class) == Role::Contributor).collect();
                let (mut moved, mut gained) = (vec![0.0; n_classes], vec![0; n_classes]);
                for (example, target) in self.targets.iter().enumerate() {
                    if let Some(class) = *target {
                        let at = example * n_classes + class;
                        moved[class] += logits[at] - self.logits[at];
                        gained[class] += i64::from(right[example]) - i64::from(before[example]);
                    }
                }
                let change = |of: &dyn Fn(usize) -> bool| {
                    let (gained, examples) = self.over(&gained, of);
                    (examples > 0).then(|| gained as f64 / examples as f64)
                };
                Effect {
                    unit: *unit,
                    accuracy: change(&|_| true).unwrap_or(0.0),
                    supported: change(&|class| supports.contains(&class)),
                    others: change(&|class| !supports.contains(&class)),
                    logits: moved.iter().zip(&self.of_class).map(|(sum, n)| sum / *n as f64).collect(),
                    supports,
                    gained,
                }
            })
            .collect())
    }

    /// The examples gained of some classes, and the number of examples of these classes.
    pub fn over(&self, gained: &[i64], of: impl Fn(usize) -> bool) -> (i64, usize) {
        let classes = gained.iter().zip(&self.of_class).enumerate().filter(|(class, _)| of(*class));
        classes.fold((0, 0), |(sum, n), (_, (gained, examples))| (sum + gained, n + examples))
    }

    fn check(&self, units: &[usize]) -> Result<()> {
        let n_units = self.head.n_units();
        match units.iter().find(|unit| **unit >= n_units) {
            Some(unit) => Err(Error::mismatch("unit to take away", unit, format!("less than {n_units}"))),
            None => Ok(()),
        }
    }

    fn remove(&self, unit: usize, fill: Fill, logits: &mut [f64]) {
        let (values, mean) = self.features.of_unit(unit);
        let to = if fill == Fill::Mean { mean } else { 0.0 };
        let weights: Vec<f64> = self.head.weights.column(unit).iter().map(|w| f64::from(*w)).collect();
        for (row, value) in logits.chunks_exact_mut(weights.len()).zip(values) {
            if value != to {
                row.iter_mut().zip(&weights).for_each(|(logit, weight)| *logit += (to - value) * weight);
            }
        }
    }

    /// Whether each example is predicted correctly; false if its class is not known.
    fn right(&self, logits: &[f64]) -> Vec<bool> {
        let rows = logits.chunks_exact(self.head.classes.len());
        rows.zip(self.targets).map(|(row, target)| target.is_some_and(|class| argmax(row) == class)).collect()
    }

    /// The share of correct predictions among the examples of some classes; none if there are no examples.
    fn share(&self, right: &[bool], of: impl Fn(usize) -> bool) -> Option<f64> {
        let chosen = self.targets.iter().zip(right).filter(|(target, _)| target.is_some_and(&of));
        let (n, hits) = chosen.fold((0, 0), |(n, hits), (_, right)| (n + 1, hits + usize::from(*right)));
        (n > 0).then(|| hits as f64 / n as f64)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, arr2};

    use super::*;

    struct Case {
        head: Head,
        features: Features,
        targets: Vec<Option<usize>>,
    }

    /// Numbers that look random, the same every time.
    fn case(n: usize, units: usize, classes: usize) -> Case {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        };
        let weights = Array2::from_shape_fn((classes, units), |_| next());
        let bias = (0..classes).map(|_| next()).collect();
        let head = Head::new((0..classes).map(|c| format!("c{c}")).collect(), weights, bias).unwrap();
        let features = Features::new(Array2::from_shape_fn((n, units), |_| next().max(0.0))).unwrap();
        let targets = (0..n).map(|i| (i % 7 != 3).then_some(i % classes)).collect();
        Case { head, features, targets }
    }

    /// Accuracy from scratch: features are changed, then mapped.
    fn slow(case: &Case, removed: &[usize], fill: Fill, of: &dyn Fn(usize) -> bool) -> Option<f64> {
        let mut values = case.features.view().to_owned();
        for &unit in removed {
            let mean = values.column(unit).iter().map(|v| f64::from(*v)).sum::<f64>() / values.nrows() as f64;
            values.column_mut(unit).fill(if fill == Fill::Mean { mean as f32 } else { 0.0 });
        }
        let logits = case.head.logits(&Features::new(values).unwrap()).unwrap();
        let known = case.targets.iter().enumerate().filter_map(|(i, t)| Some((i, (*t)?))).filter(|(_, t)| of(*t));
        let right: Vec<bool> = known.map(|(i, t)| argmax(logits.row(i).as_slice().unwrap()) == t).collect();
        (!right.is_empty()).then(|| right.iter().filter(|r| **r).count() as f64 / right.len() as f64)
    }

    /// Unit 1 contributes to class 2, unit 4 to class 0.
    fn contributes(units: usize, classes: usize) -> Measure {
        let mut values = Array2::zeros((units, classes));
        (values[[1, 2]], values[[4, 0]]) = (2.0, 3.0);
        Measure { values, cuts: Some([-1.0, 1.0]) }
    }

    #[test]
    fn a_curve_agrees_with_changed_features() {
        let case = case(200, 6, 3);
        let subject = Subject::new(&case.head, &case.features, &case.targets).unwrap();
        assert_eq!(Some(subject.accuracy()), slow(&case, &[], Fill::Zero, &|_| true));
        let order = [3, 1, 5, 4, 0, 2];
        for fill in [Fill::Zero, Fill::Mean] {
            let steps = subject.curve(&order, fill, 1, &contributes(6, 3)).unwrap();
            assert_eq!(steps.len(), 7);
            for step in &steps {
                let removed = &order[..step.removed];
                assert_eq!(Some(step.accuracy), slow(&case, removed, fill, &|_| true), "{fill:?} {step:?}");
                let concerned = |class: usize| [(1, 2), (4, 0)].iter().any(|(u, c)| removed.contains(u) && *c == class);
                assert_eq!(step.concerned, slow(&case, removed, fill, &concerned), "{fill:?} {step:?}");
                assert_eq!(step.concerned_before, slow(&case, &[], fill, &concerned), "{fill:?} {step:?}");
            }
            let sparse = subject.curve(&order, fill, 4, &contributes(6, 3)).unwrap();
            assert_eq!(sparse, [steps[0], steps[4], steps[6]]);
        }
    }

    #[test]
    fn effects_agree_with_changed_features() {
        let case = case(150, 6, 3);
        let subject = Subject::new(&case.head, &case.features, &case.targets).unwrap();
        let before = |of: &dyn Fn(usize) -> bool| slow(&case, &[], Fill::Zero, of).unwrap();
        let effects = subject.effects(&[1, 2], Fill::Zero, &contributes(6, 3)).unwrap();
        assert_eq!((effects[0].unit, &effects[0].supports, &effects[1].supports), (1, &vec![2], &vec![]));
        let (supported, others) = (|c: usize| c == 2, |c: usize| c != 2);
        let after = |of: &dyn Fn(usize) -> bool| slow(&case, &[1], Fill::Zero, of).unwrap();
        let near = |found: f64, of: &dyn Fn(usize) -> bool| (found - (after(of) - before(of))).abs() < 1e-12;
        assert!(near(effects[0].supported.unwrap(), &supported) && near(effects[0].others.unwrap(), &others));
        assert!(near(effects[0].accuracy, &|_| true));
        assert_eq!(subject.examples_of().iter().sum::<usize>(), case.targets.iter().flatten().count());
        for class in 0..3 {
            let gained = effects[0].gained[class] as f64 / subject.examples_of()[class] as f64;
            assert!(near(gained, &|c| c == class), "{class}");
        }
        assert_eq!(effects[1].supported, None);
        let of_class = |class: usize| case.targets.iter().enumerate().filter(move |(_, t)| **t == Some(class));
        for class in 0..3 {
            let values: Vec<f64> = of_class(class).map(|(i, _)| f64::from(case.features.view()[[i, 1]])).collect();
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let expected = -mean * f64::from(case.head.weights[[class, 1]]);
            assert!((effects[0].logits[class] - expected).abs() < 1e-9, "{class}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let case = case(5, 2, 2);
        let new = |targets: &[Option<usize>]| {
            Subject::new(&case.head, &case.features, targets).map(|s| s.accuracy()).map_err(|e| e.to_string())
        };
        assert!(new(&[None; 5]).unwrap_err().contains("found 0, expected at least one"));
        assert!(new(&[Some(0); 4]).unwrap_err().contains("found 4, expected 5"));
        assert!(new(&[Some(2); 5]).unwrap_err().contains("expected less than 2"));
        let subject = Subject::new(&case.head, &case.features, &case.targets).unwrap();
        let none = Measure::new(arr2(&[[0.0, 0.0], [0.0, 0.0]]));
        assert!(subject.curve(&[0, 2], Fill::Zero, 1, &none).unwrap_err().to_string().contains("found 2"));
    }
}
