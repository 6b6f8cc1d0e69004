//! Which units stand for something else in another run: how far the formula of the base still holds, with a p and a false
//! discovery rate.
//!
//! The formulas of two runs differ for many units by chance alone, since a search follows the noise of what it sees. So the
//! question is asked on examples that neither search saw: does each run's own formula fit its unit better than the other
//! run's formula does? If the unit is the same in both, its two masks can change places in any group of examples, and the
//! answer is no more than what such exchanges give.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use compexp_core::exemplar::Firing;
use compexp_core::explain::Progress;
use compexp_core::explanation::{Explanation, Explanations};
use compexp_core::formula::Formula;
use compexp_core::partition::{Partition, PositionMap};
use compexp_core::probe::ProbeSet;
use compexp_core::profile::{Band, Counter};
use compexp_core::random::Random;

use crate::random::Purpose;
use crate::stats::fdr::benjamini_hochberg;
use crate::stats::holdout::Split;
use crate::stats::patterns;
use crate::{Error, Result};

/// The greatest number of exchanges of a unit.
const DRAWS: u64 = 9_999;

/// The exchanges that do as well before it is clear that p is not small (Besag and Clifford, 1991): p is then their number
/// divided by that of all exchanges, which is as exact as with all of them.
const ENOUGH: u64 = 20;

/// Unit masks that are held at once, in values.
const VALUES: usize = 256 << 20;

/// One of the two runs: where its units fire, and its formulas.
#[derive(Clone, Copy)]
pub struct RunMasks<'a> {
    /// The layer, one value for each example of the probe set.
    pub firing: Firing<'a>,
    /// What was found.
    pub explanations: &'a Explanations,
}

/// How a unit of a run compares with itself in the base, in IoUs on the examples that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// The unit.
    pub unit: usize,
    /// Of the two formulas: 1 if both are true of the same examples.
    pub formulas: f64,
    /// Of the base's formula and the unit in the base.
    pub base_then: f64,
    /// Of the base's formula and the unit in the run.
    pub base_now: f64,
    /// Of the run's formula and the unit in the run.
    pub own_now: f64,
    /// By how much the base's formula explains the unit in the run less well than the run's own: `own_now - base_now`.
    pub lost: f64,
    /// How often an exchange of the masks does as well; none without examples that neither search saw.
    pub p: Option<f64>,
    /// The false discovery rate among the units with a p as small.
    pub q: Option<f64>,
}

/// The shifts of all units that both runs have and at least one of them explains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shifts {
    /// The number of examples that were measured.
    pub examples: usize,
    /// The number of groups of them that neither search saw; none if the runs do not hold the same examples out.
    pub held_out_groups: Option<usize>,
    /// The units, the greatest loss first.
    pub units: Vec<Shift>,
}

