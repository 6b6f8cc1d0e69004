//! The proven optimum: no formula of the grammar has a higher IoU, or a higher MCC.
//!
//! The grammar is that of the other searches: left-deep chains of AND, OR and AND NOT, the first literal positive,
//! NEIGHBORS among the literals. Up to three literals a chain that repeats one is equal to a shorter one, so that only
//! chains of distinct literals are considered.
//!
//! | module | holds |
//! |---|---|
//! | `worth` | the *worth* of positions, by which all bounds go |
//! | `best` | the best formula so far, and the worth that a better one needs |
//! | `band` | the same for MCC, where the worth that is needed depends on the area |
//! | `pairs` | a unit's counts on all pairs of literals, within the universe or a region of it |
//! | `short`, `triples` | the optimum over chains of one and two, and of three literals |
//! | `full`, `shapes` | the optimum over all Boolean functions of three literals; the functions as sums of counts |
//! | `anytime` | longer chains: branch and bound that can be stopped at any time |

mod anytime;
mod band;
mod best;
mod full;
mod pairs;
mod shapes;
mod short;
mod triples;
mod work;
mod worth;

use std::time::{Duration, Instant};

use self::anytime::{Ends, Known, Limits};
use self::band::Band;
use self::best::{Best, Goal};
use self::pairs::Pairs;
use self::triples::Decided;
use self::work::Work;
use super::beam;
use super::config::{Grammar, Mode, SearchConfig};
use super::result::{Found, Optimal, SearchResult, Status};
use crate::error::{Error, Result};
use crate::partition::Partition;
use crate::profile::Profile;
use crate::score::Metric;

/// The width of the beam that a search for formulas of more than 3 literals starts from.
const WIDE: usize = 50;

/// Searches for the optimum. The unit has hits.
///
/// # Errors
/// [`Error::BeyondProof`] if the beam found a better formula, which only a fault of this crate can cause.
pub(super) fn search(partition: &Partition, profile: &Profile, config: &SearchConfig) -> Result<SearchResult> {
    let beam = beam::search(partition, profile, &SearchConfig { mode: Mode::Beam, ..config.clone() });
    if beam.status != Status::Explained {
        return Ok(beam);
    }
    let steps = Steps { by_length: Vec::new(), optimal: Vec::new(), work: Work::default() };
    let mut search = Search { partition, profile, config, beam: &beam.by_length, steps };
    let aim = aim(config);
    let reached = Metric::Iou.of(beam.by_length[config.length.min(3) - 1].counts);
    let pairs = Pairs::new(partition, profile, reached);
    let deadline = config.exact.seconds.and_then(|s| Instant::now().checked_add(Duration::try_from_secs_f64(s).ok()?));
    let ceiling = pairs.ceiling(aim);
    let best = search.up_to_three(&pairs)?;
    // The tables of shorter searches are given up before longer ones begin.
    drop(pairs);
    match aim {
        Metric::Mcc => search.longer_by_mcc(best, ceiling),
        _ => search.longer(best, ceiling, deadline),
    }
    let Steps { by_length, optimal, .. } = search.steps.certify(aim)?;
    Ok(SearchResult { by_length, optimal, ..beam })
}

/// What is proven: the best MCC, or the best IoU, which has the best F1 too.
fn aim(config: &SearchConfig) -> Metric {
    if config.metric == Metric::Mcc { Metric::Mcc } else { Metric::Iou }
}

/// A search for the optimum of each length.
struct Search<'a> {
    partition: &'a Partition,
    profile: &'a Profile,
    config: &'a SearchConfig,
    /// The result of the beam for each length.
    beam: &'a [Found],
    steps: Steps,
}

