//! Significance: does the search find a better match than it finds by chance?
//!
//! A unit's maps are given to other examples, whole, and the search is repeated with the same settings. What it finds then
//! owes nothing to the concepts: the unit fires as often as before, on as many examples, in the same shapes and at the same
//! places of the map. The share of such draws that reach the unit's own score is its p-value, which accounts for the size of
//! the search, because every draw was searched as thoroughly.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::random::Purpose;
use compexp_core::exemplar::Firing;
use compexp_core::explain::{Explained, Progress};
use compexp_core::explanation::{NullScores, Significance};
use compexp_core::partition::{Partition, PositionMap};
use compexp_core::probe::Example;
use compexp_core::profile::{Band, Counter, Patterns};
use compexp_core::random::{Random, Stream};
use compexp_core::score::Metric;
use compexp_core::search::{Found, SearchConfig, SearchResult, search, without_vacuous};
use rayon::prelude::*;

use super::fdr::benjamini_hochberg;
use super::quantile;
use crate::{Error, Result};

/// How often maps are dealt out anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NullConfig {
    /// Draws of each unit, at least 2; p is never below `1 / (draws + 1)`.
    pub draws: usize,
    /// Decides the draws.
    pub seed: u64,
}

impl NullConfig {
    /// Checks that there are enough draws.
    ///
    /// # Errors
    /// `Error::Mismatch` for fewer than 2.
    pub fn check(self) -> Result<()> {
        match self.draws {
            0 | 1 => Err(Error::mismatch(
                "draws of the null distribution",
                self.draws,
                format!("at least 2, better 200: with {} p is never below {:.1}", self.draws, self.least_p()),
            )),
            _ => Ok(()),
        }
    }

    /// A number of draws for so many units: 20 for each, with which one unit alone can have a q below 0.05; at least 200,
    /// and at most 1,000, which the time of a search allows.
    pub fn draws_for(units: usize) -> usize {
        (20 * units).clamp(200, 1000)
    }

    /// The smallest p that can come out.
    pub fn least_p(self) -> f64 {
        1.0 / (self.draws as f64 + 1.0)
    }

    /// How many of `tested` units must reach the smallest p before any q can be below 0.05; more than `tested` where none
    /// can be.
    pub fn units_needed(self, tested: usize) -> usize {
        // q = p * tested / units < 1/20
        20 * tested / (self.draws + 1) + 1
    }
}

/// Which examples may change places: groups as blocks, with groups of equally many examples.
///
/// The examples of a group keep their order, because nothing says that they are exchangeable among themselves: the first
/// hypothesis about a premise may always be the one that follows from it.
#[derive(Clone, Debug)]
pub struct Exchange {
    n_examples: usize,
    /// Groups of equally many examples, of which there are at least two; each group with its examples.
    classes: Vec<Vec<Vec<u32>>>,
}

impl Exchange {
    /// The groups of `examples`; one without a group is a group of its own.
    ///
    /// # Errors
    /// `Error::Mismatch` if no two groups have equally many examples, so that none can move.
    pub fn new(examples: &[Example]) -> Result<Self> {
        let mut numbers = std::collections::HashMap::new();
        let mut groups: Vec<Vec<u32>> = Vec::new();
        for (i, example) in examples.iter().enumerate() {
            let number = match example.group.as_str() {
                "" => groups.len(),
                group => *numbers.entry(group).or_insert(groups.len()),
            };
            if number == groups.len() {
                groups.push(Vec::new());
            }
            groups[number].push(i as u32);
        }
        let n_groups = groups.len();
        let mut by_size = std::collections::BTreeMap::<usize, Vec<Vec<u32>>>::new();
        for group in groups {
            by_size.entry(group.len()).or_default().push(group);
        }
        let classes: Vec<_> = by_size.into_values().filter(|class| class.len() > 1).collect();
        if classes.is_empty() {
            return Err(Error::mismatch(
                "groups of examples that can change places",
                format!("0 of {n_groups}"),
                "two of equally many examples: without them nothing is random; see the group column of examples.csv",
            ));
        }
        Ok(Self { n_examples: examples.len(), classes })
    }

    /// The examples that stay where they are, since no other group has as many.
    pub fn n_fixed(&self) -> usize {
        self.n_examples - self.classes.iter().flatten().map(Vec::len).sum::<usize>()
    }

