//! Activation ranges: a unit's positive values divided into ranges, so that each range can be explained by itself.
//!
//! The cuts of a unit follow from the values of its low-resolution maps that are above zero. No pass keeps the values: cuts
//! of equal counts come from three rounds of counting, those of k-means from a histogram.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::activation::ActivationSource;
use crate::error::{Error, Result};
use crate::threshold::for_each_block;

/// How the positive values of a unit are divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeConfig {
    /// The number of ranges, from 2 to [`RangeConfig::MOST`].
    pub count: usize,
    /// Where the cuts are.
    pub cuts: RangeCuts,
}

/// Where the cuts between ranges are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RangeCuts {
    /// Every range holds as many values; values that are equal stay together.
    EqualCounts,
    /// The sum of the squared distances from the means of the ranges is as small as possible. Values within 1/128 of an
    /// octave count as one.
    KMeans,
}

/// One range of a unit's activation: a position is in it if `lo < activation <= hi`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// The number of the range, counted from 1 in ascending order.
    pub k: usize,
    /// The lower end, not part of the range.
    pub lo: f64,
    /// The upper end, part of the range; none for the last range.
    pub hi: Option<f64>,
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.hi {
            Some(hi) => write!(f, "{:.4} < value <= {hi:.4}", self.lo),
            None => write!(f, "value > {:.4}", self.lo),
        }
    }
}

impl RangeConfig {
    /// The greatest number of ranges.
    pub const MOST: usize = 16;

    /// Checks the number of ranges.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if it is not from 2 to 16.
    pub fn check(self) -> Result<()> {
        match (2..=Self::MOST).contains(&self.count) {
            true => Ok(()),
            false => Err(Error::mismatch("activation ranges of a unit", self.count, format!("2 to {}", Self::MOST))),
        }
    }
}

/// Counters kept at once, 8 bytes each.
const COUNTERS: usize = 1 << 25;

/// The bits of a positive f32 below its sign, in three parts: order of bits is order of values.
const PARTS: [(u32, u32); 3] = [(20, 11), (10, 10), (0, 10)];

/// The ranges of each of `units`, in order. A unit without a positive value has empty ranges, whose ends are 0. Activations
/// must be finite, which [`crate::threshold::thresholds`] checks. Calls `progress` with the number of values that were read,
/// in examples: the source is read once or more.
///
/// # Errors
/// [`Error::Mismatch`] for a number of ranges that [`RangeConfig::check`] refuses; [`Error::Source`] if the source cannot be
/// read.
pub fn ranges(
    source: &dyn ActivationSource,
    units: &[usize],
    config: RangeConfig,
    progress: &dyn Fn(usize),
) -> Result<Vec<Vec<Range>>> {
    config.check()?;
    let cuts = match config.cuts {
        RangeCuts::EqualCounts => {
            let at_once = COUNTERS / ((1 << PARTS[0].1) + (config.count - 1) * (1 << PARTS[1].1));
            let parts = units.chunks(at_once.max(1)).map(|units| equal_counts(source, units, config.count, progress));
            parts.collect::<Result<Vec<_>>>()?.concat()
        }
        RangeCuts::KMeans => k_means(source, units, config.count, progress)?,
    };
    Ok(cuts.iter().map(|cuts| between(cuts)).collect())
}

/// The ranges of one unit with these positive values.
pub(crate) fn ranges_of(mut values: Vec<f32>, config: RangeConfig) -> Vec<Range> {
    let cuts = match config.cuts {
        RangeCuts::EqualCounts => {
            values.sort_unstable_by(f32::total_cmp);
            let rank = |k: usize| k * values.len() / config.count;
            (1..config.count).map(|k| rank(k).checked_sub(1).map_or(0.0, |at| values[at])).collect()
        }
        RangeCuts::KMeans => {
            let mut bins = Bins::new();
            values.iter().for_each(|v| add(&mut bins, *v));
            clusters(&bins, config.count)
        }
    };
    between(&cuts)
}

