//! The proven optimum: no formula of the grammar has a higher IoU.
//!
//! The grammar is that of the other searches: left-deep chains of AND, OR and AND NOT, the first literal positive,
//! NEIGHBORS among the literals. Up to three literals a chain that repeats one is equal to a shorter one, so that chains
//! of distinct literals are all that is looked at.

mod anytime;
mod best;
mod full;
mod pairs;
mod shapes;
mod triples;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use self::anytime::{Known, Limits};
use self::best::Best;
use self::pairs::Pairs;
use self::triples::Decided;
use super::chain::{Chain, Op};
use super::{Found, Mode, SearchConfig, SearchResult, Status, beam};
use crate::formula::Formula;
use crate::partition::Partition;
use crate::profile::Profile;
use crate::score::{Counts, Metric};
use crate::{Error, Result};

/// Which formulas the exact search looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Grammar {
    /// Left-deep chains of AND, OR and AND NOT, as the other searches make them.
    #[default]
    Chains,
    /// Every Boolean function of up to three literals, constants aside.
    Full,
}

/// How to search for the optimum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ExactConfig {
    /// Which formulas are looked at.
    pub grammar: Grammar,
    /// Formulas of more than three literals are searched for so many seconds a unit, at least 0; as long as it takes
    /// where there is none. What is found in a limited time depends on the machine.
    pub seconds: Option<f64>,
    /// The search of a unit stops when no formula can be better than the best by more than this in IoU; in [0, 1].
    pub gap: f64,
}

impl ExactConfig {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Checks the settings that only matter here.
///
/// # Errors
/// [`Error::Mismatch`] for what cannot be proven, and for settings out of their range.
pub(super) fn check(config: &SearchConfig) -> Result<()> {
    let refuse = |what: &str, found: &dyn ToString, expected: &str| {
        Err(Error::mismatch(format!("{what} of an exact search"), found.to_string(), expected))
    };
    if !matches!(config.metric, Metric::Iou | Metric::F1) {
        // Precision is greatest on a handful of positions, recall on everything: their bounds rule nothing out.
        let metric = format!("{:?}", config.metric).to_lowercase();
        return refuse("metric", &metric, "iou or f1, which have the same optimum");
    }
    if config.penalty != 1.0 {
        return refuse("complexity penalty", &config.penalty, "1 (none): the best of each length is reported");
    }
    if let Some(limit) = config.beam_limit {
        return refuse("beam limit", &limit, "none: every concept is looked at");
    }
    if let Some(seconds) = config.exact.seconds
        && !(seconds > 0.0 && seconds.is_finite())
    {
        return refuse("time per unit", &seconds, "seconds above 0");
    }
    if config.exact.grammar == Grammar::Full && config.length > 3 {
        return refuse("formula length", &config.length, "at most 3 concepts with the full grammar");
    }
    if !(0.0..=1.0).contains(&config.exact.gap) {
        return refuse("gap", &config.exact.gap, "an IoU from 0 to 1");
    }
    Ok(())
}

/// What is proven about the best formula of at most so many literals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Optimal {
    /// Whether no formula of the grammar is better.
    pub certified: bool,
    /// No formula of the grammar has a higher IoU.
    pub upper_bound: f64,
    /// Pairs of literals that were bounded.
    pub pairs: u64,
    /// Triples of literals that were bounded.
    pub triples: u64,
    /// Triples of literals that the bounds left over and that were counted on cells.
    pub full_passes: u64,
    /// Beginnings of longer formulas that were extended by every literal.
    pub nodes: u64,
    /// The IoU that the beam reaches with as many literals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beam: Option<f64>,
}

/// What a search did.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    pairs: u64,
    triples: u64,
    full_passes: u64,
    nodes: u64,
}

impl Work {
    fn add(&mut self, more: Self) {
        self.pairs += more.pairs;
        self.triples += more.triples;
        self.full_passes += more.full_passes;
        self.nodes += more.nodes;
    }
}

/// The width of the beam whose formulas of more than 3 literals are where a search for the optimum starts from.
const WIDE: usize = 50;

