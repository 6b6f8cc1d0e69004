//! Whether the classes that a unit supports lose accuracy without it.
//!
//! By a measure of contribution, a unit supports the classes of which it is a contributor. Three effects are compared: of its
//! ablation on these classes; of its ablation on the other classes; and, as a control, of the ablation of units that support
//! no class on the classes of supporting units: of every such unit on the classes of every supporting unit. Intervals are
//! 95%, by bootstrap over units; the supporting units of a resample are those whose classes its control has.

use std::collections::BTreeMap;

use compexp_run::ablation_record::{Estimate, Hurt, Support};
use compexp_trust::behaviour::ablation::{Effect, Fill, Subject};
use compexp_trust::behaviour::contribution::{Contributions, Measure, Role};
use compexp_trust::stats::bootstrap::{Bootstrap, interval};
use compexp_trust::stats::spearman;

/// Compares what the ablation of units did with each measure of what they contribute.
pub fn support(
    subject: &Subject<'_>,
    effects: &[Effect],
    fill: Fill,
    contributions: &Contributions,
    seed: u64,
) -> Vec<Support> {
    let Contributions { weight, correlation, overlap } = contributions;
    [("weight", weight), ("correlation", correlation), ("overlap", overlap)]
        .into_iter()
        .map(|(name, measure)| one(subject, effects, fill, (name, measure), seed))
        .collect()
}

/// What each unit of a group gains and over how many examples.
type Group = Vec<(i64, usize)>;