    /// Draws where the maps of each example go: as likely one way as any other.
    fn draw(&self, random: &mut Random, order: &mut Vec<u32>, place: &mut Vec<u32>) {
        place.clear();
        place.extend(0..self.n_examples as u32);
        for class in &self.classes {
            order.clear();
            order.extend(0..class.len() as u32);
            random.shuffle(order);
            for (from, to) in class.iter().zip(order.iter()) {
                for (from, to) in from.iter().zip(&class[*to as usize]) {
                    place[*from as usize] = *to;
                }
            }
        }
    }
}

/// The searches that measure chance, ready to start.
pub struct NullTest<'a> {
    partition: &'a Partition,
    map: &'a PositionMap,
    config: NullConfig,
    search: &'a SearchConfig,
    exchange: Exchange,
    /// The results to compare with, of explained units only.
    own: Vec<&'a SearchResult>,
    /// Their units.
    units: Vec<usize>,
    patterns: Patterns,
}

/// One search: the unit among those tested, and the draw.
#[derive(Clone, Copy)]
struct Job {
    unit: usize,
    draw: usize,
}

/// Memory that one draw after the other can use.
#[derive(Default)]
struct Scratch {
    counter: Counter,
    order: Vec<u32>,
    place: Vec<u32>,
}

/// The score, the IoU and the searched metric of a draw at one length; 0 where nothing was found.
type Scores = [f64; 3];

impl<'a> NullTest<'a> {
    /// Prepares the draws for the explained units of `explained`, which was found with `search` on `partition`, `map` and
    /// `firing`; `examples` are theirs.
    ///
    /// # Errors
    /// `Error::Source` if an input cannot be read; `Error::Mismatch` if there are fewer than 2 draws, no two groups have
    /// equally many examples, or the partition has another number of examples.
    #[allow(clippy::too_many_arguments, reason = "each is a different thing that a caller has at hand")]
    pub fn new(
        partition: &'a Partition,
        map: &'a PositionMap,
        examples: &[Example],
        firing: Firing<'_>,
        explained: &'a Explained,
        search: &'a SearchConfig,
        config: NullConfig,
        progress: &dyn Progress,
    ) -> Result<Self> {
        config.check()?;
        if examples.len() != partition.n_examples() {
            return Err(Error::mismatch("examples to exchange", examples.len(), partition.n_examples()));
        }
        let exchange = Exchange::new(examples)?;
        let records = explained.explanations.units.iter().zip(&explained.results);
        let (bands, own): (Vec<Band>, Vec<&SearchResult>) = records
            .filter(|(_, result)| !result.by_length.is_empty())
            .map(|(unit, result)| (Band::above(unit.unit, unit.threshold.unwrap_or_default()), result))
            .unzip();
        let patterns = super::patterns(firing, &bands, map, "hit patterns", progress)?;
        let units = bands.iter().map(|band| band.unit).collect();
        Ok(Self { partition, map, config, search, exchange, own, units, patterns })
    }

    /// The number of units tested: the explained ones.
    pub fn n_units(&self) -> usize {
        self.units.len()
    }

    /// The number of searches.
    pub fn n_searches(&self) -> usize {
        self.n_units() * self.config.draws
    }

    /// Which examples change places.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// About how long all draws take, from a few of them.
    ///
    /// # Errors
    /// `Error::Source` if the position map cannot be read; `Error::Mismatch` if the search refuses its configuration.
    pub fn estimate(&self) -> Result<Duration> {
        let n = (8 * rayon::current_num_threads()).min(self.n_units());
        let jobs = |draw| -> Vec<Job> { (0..n).map(|i| Job { unit: i * self.n_units() / n, draw }).collect() };
        // The first searches fill what all others find ready.
        self.run_jobs(&jobs(0), &|_| ())?;
        let start = Instant::now();
        self.run_jobs(&jobs(1), &|_| ())?;
        Ok(start.elapsed().mul_f64(self.n_searches() as f64 / n.max(1) as f64))
    }