/// Measures the shifts between two runs on the examples of `set`, whose cells `partition` and `map` are: on those that
/// `split` holds out, or without it on all, and then without p.
///
/// # Errors
/// `Error::Mismatch` if the examples are maps, a layer has other examples, or a formula cannot be read; the errors of the
/// sources.
pub fn shifts(
    [base, run]: [RunMasks<'_>; 2],
    set: &ProbeSet,
    (partition, map): (&Partition, &PositionMap),
    split: Option<&Split>,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Shifts> {
    let n = set.examples.len();
    let grid = set.source.grid();
    if grid.positions() != 1 {
        return Err(Error::mismatch(
            "positions of an example",
            grid.positions(),
            "1: drift is measured on words and texts",
        ));
    }
    let all: Vec<usize> = (0..n).collect();
    let examples = split.map_or(&all[..], |split| &split.held_out);
    let cells: Vec<u32> = examples.iter().map(|e| map.cells_of(*e).first().copied().unwrap_or(u32::MAX)).collect();
    let truth = |unit: &Explanation| -> Result<Option<Vec<bool>>> {
        let Some(text) = &unit.formula else { return Ok(None) };
        let formula = Formula::parse(text, &set.vocabulary).map_err(|e| {
            Error::mismatch(format!("formula of unit {}", unit.unit), e, "one over the probe set's concepts")
        })?;
        let inside = partition.evaluate(&formula);
        Ok(Some(cells.iter().map(|cell| *cell != u32::MAX && inside.contains(*cell)).collect()))
    };
    let find = |unit: usize| {
        let units = &run.explanations.units;
        units.binary_search_by_key(&unit, |u| u.unit).ok().map(|at| &units[at])
    };
    let in_both = base.explanations.units.iter().filter_map(|before| Some((before, find(before.unit)?)));
    let pairs: Vec<(&Explanation, &Explanation)> =
        in_both.filter(|(before, after)| before.formula.is_some() || after.formula.is_some()).collect();
    let mut found = Vec::with_capacity(pairs.len());
    for block in pairs.chunks((VALUES / n.max(1)).max(1)) {
        let befores = fires(base.firing, block.iter().map(|(before, _)| *before), examples, map, progress)?;
        let afters = fires(run.firing, block.iter().map(|(_, after)| *after), examples, map, progress)?;
        progress.stage("drift", "units", pairs.len());
        let measured = block.par_iter().zip(befores).zip(afters).map(|(((before, after), then), now)| {
            let nothing = || vec![false; examples.len()];
            let formulas = [truth(before)?.unwrap_or_else(nothing), truth(after)?.unwrap_or_else(nothing)];
            let groups = split.map(|split| split.groups());
            Ok(shift(before.unit, [&formulas[0], &formulas[1]], [&then, &now], groups, seed))
        });
        found.extend(measured.collect::<Result<Vec<Shift>>>()?);
        progress.done(found.len());
    }
    let p: Vec<f64> = found.iter().filter_map(|shift| shift.p).collect();
    if p.len() == found.len() {
        found.iter_mut().zip(benjamini_hochberg(&p)).for_each(|(shift, q)| shift.q = Some(q));
    }
    found.sort_by(|a, b| b.lost.total_cmp(&a.lost).then(a.unit.cmp(&b.unit)));
    let held_out_groups = split.map(|split| split.universe().groups);
    Ok(Shifts { examples: examples.len(), held_out_groups, units: found })
}

/// Whether each unit fires on each of `examples` (ascending), which have one position each.
fn fires<'a>(
    firing: Firing<'_>,
    units: impl Iterator<Item = &'a Explanation>,
    examples: &[usize],
    map: &PositionMap,
    progress: &dyn Progress,
) -> Result<Vec<Vec<bool>>> {
    // Of masks there is no threshold.
    let bands: Vec<Band> = units.map(|unit| Band::above(unit.unit, unit.threshold.unwrap_or_default())).collect();
    let patterns = patterns(firing, &bands, map, "hit patterns", progress)?;
    let mut places = vec![None; map.n_examples()];
    examples.iter().enumerate().for_each(|(place, example)| places[*example] = Some(place));
    let mut counter = Counter::default();
    let mut found = vec![vec![false; examples.len()]; bands.len()];
    for (unit, fires) in found.iter_mut().enumerate() {
        let each =
            |example: u32, _: &[u32]| places[example as usize].into_iter().for_each(|place: usize| fires[place] = true);
        patterns.count(unit, map, &mut counter, |example| example, each)?;
    }
    Ok(found)
}

/// Of a mask: its area, and what it has in common with either formula.
type Sums = [i64; 3];

/// Compares a unit's masks, in the base and in the run, with the formulas of both; `groups` has the group of each example.
pub fn shift(unit: usize, formulas: [&[bool]; 2], masks: [&[bool]; 2], groups: Option<&[u32]>, seed: u64) -> Shift {
    let count = |of: &dyn Fn(usize) -> bool| (0..masks[0].len()).filter(|i| of(*i)).count() as i64;
    let areas = formulas.map(|formula| count(&|i| formula[i]));
    let both = count(&|i| formulas[0][i] && formulas[1][i]);
    let sums = |mask: &[bool]| -> Sums {
        let with = |formula: &[bool]| count(&|i| mask[i] && formula[i]);
        [count(&|i| mask[i]), with(formulas[0]), with(formulas[1])]
    };
    let whole = masks.map(sums);
    let iou = |sums: &Sums, formula: usize| ratio(sums[formula + 1], areas[formula] + sums[0] - sums[formula + 1]);
    // By how much each mask fits the formula of its own run better than that of the other.
    let own = |base: &Sums, run: &Sums| iou(base, 0) - iou(base, 1) + iou(run, 1) - iou(run, 0);
    let p = groups.map(|groups| {
        let found = own(&whole[0], &whole[1]);
        let mut by_group = vec![[0; 3]; groups.iter().max().map_or(0, |last| *last as usize + 1)];
        for (i, group) in groups.iter().enumerate() {
            // What the base's mask gains and the run's loses where the two change places.
            let gain = i64::from(masks[1][i]) - i64::from(masks[0][i]);
            let sums: &mut Sums = &mut by_group[*group as usize];
            sums[0] += gain;
            sums[1] += gain * i64::from(formulas[0][i]);
            sums[2] += gain * i64::from(formulas[1][i]);
        }
        by_group.retain(|sums| *sums != [0; 3]);
        let exchanged = |random: &mut Random| {
            let [mut base, mut run] = whole;
            for gains in by_group.chunks(64) {
                let coins = random.bits();
                for (_, gain) in gains.iter().enumerate().filter(|(at, _)| coins >> at & 1 == 1) {
                    for k in 0..3 {
                        base[k] += gain[k];
                        run[k] -= gain[k];
                    }
                }
            }
            own(&base, &run)
        };
        p_of(found, exchanged, seed, unit)
    });
    let [base_then, base_now] = [iou(&whole[0], 0), iou(&whole[1], 0)];
    let own_now = iou(&whole[1], 1);
    let formulas = ratio(both, areas[0] + areas[1] - both);
    Shift { unit, formulas, base_then, base_now, own_now, lost: own_now - base_now, p, q: None }
}

/// The share of draws that reach `found`, the found one among them.
fn p_of(found: f64, draw: impl Fn(&mut Random) -> f64, seed: u64, unit: usize) -> f64 {
    let mut random = Random::new(seed, Purpose::Shift, unit as u64);
    let mut reached = 0;
    for drawn in 1..=DRAWS {
        // Sums in another order differ in their last bits.
        reached += u64::from(draw(&mut random) >= found - 1e-12);
        if reached == ENOUGH {
            return reached as f64 / drawn as f64;
        }
    }
    (reached + 1) as f64 / (DRAWS + 1) as f64
}

fn ratio(n: i64, d: i64) -> f64 {
    if n == 0 { 0.0 } else { n as f64 / d as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two formulas on `n` examples, and masks that are noisy copies of `rules`: each value is another one with the
    /// probability `noise`.
    fn unit(n: usize, seed: u64, rules: [usize; 2], noise: f64) -> ([Vec<bool>; 2], [Vec<bool>; 2]) {
        let mut random = Random::new(seed, Purpose::Noise, 7);
        let mut share = || random.bits() as f64 / u64::MAX as f64;
        let formulas = [0, 1].map(|_| (0..n).map(|_| share() < 0.15).collect::<Vec<bool>>());
        let masks = rules.map(|rule| formulas[rule].iter().map(|on| *on != (share() < noise)).collect());
        (formulas, masks)
    }

    fn groups(n: usize) -> Vec<u32> {
        (0..n).map(|i| (i / 8) as u32).collect()
    }

    fn p(unit_: usize, of: &([Vec<bool>; 2], [Vec<bool>; 2])) -> f64 {
        let (formulas, masks) = of;
        shift(unit_, [&formulas[0], &formulas[1]], [&masks[0], &masks[1]], Some(&groups(formulas[0].len())), 3)
            .p
            .unwrap()
    }

    #[test]
    fn without_a_shift_a_twentieth_of_the_units_have_a_p_below_a_twentieth() {
        // Both masks are copies of the rule "either formula" with noise of their own.
        let all: Vec<f64> = (0..2000)
            .into_par_iter()
            .map(|seed| {
                let (formulas, _) = unit(400, seed, [0, 1], 0.0);
                let mut random = Random::new(seed, Purpose::Noise, 8);
                let mut copy = || {
                    let on = formulas[0].iter().zip(&formulas[1]).map(|(a, b)| a | b);
                    on.map(|on| on != (random.bits() % 100 < 15)).collect::<Vec<bool>>()
                };
                let masks = [copy(), copy()];
                p(seed as usize, &(formulas, masks))
            })
            .collect();
        let below = |at: f64| all.iter().filter(|p| **p < at).count() as f64 / all.len() as f64;
        // Three standard errors of a share of 2,000.
        for at in [0.05, 0.2, 0.5] {
            let error = 3.0 * (at * (1.0 - at) / 2000.0_f64).sqrt();
            assert!((below(at) - at).abs() < error, "{} below {at}", below(at));
        }
    }

    #[test]
    fn units_that_swapped_their_rules_are_found_and_few_others() {
        // The rate is an average over sets: each has 60 units, of which 9 swapped their rules.
        let sets: Vec<[usize; 2]> = (0..40_usize)
            .into_par_iter()
            .map(|set| {
                let one = |i: usize| p(i, &unit(800, (60 * set + i) as u64, [0, usize::from(i < 9)], 0.05));
                let q = benjamini_hochberg(&(0..60).map(one).collect::<Vec<f64>>());
                let found = |swapped: bool| (0..60).filter(|i| q[*i] < 0.05 && (*i < 9) == swapped).count();
                [found(true), found(false)]
            })
            .collect();
        assert!(sets.iter().all(|[right, _]| *right == 9), "{sets:?}");
        let false_share = |[right, wrong]: &[usize; 2]| *wrong as f64 / (right + wrong) as f64;
        let rate = sets.iter().map(false_share).sum::<f64>() / sets.len() as f64;
        // The rate of the procedure is 0.05 * 51 / 60; its standard error over 40 sets is below 0.012.
        assert!(rate < 0.0425 + 3.0 * 0.012, "{rate}: {sets:?}");
    }

    #[test]
    fn scores_are_those_of_a_count_by_hand() {
        let bits = |text: &str| text.bytes().map(|b| b == b'1').collect::<Vec<bool>>();
        let [f, g, then, now] = ["11110000", "00111100", "11100001", "00011100"].map(bits);
        let found = shift(4, [&f, &g], [&then, &now], None, 0);
        let expected = Shift {
            unit: 4,
            formulas: 2.0 / 6.0,
            base_then: 3.0 / 5.0,
            base_now: 1.0 / 6.0,
            own_now: 3.0 / 4.0,
            lost: 3.0 / 4.0 - 1.0 / 6.0,
            p: None,
            q: None,
        };
        assert_eq!(found, expected);
        // The same formula in both: nothing that an exchange could change.
        let same = shift(4, [&f, &f], [&then, &now], Some(&[0, 0, 1, 1, 2, 2, 3, 3]), 0);
        assert_eq!((same.p, same.lost, same.formulas), (Some(1.0), 0.0, 1.0));
    }
}
