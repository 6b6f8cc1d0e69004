//! Whether the classes that a unit supports lose accuracy without it.
//!
//! By a measure of contribution, a unit supports the classes of which it is a contributor. Three effects are compared: of its
//! ablation on these classes; of its ablation on the other classes; and, as a control, of the ablation of units that support
//! no class on the classes of a supporting unit, which a seed draws for each. Intervals are 95%, by bootstrap over units.

use crate::random::Purpose;
use compexp_core::random::Random;
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
    let supporting: Vec<&Vec<usize>> = classes.iter().filter(|c| !c.is_empty()).collect();
    let [mut supported, mut others, mut control] = [(); 3].map(|()| Group::new());
    for (effect, own) in effects.iter().zip(&classes) {
        let of_own = over(effect, &|class| own.contains(&class));
        if of_own.1 > 0 {
            supported.push(of_own);
            others.push(over(effect, &|class| !own.contains(&class)));
        } else if own.is_empty() && !supporting.is_empty() {
            let drawn = supporting[Random::new(seed, Purpose::Control, effect.unit as u64).below(supporting.len())];
            control.push(over(effect, &|class| drawn.contains(&class)));
        }
    }
    // A unit is drawn with both what it does to its classes and to the others; the control's units are drawn apart.
    let own = Bootstrap::new(supported.len().max(1), seed);
    let apart = Bootstrap::new(control.len().max(1), seed.wrapping_add(1));
    let groups = [(&supported, &own), (&others, &own), (&control, &apart)];
    let groups = groups.map(|(group, resamples)| Resampled::new(group, resamples));
    let [supported, others, control] = &groups;
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

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::{targets, tests::case};
    use super::*;

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
        let drawn = Random::new(0, Purpose::Control, 12).below(2);
        let expected = [1.0 / 3.0, 0.0][drawn];
        assert!((control.change.value - expected).abs() < 1e-12, "{first:?}");
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
