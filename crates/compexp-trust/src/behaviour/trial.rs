//! Trials: an input is changed and predicted again. Its control is an equal change that leaves out what is tested.
//!
//! Trials on one example are not independent, so examples are what interval and test are over. The interval of a
//! difference is a bootstrap: as many examples are drawn with replacement, and all trials of a drawn example count as often
//! as it was drawn. [`sign_flip_p`] tests the difference exactly, and so also where examples are too few for a bootstrap.

use std::collections::BTreeMap;

use crate::random::Purpose;
use compexp_core::random::Random;
use serde::{Deserialize, Serialize};

/// Resamples of a bootstrap.
const RESAMPLES: u64 = 2000;

/// The fewest examples that a difference has an interval of. A bootstrap over fewer is too narrow: over 3 to 5 examples it
/// leaves out a true difference of 0 three times as often as it should, or more often.
pub const FEWEST_EXAMPLES: usize = 20;

/// The outcome for a prediction that was not a wanted one before. Wanted is one class, or every class but one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A wanted class is predicted.
    Success,
    /// Another class than before, and not a wanted one.
    Partial,
    /// The class of before.
    Failure,
}

impl Outcome {
    /// The outcome of a change of the predicted class, where `wanted` says whether the class `after` is a wanted one.
    pub fn of(before: usize, after: usize, wanted: bool) -> Self {
        match (wanted, after == before) {
            (true, _) => Self::Success,
            (false, false) => Self::Partial,
            (false, true) => Self::Failure,
        }
    }
}

/// One trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// The example that was changed.
    pub example: usize,
    /// Whether it is a control.
    pub control: bool,
    /// The outcome.
    pub outcome: Outcome,
    /// The change of the probability of what is wanted.
    pub change: f64,
}

/// The counts of trials of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tally {
    /// Trials.
    pub trials: usize,
    /// How many have [`Outcome::Success`].
    pub success: usize,
    /// How many have [`Outcome::Partial`].
    pub partial: usize,
    /// How many have [`Outcome::Failure`].
    pub failure: usize,
    /// The sum of the changes of the probability of what is wanted.
    pub change: f64,
}

impl Tally {
    /// The tally of some trials.
    pub fn of<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Self {
        let mut tally = Self::default();
        for trial in trials {
            tally.trials += 1;
            tally.change += trial.change;
            *match trial.outcome {
                Outcome::Success => &mut tally.success,
                Outcome::Partial => &mut tally.partial,
                Outcome::Failure => &mut tally.failure,
            } += 1;
        }
        tally
    }

    /// The share of successes; 0 without trials.
    pub fn rate(&self) -> f64 {
        self.success as f64 / self.trials.max(1) as f64
    }

    /// The mean change of the probability of what is wanted; 0 without trials.
    pub fn mean_change(&self) -> f64 {
        self.change / self.trials.max(1) as f64
    }
}

/// A difference with its 95% interval, which is none where there are fewer than [`FEWEST_EXAMPLES`] examples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The value.
    pub value: f64,
    /// The 2.5% quantile of the bootstrap over examples.
    pub low: Option<f64>,
    /// The 97.5% quantile.
    pub high: Option<f64>,
}

/// Trials beside their controls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    /// The examples that were changed.
    #[serde(default)]
    pub examples: usize,
    /// The trials.
    pub tested: Tally,
    /// The controls.
    pub control: Tally,
    /// The success rate minus that of the controls.
    pub success: Difference,
    /// The mean change of the probability of what is wanted minus that of the controls.
    #[serde(default)]
    pub change: Difference,
}

impl Effect {
    /// The effect that trials show. With no success anywhere there is nothing to vary: the interval then has no width, and
    /// says nothing.
    pub fn of(trials: &[Trial], seed: u64) -> Self {
        let mut by_example: BTreeMap<usize, [Vec<Trial>; 2]> = BTreeMap::new();
        for trial in trials {
            by_example.entry(trial.example).or_default()[usize::from(trial.control)].push(*trial);
        }
        let tallies: Vec<[Tally; 2]> =
            by_example.values().map(|[tested, control]| [Tally::of(tested), Tally::of(control)]).collect();
        let all: Vec<usize> = (0..tallies.len()).collect();
        let [success, change] = differences(&tallies, &all);
        let mut random = Random::new(seed, Purpose::Trials, 0);
        let (mut successes, mut changes) = (Vec::new(), Vec::new());
        let resamples = if tallies.len() < FEWEST_EXAMPLES { 0 } else { RESAMPLES };
        for _ in 0..resamples {
            let drawn: Vec<usize> = all.iter().map(|_| random.below(all.len())).collect();
            let [success, change] = differences(&tallies, &drawn);
            successes.push(success);
            changes.push(change);
        }
        Self {
            examples: tallies.len(),
            tested: Tally::of(trials.iter().filter(|trial| !trial.control)),
            control: Tally::of(trials.iter().filter(|trial| trial.control)),
            success: interval(success, successes),
            change: interval(change, changes),
        }
    }
}