    /// Searches all draws: for each unit tested its number and what came out, in order.
    ///
    /// # Errors
    /// `Error::Source` if the position map cannot be read; `Error::Mismatch` if the search refuses its configuration.
    pub fn run(&self, progress: &dyn Progress) -> Result<Vec<(usize, Significance)>> {
        progress.stage("significance", "searches", self.n_searches());
        let draws = self.config.draws;
        let jobs: Vec<Job> = (0..self.n_searches()).map(|i| Job { unit: i / draws, draw: i % draws }).collect();
        let scores = self.run_jobs(&jobs, &|n| progress.done(n))?;
        let mut found: Vec<(usize, Significance)> = Vec::with_capacity(self.n_units());
        for ((unit, own), scores) in self.units.iter().zip(&self.own).zip(scores.chunks_exact(draws)) {
            let by_length: Vec<NullScores> =
                (0..own.by_length.len()).map(|k| null_scores(k, &own.by_length, scores, self.search.metric)).collect();
            let p = by_length.last().map_or(1.0, |last| last.p);
            found.push((*unit, Significance { draws, p, q: p, by_length }));
        }
        let q = benjamini_hochberg(&found.iter().map(|(_, s)| s.p).collect::<Vec<_>>());
        found.iter_mut().zip(q).for_each(|((_, s), q)| s.q = q);
        Ok(found)
    }

    fn run_jobs(&self, jobs: &[Job], progress: &(dyn Fn(usize) + Sync)) -> Result<Vec<Vec<Scores>>> {
        let done = AtomicUsize::new(0);
        let job = |scratch: &mut Scratch, job: &Job| {
            let scores = self.search(*job, scratch);
            progress(1 + done.fetch_add(1, Ordering::Relaxed));
            scores
        };
        jobs.par_iter().map_init(Scratch::default, job).collect()
    }

    /// The scores of one draw, by length.
    fn search(&self, job: Job, scratch: &mut Scratch) -> Result<Vec<Scores>> {
        // Units have draws of their own: by their number, so that which others are tested changes nothing.
        let stream = Stream::new(self.config.seed, Purpose::Null, self.units[job.unit] as u64).part(job.draw as u64);
        let mut random = Random::from(stream);
        self.exchange.draw(&mut random, &mut scratch.order, &mut scratch.place);
        let Scratch { counter, place, .. } = scratch;
        let n_cells = self.partition.n_cells();
        let profile = self.patterns.profile(job.unit, self.map, n_cells, counter, |example| place[example as usize])?;
        let result = search(self.partition, &profile, self.search)?;
        let (result, _) = without_vacuous(self.partition, self.search, result);
        let mut scores: Vec<Scores> =
            result.by_length.iter().map(|f| [f.score, f.iou, self.search.metric.of(f.counts)]).collect();
        scores.resize(self.search.length, [0.0; 3]);
        Ok(scores)
    }
}

/// Records what [`NullTest::run`] gave for a search by `metric`.
pub fn set_significance(explained: &mut Explained, found: Vec<(usize, Significance)>, metric: Metric) {
    let mut found = found.into_iter().peekable();
    for (unit, result) in explained.explanations.units.iter_mut().zip(&explained.results) {
        unit.significance = found.next_if(|(number, _)| *number == unit.unit).map(|(_, s)| s);
        let chance = unit.significance.as_ref().and_then(|s| s.by_length.last());
        unit.chance_corrected = chance.zip(result.best()).and_then(|(chance, best)| {
            let (value, median) = (metric.of(best.counts), chance.metric_median.unwrap_or(chance.median));
            (median < 1.0).then(|| (value - median) / (1.0 - median))
        });
    }
}

/// The draws beside a unit's own formulas, at entry `k` of `by_length`.
fn null_scores(k: usize, own: &[Found], draws: &[Vec<Scores>], metric: Metric) -> NullScores {
    let n = draws.len() as f64;
    let share =
        |reaches: &dyn Fn(&&Vec<Scores>) -> bool| (1.0 + draws.iter().filter(reaches).count() as f64) / (n + 1.0);
    let step = |k: usize| own[k].score - own[k - 1].score;
    let sorted = |i: usize| {
        let mut values: Vec<f64> = draws.iter().map(|draw| draw[k][i]).collect();
        values.sort_unstable_by(f64::total_cmp);
        values
    };
    let ious = sorted(1);
    let at = |share| quantile(&ious, share);
    NullScores {
        length: k + 1,
        p: share(&|draw| draw[k][0] >= own[k].score),
        step_p: (k > 0).then(|| share(&|draw| draw[k][0] - draw[k - 1][0] >= step(k))),
        metric_median: (metric != Metric::Iou).then(|| quantile(&sorted(2), 0.5)),
        mean: draws.iter().map(|draw| draw[k][1]).sum::<f64>() / n,
        median: at(0.5),
        q95: at(0.95),
        q99: at(0.99),
        max: at(1.0),
    }
}

#[cfg(test)]
mod tests;