/// The ranges that ascending cuts divide the positive values into.
fn between(cuts: &[f32]) -> Vec<Range> {
    let lows = [0.0].into_iter().chain(cuts.iter().map(|c| f64::from(*c)));
    let highs = cuts.iter().map(|c| Some(f64::from(*c))).chain([None]);
    lows.zip(highs).enumerate().map(|(i, (lo, hi))| Range { k: i + 1, lo, hi }).collect()
}

/// Calls `add` for every positive value of every unit, the values of a unit in the order of the source.
fn for_each_positive<T: Send>(
    source: &dyn ActivationSource,
    units: &[usize],
    states: &mut [T],
    progress: &dyn Fn(usize),
    add: impl Fn(&mut T, f32) + Sync,
) -> Result<()> {
    let (positions, n_units) = (source.grid().positions(), source.n_units());
    for_each_block(source, |first, block| {
        states.par_iter_mut().zip(units).for_each(|(state, unit)| {
            for example in block.chunks_exact(n_units * positions) {
                let values = &example[unit * positions..][..positions];
                values.iter().filter(|v| **v > 0.0).for_each(|v| add(state, *v));
            }
        });
        progress(first + block.len() / (n_units * positions));
        Ok(())
    })
}

/// A value that is looked for by its rank: the bits known so far, and its rank, from 1, among the values that share them.
#[derive(Clone, Copy)]
struct Wanted {
    bits: u32,
    rank: u64,
}

/// One unit while the values at its cuts are looked for.
struct Selection {
    wanted: Vec<Wanted>,
    /// For each wanted value the number of values by their next bits.
    counts: Vec<Vec<u64>>,
}

/// The cuts of each unit: of `m` positive values the one of rank `k m / count`, for each `k` below `count`.
fn equal_counts(
    source: &dyn ActivationSource,
    units: &[usize],
    count: usize,
    progress: &dyn Fn(usize),
) -> Result<Vec<Vec<f32>>> {
    let (shift, width) = PARTS[0];
    let mut first: Vec<Vec<u64>> = vec![vec![0; 1 << width]; units.len()];
    for_each_positive(source, units, &mut first, progress, |counts, v| counts[(v.to_bits() >> shift) as usize] += 1)?;
    let begin = |counts: Vec<u64>| {
        let m: u64 = counts.iter().sum();
        let ranks = (1..count as u64).map(|k| k * m / count as u64);
        let wanted = ranks.map(|rank| descend(Wanted { bits: 0, rank }, &counts, shift)).collect();
        Selection { wanted, counts: Vec::new() }
    };
    let mut found: Vec<Selection> = first.into_iter().map(begin).collect();
    for (shift, width) in &PARTS[1..] {
        for unit in &mut found {
            unit.counts = vec![vec![0; 1 << width]; unit.wanted.len()];
        }
        for_each_positive(source, units, &mut found, progress, |unit, v| {
            let bits = v.to_bits();
            for (wanted, counts) in unit.wanted.iter().zip(&mut unit.counts) {
                if (bits ^ wanted.bits) >> (shift + width) == 0 {
                    counts[(bits >> shift) as usize & ((1 << width) - 1)] += 1;
                }
            }
        })?;
        for unit in &mut found {
            for (wanted, counts) in unit.wanted.iter_mut().zip(&unit.counts) {
                *wanted = descend(*wanted, counts, *shift);
            }
        }
    }
    // A rank of 0 stands for no value: the range below it is empty.
    let value = |w: &Wanted| if w.rank == 0 { 0.0 } else { f32::from_bits(w.bits) };
    Ok(found.iter().map(|unit| unit.wanted.iter().map(value).collect()).collect())
}

/// Adds the next bits of a wanted value, whose place among `counts` its rank tells.
fn descend(wanted: Wanted, counts: &[u64], shift: u32) -> Wanted {
    let mut rank = wanted.rank;
    if rank == 0 {
        return wanted;
    }
    for (bin, n) in (0u32..).zip(counts) {
        if rank <= *n {
            return Wanted { bits: wanted.bits | bin << shift, rank };
        }
        rank -= n;
    }
    wanted
}