impl Search<'_> {
    /// Finds the optimum of each length up to 3, or up to the requested length; returns the last.
    fn up_to_three(&mut self, pairs: &Pairs<'_>) -> Result<Best> {
        let goal = match aim(self.config) {
            Metric::Mcc => Goal::Mcc(Band::ANY),
            _ => Goal::Iou,
        };
        let mut best = short::one(pairs, &self.beam[0], goal);
        for (length, found) in (1..=3).zip(self.beam) {
            let (grammar, work) = (self.config.exact.grammar, &mut self.steps.work);
            if length == 3 {
                // What the beam found is the score to beat.
                best.offer_found(found);
            }
            match (grammar, length) {
                (Grammar::Chains, 1) => {}
                (Grammar::Chains, 2) => short::two(pairs, &mut best, work),
                (Grammar::Full, 1) => full::one(pairs, &mut best),
                _ => best = self.within_goals(pairs, best, length),
            }
            let aim = aim(self.config);
            if aim.compare(found.counts, best.counts).is_gt() {
                return Err(beyond_proof(aim.of(found.counts), found, best.score()));
            }
            self.steps.push(&best, best.score(), found, self.config.metric);
        }
        Ok(best)
    }

    /// Searches for the best formula of 2 or 3 literals, by MCC once for each band of areas.
    fn within_goals(&mut self, pairs: &Pairs<'_>, best: Best, length: usize) -> Best {
        let bands = match aim(self.config) {
            Metric::Mcc => Band::all(best.counts),
            _ => return self.within(pairs, best, length),
        };
        bands.into_iter().fold(best, |best, band| {
            let pairs = Pairs::new(self.partition, self.profile, band.least_beta(best.counts));
            self.within(&pairs, best.with_goal(Goal::Mcc(band)), length)
        })
    }

    fn within(&mut self, pairs: &Pairs<'_>, mut best: Best, length: usize) -> Best {
        let work = &mut self.steps.work;
        match (self.config.exact.grammar, length) {
            (Grammar::Chains, _) => {
                let outcome = triples::search(pairs, Decided::default(), best, f64::INFINITY);
                work.add(outcome.work);
                outcome.best
            }
            (Grammar::Full, 2) => {
                full::two(pairs, &mut best, work);
                best
            }
            (Grammar::Full, _) => full::three(pairs, best, work),
        }
    }

    /// Takes the formulas of more than 3 literals that a wide beam finds. No formula has an MCC above `ceiling`: nothing
    /// else is proven of them.
    fn longer_by_mcc(&mut self, mut best: Best, ceiling: f64) {
        for (length, wide) in (1..).zip(self.wide_beam()).skip(3) {
            let found = &self.beam[length - 1];
            [&wide, found].into_iter().for_each(|found| best.offer_found(found));
            self.steps.push(&best, ceiling.max(best.score()), found, self.config.metric);
        }
    }

    /// What a wide beam finds of each length. The optimum may remain unproven: this is then the better answer.
    fn wide_beam(&self) -> Vec<Found> {
        if self.config.length <= 3 {
            return Vec::new();
        }
        let beam = self.config.beam.max(WIDE);
        let wide = SearchConfig { mode: Mode::Beam, beam, ..self.config.clone() };
        beam::search(self.partition, self.profile, &wide).by_length
    }

    /// Searches for the best chain of each length above 3, as far as time allows; `best` is that of up to 3 literals. No
    /// formula has an IoU above `ceiling`.
    fn longer(&mut self, mut best: Best, ceiling: f64, deadline: Option<Instant>) {
        let (partition, profile, config) = (self.partition, self.profile, self.config);
        if config.length <= 3 {
            return;
        }
        let wide = self.wide_beam();
        let mut ends: Vec<Ends> = Vec::new();
        for (length, found) in (1..).zip(self.beam).skip(3) {
            for found in wide.get(length - 1).into_iter().chain([found]) {
                best.offer_found(found);
            }
            // The remaining lengths share the remaining time.
            let share = |deadline: Instant| {
                let now = Instant::now();
                now + deadline.saturating_duration_since(now) / (config.length + 1 - length) as u32
            };
            let limits = Limits { deadline: deadline.map(share), gap: config.exact.gap };
            let pairs = Pairs::new(partition, profile, best.score());
            let shorter: Vec<f64> = self.steps.optimal.iter().map(|o| o.upper_bound).collect();
            if length == 5 {
                let work = &mut self.steps.work;
                ends = vec![anytime::ends_of_three(&pairs, &mut best, shorter[2], &ends[0], limits, work)];
            }
            let outcome = anytime::search(&pairs, best, length, Known { shorter: &shorter, ends: &ends }, limits);
            best = outcome.best;
            ends.push(outcome.ends);
            self.steps.work.add(outcome.work);
            // The outcome does not cover formulas of fewer literals.
            let upper_bound = outcome.upper_bound.max(shorter[length - 2]);
            self.steps.push(&best, upper_bound.min(ceiling), found, config.metric);
        }
    }
}

/// The best formula of each length so far, what is proven about it, and the work of all.
struct Steps {
    by_length: Vec<Found>,
    optimal: Vec<Optimal>,
    work: Work,
}

impl Steps {
    /// Adds the best formula of one more literal; `beam` is the result of the beam for that length.
    fn push(&mut self, best: &Best, upper_bound: f64, beam: &Found, metric: Metric) {
        let Work { pairs, triples, full_passes, nodes } = self.work;
        let beam = Some(best.metric().of(beam.counts));
        self.by_length.push(best.found(metric));
        self.optimal.push(Optimal { certified: false, upper_bound, pairs, triples, full_passes, nodes, beam });
    }

    /// Decides which formulas are proven to be best.
    fn certify(mut self, aim: Metric) -> Result<Self> {
        let score = |found: &Found| aim.of(found.counts);
        let mut each = self.by_length.iter().zip(&self.optimal);
        if let Some((found, optimal)) = each.find(|(found, optimal)| score(found) > optimal.upper_bound) {
            return Err(beyond_proof(score(found), found, optimal.upper_bound));
        }
        // A bound on formulas of at most k + 1 literals holds for those of at most k.
        let mut bound = f64::INFINITY;
        for (optimal, found) in self.optimal.iter_mut().zip(&self.by_length).rev() {
            bound = bound.min(optimal.upper_bound);
            optimal.upper_bound = bound;
            optimal.certified = bound <= score(found);
        }
        Ok(self)
    }
}

fn beyond_proof(score: f64, found: &Found, proven: f64) -> Error {
    let formula = found.formula.display(&Default::default()).to_string();
    Error::BeyondProof { formula, found: score, proven }
}
