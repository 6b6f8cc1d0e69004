//! How formulas go with the values of units, not only with where they fire, on examples of one position.

use compexp_core::activation::ActivationSource;
use compexp_core::explanation::HeldOutActivation;
use compexp_core::partition::{Partition, PositionMap};
use compexp_core::search::SearchResult;
use compexp_core::sparse::SparseSource;
use rayon::prelude::*;

use crate::{Error, Result};

/// The values that are held in memory at once.
const VALUES: usize = 1 << 26;

/// Values that are read at once.
const BLOCK: usize = 1 << 20;

/// Compares the formula of every unit, the last of its result, with the unit's values; none for units without a formula.
///
/// `source` has one value per example, and `map` one position. The file is read once for every `VALUES` values of the units.
///
/// # Errors
/// [`Error::Mismatch`] if the examples differ in number, [`Error::Source`] if values cannot be read.
pub(super) fn compare(
    source: &dyn ActivationSource,
    partition: &Partition,
    map: &PositionMap,
    units: &[usize],
    results: &[SearchResult],
) -> Result<Vec<Option<HeldOutActivation>>> {
    let (n, width) = (source.n_examples(), source.n_units());
    if n != map.n_examples() {
        return Err(Error::mismatch("examples of the activations", n, map.n_examples()));
    }
    let mut all = Vec::with_capacity(units.len());
    let at_once = (VALUES / n.max(1)).max(1);
    for (units, results) in units.chunks(at_once).zip(results.chunks(at_once)) {
        let mut values: Vec<Vec<f32>> = vec![Vec::with_capacity(n); units.len()];
        let mut block = Vec::new();
        let examples = (BLOCK / width.max(1)).max(1);
        for first in (0..n).step_by(examples) {
            block.resize(examples.min(n - first) * width, 0.0);
            source.read(first, &mut block)?;
            for row in block.chunks_exact(width) {
                values.iter_mut().zip(units).for_each(|(values, unit)| values.push(row[*unit]));
            }
        }
        let of_unit = |(values, result): (Vec<f32>, &SearchResult)| {
            let set = partition.evaluate(&result.by_length.last()?.formula);
            let truth: Vec<bool> = (0..n).map(|i| map.cells_of(i).iter().any(|cell| set.contains(*cell))).collect();
            Some(of(&values, &truth))
        };
        all.par_extend(values.into_par_iter().zip(results).map(of_unit));
    }
    Ok(all)
}

/// As [`compare`], for sparse activations, whose other values are 0; `units` are ascending.
///
/// # Errors
/// The errors of [`compare`].
pub(super) fn compare_sparse(
    source: &dyn SparseSource,
    partition: &Partition,
    map: &PositionMap,
    units: &[usize],
    results: &[SearchResult],
) -> Result<Vec<Option<HeldOutActivation>>> {
    let n = source.n_examples();
    if n != map.n_examples() {
        return Err(Error::mismatch("examples of the activations", n, map.n_examples()));
    }
    let mut all = Vec::with_capacity(units.len());
    for (number, span) in source.blocks().into_iter().enumerate() {
        let of_block = units.partition_point(|u| *u < span.start)..units.partition_point(|u| *u < span.end);
        if of_block.is_empty() {
            continue;
        }
        let block = source.read(number)?;
        let of_unit = |(unit, result): (&usize, &SearchResult)| {
            let set = partition.evaluate(&result.by_length.last()?.formula);
            let (places, values) = block.of(*unit);
            let truth = |example: &u32| map.cells_of(*example as usize).iter().any(|cell| set.contains(*cell));
            let entries: Vec<(f32, bool)> = values.iter().copied().zip(places.iter().map(truth)).collect();
            Some(of_sparse(entries, n, partition.area_of(&set) as usize))
        };
        all.par_extend(units[of_block.clone()].par_iter().zip(&results[of_block]).map(of_unit));
    }
    Ok(all)
}

/// Compares the values of one unit on `n` examples with a formula that is true on `positives` of them: the `entries` are values
/// with the formula's truth, all others are 0.
fn of_sparse(mut entries: Vec<(f32, bool)>, n: usize, positives: usize) -> HeldOutActivation {
    // Highest first; the examples without an entry stand where 0 does.
    entries.retain(|(value, _)| *value != 0.0);
    entries.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let with_entry = entries.iter().filter(|(_, truth)| *truth).count();
    let above = entries.partition_point(|(value, _)| *value > 0.0);
    let group = |equal: &[(f32, bool)]| (equal.len(), equal.iter().filter(|(_, truth)| *truth).count());
    let groups = |part: &[(f32, bool)]| part.chunk_by(|a, b| a.0 == b.0).map(group).collect::<Vec<_>>();
    let zeros = (n - entries.len(), positives.saturating_sub(with_entry));
    let (mut seen, mut found, mut area) = (0usize, 0usize, 0.0);
    for (equal, new) in groups(&entries[..above]).into_iter().chain([zeros]).chain(groups(&entries[above..])) {
        (seen, found) = (seen + equal, found + new);
        area += new as f64 * found as f64 / seen.max(1) as f64;
    }
    // As for pairs that are written down: of two examples, or of equal values, there is no correlation.
    let zeros = n > entries.len();
    let varies = n > 2 && entries.iter().any(|(value, _)| zeros || *value != entries[0].0);
    let (n, p) = (n as f64, positives as f64);
    let mean = entries.iter().map(|(value, _)| f64::from(*value)).sum::<f64>() / n;
    let squares: f64 = entries.iter().map(|(value, _)| (f64::from(*value) - mean).powi(2)).sum();
    let variance = squares + (n - entries.len() as f64) * mean * mean;
    let together: f64 = entries.iter().filter(|(_, truth)| *truth).map(|(value, _)| f64::from(*value)).sum();
    let spread = (variance * p * (n - p) / n).sqrt();
    HeldOutActivation {
        correlation: (varies && spread > 0.0).then(|| ((together - p * mean) / spread).clamp(-1.0, 1.0)),
        auprc: (found > 0).then(|| area / found as f64),
        base_rate: p / n.max(1.0),
    }
}