/// Values whose bits differ only below this one share a bin.
const BIN: u32 = 16;

/// Values of a bin: how many, and their sum.
type Bins = BTreeMap<u32, (f64, f64)>;

/// The cuts of each unit that minimise the sum of squared distances from the means.
fn k_means(
    source: &dyn ActivationSource,
    units: &[usize],
    count: usize,
    progress: &dyn Fn(usize),
) -> Result<Vec<Vec<f32>>> {
    let mut bins: Vec<Bins> = vec![Bins::new(); units.len()];
    for_each_positive(source, units, &mut bins, progress, add)?;
    Ok(bins.par_iter().map(|bins| clusters(bins, count)).collect())
}

fn add(bins: &mut Bins, value: f32) {
    let (n, sum) = bins.entry(value.to_bits() >> BIN).or_default();
    *n += 1.0;
    *sum += f64::from(value);
}

/// The ends of the bins after which a cluster ends. Without as many bins as clusters the last clusters are empty.
fn clusters(bins: &Bins, count: usize) -> Vec<f32> {
    // Sums over the first bins: of the numbers, of the values, and of the squares of the bins' means.
    let mut sums = vec![[0.0f64; 3]];
    for (n, sum) in bins.values() {
        let [a, b, c] = sums[sums.len() - 1];
        sums.push([a + n, b + sum, c + sum * sum / n]);
    }
    let cost = |from: usize, to: usize| {
        let [n, sum, squares] = std::array::from_fn(|i| sums[to][i] - sums[from][i]);
        (squares - sum * sum / n).max(0.0)
    };
    let n = bins.len();
    let ends: Vec<f32> = bins.keys().map(|bin| f32::from_bits(((bin + 1) << BIN) - 1)).collect();
    let used = count.min(n);
    // Entry `i`: the least cost of the first `i` bins in so many clusters, and where the last of these begins.
    let mut least: Vec<f64> = (0..=n).map(|to| if to == 0 { 0.0 } else { cost(0, to) }).collect();
    let mut starts: Vec<Vec<usize>> = Vec::new();
    for parts in 2..=used {
        let (mut next, mut start) = (vec![f64::INFINITY; n + 1], vec![0; n + 1]);
        // The best start grows with the end, so that each half of the ends has its own part of the starts.
        let mut open = vec![(parts, n, parts - 1, n - 1)];
        while let Some((low, high, first, last)) = open.pop() {
            if low > high {
                continue;
            }
            let end = low + (high - low) / 2;
            let starts = least.iter().enumerate().take(end.min(last + 1)).skip(first);
            for (from, before) in starts {
                let value = before + cost(from, end);
                if value < next[end] {
                    (next[end], start[end]) = (value, from);
                }
            }
            open.push((low, end - 1, first, start[end]));
            open.push((end + 1, high, start[end], last));
        }
        least = next;
        starts.push(start);
    }
    let (mut at, mut cuts) = (n, Vec::new());
    for start in starts.iter().rev() {
        at = start[at];
        cuts.push(ends[at - 1]);
    }
    cuts.reverse();
    cuts.resize(count - 1, ends.last().copied().unwrap_or(0.0));
    cuts
}