/// The difference of success rates, and that of mean changes, over the drawn examples.
fn differences(tallies: &[[Tally; 2]], drawn: &[usize]) -> [f64; 2] {
    let mut sums = [Tally::default(); 2];
    for &example in drawn {
        for (sum, tally) in sums.iter_mut().zip(&tallies[example]) {
            sum.trials += tally.trials;
            sum.success += tally.success;
            sum.change += tally.change;
        }
    }
    let [tested, control] = sums;
    [tested.rate() - control.rate(), tested.mean_change() - control.mean_change()]
}

fn interval(value: f64, mut resampled: Vec<f64>) -> Difference {
    resampled.sort_unstable_by(f64::total_cmp);
    let last = resampled.len().saturating_sub(1);
    let at = |q: f64| resampled.get((q * last as f64).round() as usize).copied();
    Difference { value, low: at(0.025), high: at(0.975) }
}

/// The p of the successes of trials against those of their controls: an exact sign-flip test over examples, two-sided.
///
/// What is tested: on each example, trials and controls could have been exchanged. Each example's difference of the numbers
/// of successes would then have had the opposite sign as often. p is the share of all choices of signs whose sum is at
/// least as far from 0 as the sum that was found. Every trial is to have one control. Examples of which both succeed as
/// often decide nothing; of n others, p is at least 2^(1 - n).
pub fn sign_flip_p(trials: &[Trial]) -> f64 {
    let mut by_example: BTreeMap<usize, i64> = BTreeMap::new();
    for trial in trials.iter().filter(|trial| trial.outcome == Outcome::Success) {
        *by_example.entry(trial.example).or_default() += if trial.control { -1 } else { 1 };
    }
    let found = by_example.values().sum::<i64>().unsigned_abs() as usize;
    let sizes: Vec<usize> =
        by_example.values().map(|more| more.unsigned_abs() as usize).filter(|size| *size > 0).collect();
    // `chances[s]`: the chance that the sizes with a positive sign add up to s.
    let all: usize = sizes.iter().sum();
    let mut chances = vec![0.0; all + 1];
    chances[0] = 1.0;
    let mut reached = 0;
    for size in sizes {
        reached += size;
        for s in (0..=reached).rev() {
            let with = if s < size { 0.0 } else { chances[s - size] };
            chances[s] = 0.5 * (chances[s] + with);
        }
    }
    // With s of them positive, the sum is 2 s - all.
    let far = |s: usize| (2 * s).abs_diff(all) >= found;
    let p: f64 = chances.iter().enumerate().filter(|(s, _)| far(*s)).map(|(_, chance)| chance).sum();
    p.min(1.0)
}

