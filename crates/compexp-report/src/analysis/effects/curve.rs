//! Accuracy as units are ablated one after another: in orders that follow how well they are explained, and at random.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::random::Purpose;
use compexp_core::explain::Progress;
use compexp_core::random::Random;
use compexp_run::Band;
use compexp_run::ablation_record::CurveConfig;
use compexp_trust::behaviour::ablation::{Fill, Step, Subject};
use compexp_trust::behaviour::contribution::Measure;
use compexp_trust::stats::quantile;
use rayon::prelude::*;

use crate::Result;
use crate::analysis::Records;
use crate::analysis::accuracy::by_activity;

/// The shares of seeds below and above a band.
const BAND: [f64; 2] = [0.1, 0.9];

/// The order in which units are ablated. Units without the value that decides come last; equal units are sorted by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The best explained first.
    Iou,
    /// The least likely to be chance first, by p; of equal p the best explained first.
    Significance,
    /// By the accuracy of the model on the examples on which a unit fires, the highest first.
    Accuracy,
    /// By a seed.
    Random(u64),
}

impl Order {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Iou => "iou",
            Self::Significance => "significance",
            Self::Accuracy => "accuracy",
            Self::Random(_) => "random",
        }
    }

    /// The seed of a random one.
    pub fn seed(self) -> Option<u64> {
        match self {
            Self::Random(seed) => Some(seed),
            _ => None,
        }
    }
}

/// The units of a run in an order; none where no unit has what the order goes by.
pub fn order(records: &Records, by: Order) -> Option<Vec<usize>> {
    let units = &records.explanations.units;
    let iou = |place: usize| units[place].formula.as_ref().map(|_| units[place].iou);
    // Ascending by these keys.
    let sorted = |key: &dyn Fn(usize) -> Option<[f64; 2]>| {
        let keys: Vec<_> = (0..units.len()).map(|place| key(place).unwrap_or([f64::INFINITY; 2])).collect();
        let mut places: Vec<usize> = (0..units.len()).collect();
        places.sort_by(|a, b| {
            let by_key = keys[*a].iter().zip(&keys[*b]).map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne());
            by_key.unwrap_or(std::cmp::Ordering::Equal).then(units[*a].unit.cmp(&units[*b].unit))
        });
        let any = keys.iter().any(|key| key[0].is_finite());
        any.then(|| places.into_iter().map(|place| units[place].unit).collect())
    };
    match by {
        Order::Iou => sorted(&|place| Some([-iou(place)?, 0.0])),
        Order::Significance => sorted(&|place| Some([units[place].significance.as_ref()?.p, -iou(place)?])),
        Order::Accuracy => {
            let rows = by_activity(records);
            sorted(&|place| Some([-rows.get(place)?.accuracy()?, 0.0]))
        }
        Order::Random(seed) => {
            let mut all: Vec<usize> = units.iter().map(|unit| unit.unit).collect();
            Random::new(seed, Purpose::Ablation, 0).shuffle(&mut all);
            Some(all)
        }
    }
}

/// Accuracy as units are taken away in one order.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// The order.
    pub order: Order,
    /// What units are set to.
    pub fill: Fill,
    /// What was measured, none taken away first, all last.
    pub steps: Vec<Step>,
}

/// The curves of every order that the run has something for, with both fills. `supports` says to which classes units
/// contribute: those are concerned.
///
/// # Errors
/// `Error::Core` if the head does not have a unit of the run.
pub fn curves(
    subject: &Subject<'_>,
    records: &Records,
    supports: &Measure,
    config: CurveConfig,
    progress: &dyn Progress,
) -> Result<Vec<Curve>> {
    let orders = [Order::Iou, Order::Significance, Order::Accuracy].into_iter();
    let orders: Vec<(Order, Vec<usize>)> =
        orders.chain((0..config.seeds).map(Order::Random)).filter_map(|by| Some((by, order(records, by)?))).collect();
    let fills = [Fill::Zero, Fill::Mean];
    let jobs: Vec<_> = fills.into_iter().flat_map(|fill| orders.iter().map(move |order| (fill, order))).collect();
    progress.stage("ablation", "curves", jobs.len());
    let done = AtomicUsize::new(0);
    jobs.into_par_iter()
        .map(|(fill, (order, units))| {
            let steps = subject.curve(units, fill, config.every, supports)?;
            progress.done(done.fetch_add(1, Relaxed) + 1);
            Ok(Curve { order: *order, fill, steps })
        })
        .collect()
}