/// Compares the values of one unit with the truth of a formula.
fn of(values: &[f32], truth: &[bool]) -> HeldOutActivation {
    let pairs: Vec<(f64, f64)> =
        values.iter().zip(truth).map(|(value, truth)| (f64::from(*value), f64::from(u8::from(*truth)))).collect();
    let positives = truth.iter().filter(|truth| **truth).count();
    HeldOutActivation {
        correlation: super::pearson(&pairs).map(|found| found.r),
        auprc: average_precision(values, truth),
        base_rate: positives as f64 / truth.len().max(1) as f64,
    }
}

/// The area under the curve of precision and recall of finding where `truth` holds by the highest values: for every
/// distinct value the precision among values at least as high, weighted by the growth of the recall. None where `truth`
/// holds nowhere.
fn average_precision(values: &[f32], truth: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*b].total_cmp(&values[*a]));
    let (mut seen, mut found, mut sum) = (0usize, 0usize, 0.0);
    // Zeros of both signs are equal.
    for equal in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let new = equal.iter().filter(|i| truth[**i]).count();
        (seen, found) = (seen + equal.len(), found + new);
        sum += new as f64 * found as f64 / seen as f64;
    }
    (found > 0).then(|| sum / found as f64)
}

#[cfg(test)]
mod tests {
    use compexp_core::random::Random;

    use super::*;
    use crate::random::Purpose;

    /// The definition, threshold by threshold.
    fn slow(values: &[f32], truth: &[bool]) -> Option<f64> {
        let positives = truth.iter().filter(|t| **t).count();
        let mut cuts: Vec<f32> = values.to_vec();
        cuts.sort_unstable_by(f32::total_cmp);
        cuts.dedup();
        let (mut sum, mut recall) = (0.0, 0.0);
        for cut in cuts.iter().rev() {
            let above = values.iter().zip(truth).filter(|(v, _)| *v >= cut);
            let (n, hits) = above.fold((0usize, 0usize), |(n, hits), (_, t)| (n + 1, hits + usize::from(*t)));
            let next = hits as f64 / positives as f64;
            sum += (next - recall) * hits as f64 / n as f64;
            recall = next;
        }
        (positives > 0).then_some(sum)
    }

    #[test]
    fn areas_are_those_of_the_definition() {
        let mut random = Random::new(5, Purpose::Bootstrap, 0);
        for case in 0..400 {
            let n = 1 + random.below(40);
            // Few distinct values, so that many are equal.
            let values: Vec<f32> = (0..n).map(|_| random.below(1 + case % 12) as f32 / 4.0 - 1.0).collect();
            let truth: Vec<bool> = (0..n).map(|_| random.chance(0.3)).collect();
            let (found, expected) = (of(&values, &truth), slow(&values, &truth));
            match (found.auprc, expected) {
                (Some(a), Some(b)) => assert!((a - b).abs() < 1e-12, "{a} {b}"),
                (a, b) => assert_eq!(a, b),
            }
            assert_eq!(found.base_rate, truth.iter().filter(|t| **t).count() as f64 / n as f64);
        }
    }

    #[test]
    fn sparse_values_are_compared_as_if_their_zeros_were_given() {
        let mut random = Random::new(6, Purpose::Bootstrap, 0);
        for case in 0..400 {
            let n = 2 + random.below(40);
            let values: Vec<f32> = (0..n)
                .map(|_| if random.chance(0.6) { 0.0 } else { random.below(2 + case % 12) as f32 / 4.0 - 1.0 })
                .collect();
            let truth: Vec<bool> = (0..n).map(|_| random.chance(0.4)).collect();
            let entries: Vec<(f32, bool)> =
                values.iter().copied().zip(truth.iter().copied()).filter(|e| e.0 != 0.0).collect();
            let (found, expected) = (of_sparse(entries, n, truth.iter().filter(|t| **t).count()), of(&values, &truth));
            for (a, b) in [(found.auprc, expected.auprc), (found.correlation, expected.correlation)] {
                match (a, b) {
                    (Some(a), Some(b)) => assert!((a - b).abs() < 1e-9, "{a} {b}"),
                    (a, b) => assert_eq!(a, b, "{values:?} {truth:?}"),
                }
            }
            assert_eq!(found.base_rate, expected.base_rate);
        }
    }

    #[test]
    fn known_values() {
        let found = of(&[3.0, 2.0, 1.0, 0.0], &[true, false, true, false]);
        assert_eq!(found.auprc, Some((1.0 + 2.0 / 3.0) / 2.0));
        assert!((found.correlation.unwrap() - 1.0 / 5f64.sqrt()).abs() < 1e-12);
        // A formula that holds everywhere, and one that holds nowhere, say nothing.
        assert_eq!(of(&[1.0, 2.0, 3.0], &[true; 3]).correlation, None);
        assert_eq!(of(&[1.0, 2.0, 3.0], &[false; 3]).auprc, None);
    }
}