/// The softmax of logits, in f64.
pub fn probabilities(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|x| f64::from(x - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// The class of the greatest logit, the first of equal ones.
pub fn likeliest(logits: &[f32]) -> usize {
    (1..logits.len()).fold(0, |best, class| if logits[class] > logits[best] { class } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(example: usize, control: bool, success: bool, change: f64) -> Trial {
        let outcome = if success { Outcome::Success } else { Outcome::Failure };
        Trial { example, control, outcome, change }
    }

    #[test]
    fn outcomes_compare_with_before_and_with_what_is_wanted() {
        let found = [(1, 2, 2), (1, 0, 2), (1, 1, 2)]
            .map(|(before, after, wanted)| Outcome::of(before, after, after == wanted));
        assert_eq!(found, [Outcome::Success, Outcome::Partial, Outcome::Failure]);
    }

    #[test]
    fn a_small_case_by_hand() {
        // A model of two classes that says 1 where a number is above 10; adding 8 against adding 3.
        let (mut trials, numbers) = (Vec::new(), [1, 4, 9]);
        for (example, number) in numbers.into_iter().enumerate() {
            for (control, more) in [(false, 8), (true, 3)] {
                let class = |x: i32| usize::from(x > 10);
                let outcome = Outcome::of(class(number), class(number + more), class(number + more) == 1);
                trials.push(Trial { example, control, outcome, change: f64::from(more) / 100.0 });
            }
        }
        let effect = Effect::of(&trials, 0);
        let counts = |t: &Tally| (t.trials, t.success, t.partial, t.failure);
        assert_eq!((counts(&effect.tested), counts(&effect.control)), ((3, 2, 0, 1), (3, 1, 0, 2)));
        assert_eq!(effect.examples, 3);
        assert!((effect.success.value - 1.0 / 3.0).abs() < 1e-12, "{effect:?}");
        assert!((effect.change.value - 0.05).abs() < 1e-12, "{effect:?}");
        // Three examples are too few.
        assert_eq!((effect.success.low, effect.change.high), (None, None));
        // Only example 1 differs: either sign of it is as far from 0.
        assert_eq!(sign_flip_p(&trials), 1.0);
    }

    #[test]
    fn the_interval_covers_the_truth_about_as_often_as_it_says() {
        // 40 examples with 3 trials of either kind that agree within an example; the true difference is 0.3.
        let mut covered = 0;
        for seed in 0..200 {
            let mut random = Random::new(seed, 1_u64, 0);
            let mut trials = Vec::new();
            for example in 0..40 {
                let [tested, control] = [random.below(10) < 6, random.below(10) < 3];
                for _ in 0..3 {
                    trials.push(trial(example, false, tested, 0.0));
                    trials.push(trial(example, true, control, 0.0));
                }
            }
            let found = Effect::of(&trials, seed).success;
            covered += usize::from(found.low.unwrap() <= 0.3 + 1e-9 && found.high.unwrap() >= 0.3 - 1e-9);
        }
        assert!((180..=198).contains(&covered), "{covered} of 200 intervals");
    }

    #[test]
    fn nothing_comes_to_nothing() {
        let effect = Effect::of(&[], 1);
        assert_eq!((effect.examples, effect.success.value, effect.change.low), (0, 0.0, None));
        let one = Effect::of(&[trial(5, false, true, 0.5), trial(5, true, false, 0.25)], 1);
        assert_eq!((one.success.value, one.success.low, one.change.value), (1.0, None, 0.25));
        assert_eq!(sign_flip_p(&[]), 1.0);
    }

    #[test]
    fn fewer_than_20_examples_have_no_interval() {
        for examples in [19, 20] {
            let trials: Vec<Trial> = (0..examples)
                .flat_map(|example| [false, true].map(|control| trial(example, control, example % 3 == 0, 0.5)))
                .collect();
            let effect = Effect::of(&trials, 4);
            let found = [effect.success.low, effect.success.high, effect.change.low, effect.change.high];
            assert_eq!(found.map(|bound| bound.is_some()), [examples == 20; 4], "{examples}: {effect:?}");
            assert_eq!(effect, Effect::of(&trials, 4));
        }
    }

    /// Trials of `examples` examples with `each` segments, each tried with a control. An example succeeds readily or hardly
    /// at all, with tested and control alike; `more` is what the tested ones add to the chance.
    fn simulated(random: &mut Random, examples: usize, each: usize, more: f64) -> Vec<Trial> {
        let mut trials = Vec::new();
        for example in 0..examples {
            let ease = 0.6 * random.share() * random.share();
            for _ in 0..each {
                trials.push(trial(example, false, random.share() < ease + more, 0.0));
                trials.push(trial(example, true, random.share() < ease, 0.0));
            }
        }
        trials
    }

    #[test]
    fn p_is_that_of_all_choices_of_signs_written_down() {
        let mut random = Random::new(11, 1_u64, 0);
        for examples in [1, 2, 5, 9, 12] {
            for each in [1, 3, 8] {
                let trials = simulated(&mut random, examples, each, 0.2);
                let tallies = |example: usize, control: bool| {
                    Tally::of(trials.iter().filter(|t| (t.example, t.control) == (example, control))).success as i64
                };
                let more: Vec<i64> = (0..examples).map(|e| tallies(e, false) - tallies(e, true)).collect();
                let found = more.iter().sum::<i64>().abs();
                let signed = |signs: u32| -> i64 {
                    more.iter().enumerate().map(|(e, d)| if signs >> e & 1 == 1 { -d } else { *d }).sum()
                };
                let as_far = (0..1_u32 << examples).filter(|signs| signed(*signs).abs() >= found).count();
                let expected = as_far as f64 / f64::from(1_u32 << examples);
                assert!((sign_flip_p(&trials) - expected).abs() < 1e-12, "{more:?}");
            }
        }
    }

    #[test]
    fn p_is_below_5_percent_seldom_without_a_difference_and_often_with_one() {
        // 2,000 simulations each. Without a difference 5% are 100, with a standard deviation of 9.7.
        for (examples, least) in [(4, 0), (8, 400), (20, 1400), (100, 1990)] {
            let below = |more: f64, seed: u64| {
                let mut random = Random::new(seed, 1_u64, 0);
                let p = (0..2000).map(|_| sign_flip_p(&simulated(&mut random, examples, 6, more)));
                p.filter(|p| *p < 0.05).count()
            };
            let (without, with) = (below(0.0, 5), below(0.15, 6));
            assert!(without <= 100 + 29, "{examples} examples: {without} of 2000 without a difference");
            assert!(with >= least, "{examples} examples: {with} of 2000 with a difference");
        }
    }

    #[test]
    fn probabilities_add_up_even_where_powers_would_overflow() {
        let found = probabilities(&[1000.0, 1000.0, -1000.0]);
        assert_eq!(found, [0.5, 0.5, 0.0]);
        assert_eq!(likeliest(&[1.0, 3.0, 3.0]), 1);
    }
}