#[cfg(test)]
mod tests {
    use ndarray::ArrayView4;
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[f32], count: usize, cuts: RangeCuts) -> Vec<Range> {
        let view = ArrayView4::from_shape((values.len(), 1, 1, 1), values).unwrap();
        ranges(&view, &[0], RangeConfig { count, cuts }, &|_| ()).unwrap().remove(0)
    }

    fn members(values: &[f32], range: &Range) -> Vec<f32> {
        let inside = |v: &&f32| f64::from(**v) > range.lo && range.hi.is_none_or(|hi| f64::from(**v) <= hi);
        values.iter().filter(inside).copied().collect()
    }

    #[test]
    fn silent_units_have_empty_ranges() {
        for cuts in [RangeCuts::EqualCounts, RangeCuts::KMeans] {
            for range in of(&[0.0, -1.0, -0.0], 3, cuts) {
                assert!(range.lo == 0.0 && range.hi.is_none_or(|hi| hi == 0.0), "{range:?}");
            }
        }
    }

    #[test]
    fn numbers_of_ranges_are_bounded() {
        for count in [0, 1, 17] {
            let config = RangeConfig { count, cuts: RangeCuts::KMeans };
            assert!(config.check().unwrap_err().to_string().contains("2 to 16"), "{count}");
        }
    }

    /// The least sum of squares over all divisions of sorted values.
    fn brute(sorted: &[f64], parts: usize) -> f64 {
        let cost = |part: &[f64]| {
            let mean = part.iter().sum::<f64>() / part.len() as f64;
            part.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
        };
        if parts == 1 {
            return cost(sorted);
        }
        let ends = 1..=sorted.len() - (parts - 1);
        ends.map(|end| cost(&sorted[..end]) + brute(&sorted[end..], parts - 1)).fold(f64::INFINITY, f64::min)
    }

    proptest! {
        #[test]
        fn equal_counts_are_those_of_sorted_values(
            values in proptest::collection::vec(-40i32..200, 1..300), count in 2usize..7, blocks in 1usize..4,
        ) {
            let values: Vec<f32> = values.into_iter().map(|v| v as f32 / 13.0).collect();
            // Two units and several positions: the second is the first, negated.
            let positions = if values.len().is_multiple_of(blocks) { blocks } else { 1 };
            let rows = values.chunks(positions).flat_map(|row| row.iter().copied().chain(row.iter().map(|v| -v)));
            let rows: Vec<f32> = rows.collect();
            let view = ArrayView4::from_shape((values.len() / positions, 2, 1, positions), &rows).unwrap();
            let config = RangeConfig { count, cuts: RangeCuts::EqualCounts };
            let found = ranges(&view, &[1, 0], config, &|_| ()).unwrap();
            for (sign, found) in [(-1.0, &found[0]), (1.0, &found[1])] {
                let mut sorted: Vec<f32> = values.iter().map(|v| sign * v).filter(|v| *v > 0.0).collect();
                sorted.sort_by(f32::total_cmp);
                let rank = |k: usize| k * sorted.len() / count;
                let cut = |k: usize| rank(k).checked_sub(1).map_or(0.0, |i| f64::from(sorted[i]));
                for (i, range) in found.iter().enumerate() {
                    prop_assert_eq!((range.k, range.lo), (i + 1, cut(i)));
                    prop_assert_eq!(range.hi, (i + 1 < count).then(|| cut(i + 1)));
                }
                prop_assert_eq!(found, &ranges_of(sorted.iter().rev().copied().collect(), config));
                let all: usize = found.iter().map(|r| members(&values.iter().map(|v| sign * v).collect::<Vec<_>>(), r).len()).sum();
                prop_assert_eq!(all, sorted.len());
            }
        }

        #[test]
        fn k_means_finds_the_least_sum_of_squares(steps in proptest::collection::vec(1u32..60, 2..11), count in 2usize..5) {
            // Each value is the only one of its bin.
            let mut bin = 0x3e80;
            let bins = steps.iter().map(|step| { bin += step; f32::from_bits(bin << BIN) });
            let values: Vec<f32> = bins.collect();
            let sorted: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
            let found = of(&values, count, RangeCuts::KMeans);
            let cost: f64 = found.iter().map(|range| {
                let members = members(&values, range);
                let mean = members.iter().map(|v| f64::from(*v)).sum::<f64>() / members.len().max(1) as f64;
                members.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>()
            }).sum();
            let least = brute(&sorted, count.min(sorted.len()));
            prop_assert!((cost - least).abs() <= 1e-9 * (1.0 + sorted.iter().map(|v| v * v).sum::<f64>()), "{cost} {least}");
        }
    }
}