/// Searches for the optimum. The unit has hits.
///
/// # Errors
/// [`Error::BeyondProof`] where the beam found a better formula, which only a fault of this crate can cause.
pub(super) fn search(partition: &Partition, profile: &Profile, config: &SearchConfig) -> Result<SearchResult> {
    let beam = beam::search(partition, profile, &SearchConfig { mode: Mode::Beam, ..config.clone() });
    if beam.status != Status::Explained {
        return Ok(beam);
    }
    let reached = |length: usize| beam.by_length.get(length - 1).map_or(0.0, |f| Metric::Iou.of(f.counts));
    let mut pairs = Pairs::new(partition, profile, reached(config.length.min(3)));
    let mut result = SearchResult { by_length: Vec::new(), ..beam.clone() };
    let mut work = Work::default();
    let full = config.exact.grammar == Grammar::Full;
    let start = Instant::now();
    let deadline = config.exact.seconds.and_then(|s| start.checked_add(Duration::try_from_secs_f64(s).ok()?));
    let (ceiling, mut shorter, mut ends) = (pairs.ceiling(), Vec::new(), Vec::new());
    let mut best = one(&pairs, &beam.by_length[0]);
    // Longer formulas may remain unproven: what a wide beam finds is then the better answer.
    let wide = (config.length > 3).then(|| {
        beam::search(
            partition,
            profile,
            &SearchConfig { mode: Mode::Beam, beam: config.beam.max(WIDE), ..config.clone() },
        )
    });
    for (length, found) in (1usize..).zip(&beam.by_length) {
        match length {
            1 if full => full::one(&pairs, &mut best),
            1 => {}
            2 if full => full::two(&pairs, &mut best, &mut work),
            2 => two(&pairs, &mut best, &mut work),
            3 if full => {
                let mut start = best.clone();
                start.offer(found.counts, found.formula.length(), || found.formula.clone());
                best = full::three(&pairs, start, &mut work);
            }
            3 => {
                // What the beam found is the cut to start from.
                let mut start = best.clone();
                start.offer(found.counts, found.formula.length(), || found.formula.clone());
                let outcome = triples::search(&pairs, Decided::default(), start, f64::INFINITY);
                best = outcome.best;
                work.add(outcome.work);
            }
            _ => {}
        }
        let upper_bound = if length <= 3 {
            not_beyond(found, &best)?;
            Metric::Iou.of(best.counts)
        } else {
            let wide = wide.iter().filter_map(|wide| wide.by_length.get(length - 1));
            for found in wide.chain([found]) {
                best.offer(found.counts, found.formula.length(), || found.formula.clone());
            }
            // What is left of the time is shared by the lengths that are left.
            let share = |deadline: Instant| {
                let now = Instant::now();
                now + deadline.saturating_duration_since(now) / (config.length + 1 - length) as u32
            };
            let limits = Limits { deadline: deadline.map(share), gap: config.exact.gap };
            pairs = Pairs::new(partition, profile, Metric::Iou.of(best.counts));
            if length == 5 {
                ends = vec![anytime::ends_of_three(&pairs, &mut best, shorter[2], &ends[0], limits, &mut work)];
            }
            let known = Known { shorter: &shorter, ends: &ends };
            let outcome = anytime::search(&pairs, best, length, known, limits);
            best = outcome.best;
            ends.push(outcome.ends);
            work.add(outcome.work);
            // Shorter formulas were not searched for again.
            let upper_bound = shorter.last().map_or(outcome.upper_bound, |s| outcome.upper_bound.max(*s));
            upper_bound.min(ceiling)
        };
        shorter.push(upper_bound);
        let Work { pairs, triples, full_passes, nodes } = work;
        result.by_length.push(best.found(config.metric));
        let beam = Some(found.iou);
        result.optimal.push(Optimal { certified: false, upper_bound, pairs, triples, full_passes, nodes, beam });
    }
    if let Some((found, optimal)) = result.by_length.iter().zip(&result.optimal).find(|(f, o)| f.iou > o.upper_bound) {
        let formula = found.formula.display(&Default::default()).to_string();
        return Err(Error::BeyondProof { formula, found: found.iou, proven: optimal.upper_bound });
    }
    // A shorter formula is one of at most so many literals more.
    for i in (1..result.optimal.len()).rev() {
        let longer = result.optimal[i].upper_bound;
        result.optimal[i - 1].upper_bound = result.optimal[i - 1].upper_bound.min(longer);
    }
    for (optimal, found) in result.optimal.iter_mut().zip(&result.by_length) {
        optimal.certified = optimal.upper_bound <= found.iou;
    }
    Ok(result)
}

/// No search may find more than the optimum.
fn not_beyond(found: &Found, best: &Best) -> Result<()> {
    if Metric::Iou.compare(found.counts, best.counts).is_le() {
        return Ok(());
    }
    let formula = found.formula.display(&Default::default()).to_string();
    Err(Error::BeyondProof { formula, found: found.iou, proven: Metric::Iou.of(best.counts) })
}

/// The best literal; `start` is one of them.
fn one(pairs: &Pairs<'_>, start: &Found) -> Best {
    let mut best = Best::new(start.formula.clone(), start.counts);
    for (column, atom) in pairs.partition.columns().iter().enumerate() {
        let (formula, both) = (pairs.partition.area(column).into(), pairs.both[column].into());
        best.offer(Counts { formula, unit: pairs.unit, both }, 1, || Formula::Atom(*atom));
    }
    best
}

/// The best formula of at most two literals; `best` is that of one.
fn two(pairs: &Pairs<'_>, best: &mut Best, work: &mut Work) {
    let partition = pairs.partition;
    let (columns, positions) = (partition.columns(), partition.n_positions());
    let mut order: Vec<usize> = (0..columns.len()).filter(|c| pairs.both[*c] > 0).collect();
    order.sort_by_key(|c| (std::cmp::Reverse(pairs.both[*c]), *c));
    for (rank, a) in order.iter().enumerate() {
        // The one of a pair that meets the unit more often has at least half of what a formula needs.
        if 2.0 * f64::from(pairs.both[*a]) < best.cut(2, positions).theta {
            break;
        }
        let (all, unit) = (partition.cooccurrence(*a), pairs.both(*a));
        let (area_a, both_a) = (i64::from(partition.area(*a)), i64::from(pairs.both[*a]));
        // A literal that misses the unit comes after all others, and may still be taken away.
        let rest = (0..columns.len()).filter(|c| pairs.both[*c] == 0 && partition.area(*c) > 0);
        for b in order[rank + 1..].iter().copied().chain(rest) {
            work.pairs += 1;
            let (area_b, both_b) = (i64::from(partition.area(b)), i64::from(pairs.both[b]));
            let (area, both) = (i64::from(all[b]), i64::from(unit[b]));
            let mut offer = |op: Op, [x, y]: [usize; 2], formula: i64, both: i64| {
                let counts = Counts { formula: formula as u64, unit: pairs.unit, both: both as u64 };
                best.offer(counts, 2, || Chain::literal(columns[x]).extended(op, columns[y]).ordered_formula());
            };
            offer(Op::And, [*a, b], area, both);
            offer(Op::Or, [*a, b], area_a + area_b - area, both_a + both_b - both);
            offer(Op::AndNot, [*a, b], area_a - area, both_a - both);
            offer(Op::AndNot, [b, *a], area_b - area, both_b - both);
        }
    }
}