fn one(
    subject: &Subject<'_>,
    effects: &[Effect],
    fill: Fill,
    (name, measure): (&'static str, &Measure),
    seed: u64,
) -> Support {
    let n_classes = subject.classes().len();
    let classes: Vec<Vec<usize>> = effects
        .iter()
        .map(|e| (0..n_classes).filter(|class| measure.role(e.unit, *class) == Role::Contributor).collect())
        .collect();
    let over = |effect: &Effect, of: &dyn Fn(usize) -> bool| subject.over(&effect.gained, of);
    let [mut supported, mut others] = [(); 2].map(|()| Group::new());
    let (mut supports, mut control) = (Vec::new(), Vec::new());
    for (effect, own) in effects.iter().zip(&classes) {
        let of_own = over(effect, &|class| own.contains(&class));
        if of_own.1 > 0 {
            supported.push(of_own);
            others.push(over(effect, &|class| !own.contains(&class)));
            supports.push(&own[..]);
        } else if own.is_empty() {
            control.push(&effect.gained[..]);
        }
    }
    // A unit is drawn with both what it does to its classes and to the others; the control's units are drawn apart.
    let own = Bootstrap::new(supported.len().max(1), seed);
    let apart = Bootstrap::new(control.len().max(1), seed.wrapping_add(1));
    let pairings = Pairings::new(subject.examples_of(), &supports, &control);
    let [supported, others] = [&supported, &others].map(|group| Resampled::new(group, &own));
    let (supported, others, control) = (&supported, &others, &pairings.resampled(&own, &apart));
    let pairs = |value: &dyn Fn(&Effect, usize) -> f64| {
        let all = effects.iter().flat_map(|e| (0..n_classes).map(move |class| (e, class)));
        let all = all.map(|(e, class)| (measure.values[[e.unit, class]], value(e, class)));
        spearman(&all.filter(|(a, b)| !a.is_nan() && !b.is_nan()).collect::<Vec<_>>())
    };
    let examples = subject.examples_of();
    Support {
        measure: name.to_owned(),
        fill,
        supported: supported.hurt(),
        others: others.hurt(),
        control: control.hurt(),
        share_above_others: supported.above(others, |r| &r.share),
        share_above_control: supported.above(control, |r| &r.share),
        change_above_others: supported.above(others, |r| &r.change),
        change_above_control: supported.above(control, |r| &r.change),
        by_logit: pairs(&|e, class| -e.logits[class]),
        by_accuracy: pairs(&|e, class| -(e.gained[class] as f64) / examples[class] as f64),
    }
}

/// A group's share and change, each as found and on every resample.
struct Resampled {
    units: usize,
    share: (f64, Vec<f64>),
    change: (f64, Vec<f64>),
}

impl Resampled {
    fn new(group: &Group, resamples: &Bootstrap) -> Self {
        let ratio = |of: &dyn Fn(i64, usize) -> [u64; 2]| -> Vec<[u64; 2]> {
            if group.is_empty() { vec![[0, 0]] } else { group.iter().map(|(gained, n)| of(*gained, *n)).collect() }
        };
        let shares = ratio(&|gained, n| [u64::from(gained < 0), u64::from(n > 0)]);
        // Ratios are of counts that are not negative: of all examples and what is gained, so that 1 stands for no change. At
        // most all examples are lost.
        let kept = ratio(&|gained, n| [(n as i64 + gained) as u64, n as u64]);
        let whole = |ratio: &[[u64; 2]]| {
            let [top, bottom] = ratio.iter().fold([0, 0], |[a, b], [c, d]| [a + c, b + d]);
            if bottom == 0 { 0.0 } else { top as f64 / bottom as f64 }
        };
        let (share, change) = (whole(&shares), whole(&kept) - 1.0);
        let mut drawn = resamples.ratios(&[shares, kept]);
        let changes: Vec<f64> = drawn.pop().unwrap_or_default().into_iter().map(|kept| kept - 1.0).collect();
        let shares = drawn.pop().unwrap_or_default();
        Self { units: group.iter().filter(|(_, n)| *n > 0).count(), share: (share, shares), change: (change, changes) }
    }

    fn hurt(&self) -> Option<Hurt> {
        let estimate = |(value, drawn): &(f64, Vec<f64>)| Estimate { value: *value, interval: interval(drawn) };
        let (share, change) = (estimate(&self.share), estimate(&self.change));
        (self.units > 0).then_some(Hurt { units: self.units, share, change })
    }

    fn above(&self, other: &Self, of: impl Fn(&Self) -> &(f64, Vec<f64>)) -> Option<Estimate> {
        let ((own, drawn), (base, others)) = (of(self), of(other));
        let differences: Vec<f64> = drawn.iter().zip(others).map(|(a, b)| a - b).collect();
        let known = self.units > 0 && other.units > 0;
        known.then(|| Estimate { value: own - base, interval: interval(&differences) })
    }
}

/// Every pairing of a unit that supports no class with the classes of a supporting unit.
///
/// The pairings are not drawn but added up. Units that support the same classes have the same pairings, so there are only as
/// many to count as there are distinct sets of classes.
struct Pairings {
    /// The units that support no class.
    units: usize,
    /// The set of classes of every supporting unit, as one of `sets`.
    set_of: Vec<usize>,
    sets: Vec<ClassSet>,
}

/// A set of classes that units support.
struct ClassSet {
    /// The examples of its classes.
    examples: usize,
    /// For every unit without a class, how many of these examples are gained without it.
    gained: Vec<i64>,
}

impl Pairings {
    /// Pairs units, each with what it gains of every class, with the classes of supporting units.
    fn new(examples_of: &[usize], supports: &[&[usize]], control: &[&[i64]]) -> Self {
        let (mut place_of, mut sets, mut set_of) = (BTreeMap::new(), Vec::new(), Vec::new());
        for classes in supports {
            set_of.push(*place_of.entry(*classes).or_insert_with(|| {
                let gained = control.iter().map(|gained| classes.iter().map(|class| gained[*class]).sum()).collect();
                sets.push(ClassSet { examples: classes.iter().map(|class| examples_of[*class]).sum(), gained });
                sets.len() - 1
            }));
        }
        Self { units: control.len(), set_of, sets }
    }

    /// The share and the change over all pairings, with units and supporting units each as often as is given.
    fn over(&self, supporting: &[u32], units: &[u32]) -> [f64; 2] {
        let mut often = vec![0.0; self.sets.len()];
        supporting.iter().zip(&self.set_of).for_each(|(n, set)| often[*set] += f64::from(*n));
        let [mut pairings, mut hurt, mut examples, mut gained] = [0.0; 4];
        for (set, often) in self.sets.iter().zip(often).filter(|(_, often)| *often > 0.0) {
            let (mut n, mut below, mut sum) = (0_u64, 0_u64, 0_i64);
            for (gained, times) in set.gained.iter().zip(units) {
                n += u64::from(*times);
                below += u64::from(*times) * u64::from(*gained < 0);
                sum += i64::from(*times) * gained;
            }
            pairings += often * n as f64;
            hurt += often * below as f64;
            examples += often * n as f64 * set.examples as f64;
            gained += often * sum as f64;
        }
        [(hurt, pairings), (gained, examples)].map(|(top, all)| if all == 0.0 { 0.0 } else { top / all })
    }

    fn resampled(&self, supporting: &Bootstrap, units: &Bootstrap) -> Resampled {
        let [share, change] = self.over(&vec![1; self.set_of.len()], &vec![1; self.units]);
        let drawn = supporting.weights().zip(units.weights()).map(|(supporting, units)| self.over(supporting, units));
        let (shares, changes) = drawn.map(|[share, change]| (share, change)).unzip();
        let known = !self.sets.is_empty();
        Resampled { units: if known { self.units } else { 0 }, share: (share, shares), change: (change, changes) }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::{targets, tests::case};
    use super::*;
    use compexp_core::random::Random;

    fn contributions(pairs: &[(usize, usize)]) -> Contributions {
        let mut values = Array2::zeros((13, 2));
        pairs.iter().for_each(|(unit, class)| values[[*unit, *class]] = 2.0);
        let measure = Measure { values, cuts: Some([-1.0, 1.0]) };
        Contributions { weight: measure.clone(), correlation: measure.clone(), overlap: measure }
    }

    #[test]
    fn groups_are_compared_as_by_hand() {
        let (records, head, features) = case();
        let targets = targets(&records, &head).unwrap();
        let subject = Subject::new(&head, &features, &targets).unwrap();
        // Units 10 and 11 support x and y; unit 12 nothing, and is the control on one of these.
        let contributions = contributions(&[(10, 0), (11, 1)]);
        let effects = subject.effects(&[10, 11, 12], Fill::Zero, &contributions.weight).unwrap();
        // Without unit 10 example 1 becomes (0.5, 0.5) and stays x, so nothing changes. Without unit 11 example 3 becomes
        // (0.5, 1) and stays y, example 4 (0.5, 0) and is lost. Without unit 12 example 2 becomes x and is gained.
        let gained: Vec<_> = effects.iter().map(|e| e.gained.clone()).collect();
        assert_eq!(gained, [vec![0, 0], vec![0, -1], vec![1, 0]]);
        let found = support(&subject, &effects, Fill::Zero, &contributions, 0);
        assert_eq!(found.iter().map(|s| s.measure.as_str()).collect::<Vec<_>>(), ["weight", "correlation", "overlap"]);
        let first = &found[0];
        let (supported, others, control) = (first.supported.unwrap(), first.others.unwrap(), first.control.unwrap());
        assert_eq!((supported.units, others.units, control.units), (2, 2, 1));
        assert_eq!((supported.share.value, others.share.value, control.share.value), (0.5, 0.0, 0.0));
        // One of 3 + 2 examples is lost; of the others, 2 + 3, none.
        assert!((supported.change.value + 0.2).abs() < 1e-12 && others.change.value == 0.0, "{first:?}");
        // Unit 12 gains one of the 3 examples of x, none of the 2 of y.
        assert!((control.change.value - 0.2).abs() < 1e-12, "{first:?}");
        let above = first.share_above_others.unwrap();
        assert_eq!((above.value, above.interval), (0.5, [0.0, 1.0]));
        // The values 2, 0, 0, 2, 0, 0 against -gained: only (11, y) has both, and (12, x) is against it.
        let pairs = [(2.0, 0.0), (0.0, 0.0), (0.0, 0.0), (2.0, 0.5), (0.0, -1.0 / 3.0), (0.0, 0.0)];
        assert_eq!(first.by_accuracy, spearman(&pairs));
    }

    #[test]
    fn where_nothing_is_supported_nothing_is_compared() {
        let (records, head, features) = case();
        let targets = targets(&records, &head).unwrap();
        let subject = Subject::new(&head, &features, &targets).unwrap();
        let none = contributions(&[]);
        for effects in [vec![], subject.effects(&[10, 11], Fill::Mean, &none.weight).unwrap()] {
            let found = &support(&subject, &effects, Fill::Mean, &none, 0)[0];
            assert_eq!((found.supported, found.control, found.share_above_control), (None, None, None));
        }
    }

    #[test]
    fn the_control_is_of_all_pairings_written_down_one_by_one() {
        let mut random = Random::new(3, 1_u64, 0);
        for (n_units, n_supporting, n_classes) in [(1, 1, 1), (7, 3, 2), (20, 31, 4), (40, 25, 12)] {
            let examples_of: Vec<usize> = (0..n_classes).map(|_| 1 + random.below(20)).collect();
            let gained: Vec<Vec<i64>> = (0..n_units)
                .map(|_| examples_of.iter().map(|n| random.below(5) as i64 - (2.min(*n) as i64)).collect())
                .collect();
            let supports: Vec<Vec<usize>> = (0..n_supporting)
                .map(|_| {
                    let first = random.below(n_classes);
                    (0..n_classes).filter(|class| *class == first || random.below(4) == 0).collect()
                })
                .collect();
            let (own, apart) = (Bootstrap::new(n_supporting, 8), Bootstrap::new(n_units, 9));
            let slices: Vec<&[usize]> = supports.iter().map(Vec::as_slice).collect();
            let of_units: Vec<&[i64]> = gained.iter().map(Vec::as_slice).collect();
            let found = Pairings::new(&examples_of, &slices, &of_units).resampled(&own, &apart);

            // Each unit as often as it was drawn, with each supporting unit as often as that was drawn.
            let slow = |supporting: &[u32], units: &[u32]| {
                let (mut pairings, mut hurt, mut examples, mut sum) = (0, 0, 0, 0);
                for (gained, times) in gained.iter().zip(units) {
                    for (classes, often) in supports.iter().zip(supporting) {
                        for _ in 0..times * often {
                            let lost: i64 = classes.iter().map(|class| gained[*class]).sum();
                            pairings += 1;
                            hurt += i64::from(lost < 0);
                            examples += classes.iter().map(|class| examples_of[*class] as i64).sum::<i64>();
                            sum += lost;
                        }
                    }
                }
                [hurt as f64 / pairings as f64, sum as f64 / examples as f64]
            };
            let close = |found: [f64; 2], expected: [f64; 2]| {
                found.iter().zip(expected).for_each(|(a, b)| assert!((a - b).abs() < 1e-12, "{found:?} {expected:?}"));
            };
            assert_eq!(found.units, n_units);
            close([found.share.0, found.change.0], slow(&vec![1; n_supporting], &vec![1; n_units]));
            for (nth, (supporting, units)) in own.weights().zip(apart.weights()).enumerate() {
                close([found.share.1[nth], found.change.1[nth]], slow(supporting, units));
            }
        }
    }

    #[test]
    fn intervals_are_of_units_drawn_again() {
        let group: Group = (0..400).map(|i| (-i64::from(i % 4 == 0), 10)).collect();
        let found = Resampled::new(&group, &Bootstrap::new(400, 5)).hurt().unwrap();
        assert_eq!(found.share.value, 0.25);
        // The standard error of a share of 400: sqrt(0.25 * 0.75 / 400) = 0.0217; 1.96 of them are 0.0424.
        let [low, high] = found.share.interval;
        assert!((low - 0.2076).abs() < 0.01 && (high - 0.2924).abs() < 0.01, "{low} {high}");
        let [low, high] = found.change.interval;
        assert!((found.change.value + 0.025).abs() < 1e-12 && low < -0.025 && -0.025 < high, "{low} {high}");
    }
}