/// The bands of curves, orders in the order of their first curve.
pub fn bands(curves: &[Curve]) -> Vec<Band> {
    let mut kinds: Vec<(&str, Fill)> = Vec::new();
    for curve in curves {
        let kind = (curve.order.name(), curve.fill);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let mut all = Vec::new();
    for (order, fill) in kinds {
        let same: Vec<&Curve> = curves.iter().filter(|c| (c.order.name(), c.fill) == (order, fill)).collect();
        for (at, step) in same[0].steps.iter().enumerate() {
            let steps = || same.iter().filter_map(|curve| curve.steps.get(at));
            let [accuracy, low, high] = spread(steps().map(|s| s.accuracy).collect());
            let changes = steps().filter_map(|s| Some(s.concerned? - s.concerned_before?)).collect();
            let [concerned_change, concerned_change_low, concerned_change_high] = spread(changes);
            let (curves, removed, accuracy) = (same.len(), step.removed, accuracy.unwrap_or(0.0));
            all.push(Band {
                order: order.to_owned(),
                fill,
                curves,
                removed,
                accuracy,
                low,
                high,
                concerned_change,
                concerned_change_low,
                concerned_change_high,
            });
        }
    }
    all
}

/// The mean of values and their band.
fn spread(mut values: Vec<f64>) -> [Option<f64>; 3] {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len();
    let mean = (n > 0).then(|| values.iter().sum::<f64>() / n as f64);
    let [low, high] = BAND.map(|at| (n > 1).then(|| quantile(&values, at)));
    [mean, low, high]
}

#[cfg(test)]
mod tests {
    use compexp_core::explain::Silent;
    use ndarray::Array2;
    use serde_json::json;

    use super::super::{targets, tests::case};
    use super::*;

    #[test]
    fn orders_are_by_what_they_say_and_units_without_it_come_last() {
        let (mut records, _, _) = case();
        assert_eq!(order(&records, Order::Iou).unwrap(), [12, 10, 11]);
        // Right where they fire: unit 10 on both, unit 11 on both with a target, unit 12 on one of two.
        assert_eq!(order(&records, Order::Accuracy).unwrap(), [10, 11, 12]);
        assert_eq!(order(&records, Order::Significance), None);
        let significance = |p: f64| serde_json::from_value(json!({"draws": 9, "p": p, "q": p, "by_length": []})).ok();
        records.explanations.units[0].significance = significance(0.1);
        assert_eq!(order(&records, Order::Significance).unwrap(), [10, 11, 12]);
        records.explanations.units[2].significance = significance(0.1);
        assert_eq!(order(&records, Order::Significance).unwrap(), [12, 10, 11], "of equal p the best explained");
        records.predictions = None;
        assert_eq!(order(&records, Order::Accuracy), None);
    }

    #[test]
    fn random_orders_follow_from_their_seed() {
        let (records, _, _) = case();
        let all: Vec<_> = (0..50).map(|seed| order(&records, Order::Random(seed)).unwrap()).collect();
        assert_eq!(all[7], order(&records, Order::Random(7)).unwrap());
        let distinct: std::collections::BTreeSet<_> = all.iter().cloned().collect();
        assert_eq!(distinct.len(), 6, "all orders of three units are met");
    }

    #[test]
    fn curves_are_those_of_every_order_and_bands_lie_between_them() {
        let (records, head, features) = case();
        let targets = targets(&records, &head).unwrap();
        let subject = Subject::new(&head, &features, &targets).unwrap();
        let mut values = Array2::zeros((13, 2));
        values[[10, 0]] = 2.0;
        let supports = Measure { values, cuts: Some([-1.0, 1.0]) };
        let config = CurveConfig { seeds: 5, every: 1 };
        let found = curves(&subject, &records, &supports, config, &Silent).unwrap();
        assert_eq!(found.len(), 2 * (2 + 5));
        for curve in &found {
            let units = order(&records, curve.order).unwrap();
            assert_eq!(curve.steps, subject.curve(&units, curve.fill, 1, &supports).unwrap());
        }
        // By hand, to zero: logits of x and y with all units are (2.5, 0), (4.5, 0.5), (0.5, 1.5), (-1.5, 3), (-0.5, 1).
        // Without unit 12 example 2 becomes (0.5, 0); without unit 10 as well examples 0 and 1 stay (0.5, 0); without 11 all
        // are (0.5, 0).
        let bands = bands(&found);
        let shown: Vec<_> = bands
            .iter()
            .take(4)
            .map(|b| (b.order.as_str(), b.fill.name(), b.removed, b.accuracy, b.low, b.concerned_change))
            .collect();
        assert_eq!(
            shown,
            [
                ("iou", "zero", 0, 0.8, None, None),
                ("iou", "zero", 1, 1.0, None, None),
                ("iou", "zero", 2, 1.0, None, Some(1.0 - 2.0 / 3.0)),
                ("iou", "zero", 3, 0.6, None, Some(1.0 - 2.0 / 3.0)),
            ]
        );
        let random = bands.iter().find(|b| (b.order.as_str(), b.fill, b.removed) == ("random", Fill::Zero, 1)).unwrap();
        let mut by_hand: Vec<f64> = found
            .iter()
            .filter(|c| c.order.seed().is_some() && c.fill == Fill::Zero)
            .map(|c| c.steps[1].accuracy)
            .collect();
        by_hand.sort_by(f64::total_cmp);
        // Of five values the 10% quantile lies 0.4 of the way from the first to the second.
        assert_eq!(random.curves, 5);
        assert!((random.accuracy - by_hand.iter().sum::<f64>() / 5.0).abs() < 1e-12);
        assert!((random.low.unwrap() - (0.6 * by_hand[0] + 0.4 * by_hand[1])).abs() < 1e-12);
        assert!((random.high.unwrap() - (0.4 * by_hand[3] + 0.6 * by_hand[4])).abs() < 1e-12);
    }
}
