//! Planted units: masks of known random formulas with noise, which tell how far a search can be trusted on given
//! annotations.
//!
//! [`Planted`] draws the formulas and is a [`MaskSource`], so that its units are explained as any others; [`recover`]
//! compares what was found with what was planted.

mod draw;
mod recovery;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use recovery::{Recovered, Row, Verdict, recover, rows, to_csv};

use crate::random::Purpose;
use compexp_core::activation::MaskSource;
use compexp_core::concept::Vocabulary;
use compexp_core::explanation::Universe;
use compexp_core::formula::Formula;
use compexp_core::partition::{CellSet, Partition, PositionMap};
use compexp_core::probe::Grid;
use compexp_core::random::{Random, Stream};
use compexp_core::score::{Counts, Metric};
use draw::Draw;

use crate::{Error, Result};

/// The version of [`PlantedUnits`].
const VERSION: u32 = 1;

/// In how many positions a unit differs from its formula.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Share of the formula's positions on which the unit does not fire, from 0 to less than 1.
    pub missed: f64,
    /// Positions outside of the formula on which it fires, as a share of the formula's: not negative. So the IoU of unit and
    /// formula is about `(1 - missed) / (1 + added)`, whatever the formula's area. Not used if `elsewhere` is given.
    pub added: f64,
    /// The share of the positions outside of the formula on which the unit fires, from 0 to 1. Units that fire often are
    /// planted so, whatever the formula's area.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elsewhere: Option<f64>,
}

impl Noise {
    /// A unit that misses a share of the formula's positions, and fires on `added` times as many others.
    pub const fn of_formula(missed: f64, added: f64) -> Self {
        Self { missed, added, elsewhere: None }
    }

    /// A unit that fires on a share of the formula's positions, and on another share of all others.
    pub const fn rates(inside: f64, elsewhere: f64) -> Self {
        Self { missed: 1.0 - inside, added: 0.0, elsewhere: Some(elsewhere) }
    }

    /// The levels that are planted by default: rare units from exact to noisy, then noisy units from rare to frequent.
    pub const DEFAULT: [Self; 7] = [
        Self::of_formula(0.0, 0.0),
        Self::of_formula(0.1, 0.1),
        Self::of_formula(0.3, 0.3),
        Self::rates(0.6, 0.02),
        Self::rates(0.6, 0.1),
        Self::rates(0.6, 0.2),
        Self::rates(0.6, 0.3),
    ];
}

/// What to plant.
#[derive(Clone, Debug, PartialEq)]
pub struct PlantConfig {
    /// The number of units. The first has the first noise and length 1, the next length 2, ..., until the next noise begins.
    pub units: usize,
    /// The greatest number of literals.
    pub length: usize,
    /// Taken in turn.
    pub noise: Vec<Noise>,
    /// Formulas cover at least this share of all positions and at most the rest: from 0 to less than a half. Whatever it is,
    /// they cover one position and leave one out.
    pub min_share: f64,
    /// Decides formulas and noise.
    pub seed: u64,
}

impl Default for PlantConfig {
    fn default() -> Self {
        Self { units: 105, length: 3, noise: Noise::DEFAULT.to_vec(), min_share: 0.001, seed: 0 }
    }
}

impl PlantConfig {
    fn check(&self) -> Result<()> {
        let refuse = |what: &str, found: String, expected: &str| Err(Error::mismatch(what, found, expected));
        if self.units == 0 || self.units > u32::MAX as usize {
            return refuse("planted units", self.units.to_string(), "at least 1");
        }
        if self.length == 0 {
            return refuse("length of planted formulas", "0".into(), "at least 1");
        }
        if self.noise.is_empty() {
            return refuse("noise", "none".into(), "at least one level; 0 plants formulas as they are");
        }
        for noise in &self.noise {
            if !(0.0..1.0).contains(&noise.missed) {
                return refuse("share of missed positions", noise.missed.to_string(), "from 0 to less than 1");
            }
            if !(0.0..f64::INFINITY).contains(&noise.added) {
                return refuse("share of added positions", noise.added.to_string(), "0 or more");
            }
            if let Some(elsewhere) = noise.elsewhere.filter(|share| !(0.0..=1.0).contains(share)) {
                return refuse("share of other positions", elsewhere.to_string(), "from 0 to 1");
            }
        }
        if !(0.0..0.5).contains(&self.min_share) {
            return refuse("least share of positions", self.min_share.to_string(), "from 0 to less than a half");
        }
        Ok(())
    }
}

/// Units with the formulas that were planted in them, as [`recover`] needs them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlantedUnits {
    /// The version of this record.
    pub version: u32,
    /// What decided formulas and noise.
    pub seed: u64,
    /// On what they were planted.
    pub universe: Universe,
    /// The units, from 0.
    pub units: Vec<PlantedUnit>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlantedUnit {
    /// The unit, counted from 0.
    pub unit: usize,
    /// Its formula.
    pub formula: String,
    /// The formula's number of literals.
    pub length: usize,
    /// In how far the unit differs from it.
    pub noise: Noise,
    /// Positions in the formula's mask.
    pub formula_area: u64,
    /// Positions in the unit's mask.
    pub unit_area: u64,
    /// Intersection over union of the two.
    pub iou: f64,
    /// The Matthews correlation of the two; none if it is not defined, and in records of earlier versions.
    #[serde(default)]
    pub mcc: Option<f64>,
}

/// Units that fire on known formulas, but for noise.
///
/// Masks are computed when they are read: whether a position is flipped follows from seed, unit and position alone.
pub struct Planted<'a> {
    partition: &'a Partition,
    map: &'a PositionMap,
    seed: u64,
    units: Vec<Unit>,
}

struct Unit {
    formula: Formula,
    inside: CellSet,
    area: u64,
    noise: Noise,
    /// A position in the formula's mask, or outside, is flipped where its 64 bits are below.
    flips: [u64; 2],
}

impl<'a> Planted<'a> {
    /// Draws the formulas of `config.units` units over the concepts of a probe set: left-deep, as searches join them, of
    /// distinct concepts with AND, OR and AND NOT. Each literal matters: no formula has the mask that it would have if one
    /// of its literals were true everywhere, or nowhere.
    ///
    /// # Errors
    /// `Error::Mismatch` for a setting outside its range, for a map of another partition, and where formulas of a length
    /// are not found.
    pub fn new(partition: &'a Partition, map: &'a PositionMap, config: &PlantConfig) -> Result<Self> {
        config.check()?;
        if map.n_examples() != partition.n_examples() || map.grid() != partition.grid() {
            let expected = format!("{}, as the partition has", partition.n_examples());
            return Err(Error::mismatch("examples of the position map", map.n_examples(), expected));
        }
        let n = partition.n_positions();
        let least = ((config.min_share * n as f64).ceil() as u64).max(1);
        let unit = |i: usize| {
            let length = 1 + i % config.length;
            let noise = config.noise[i / config.length % config.noise.len()];
            let mut draw = Draw(Random::new(config.seed, Purpose::Formula, i as u64));
            let (formula, inside) = draw.formula(partition, length, least)?;
            let area = partition.area_of(&inside);
            let added = noise.elsewhere.unwrap_or(noise.added * area as f64 / (n - area) as f64).min(1.0);
            let flips = [noise.missed, added].map(|share| (share * 2f64.powi(64)) as u64);
            Ok(Unit { formula, inside, area, noise, flips })
        };
        let units = (0..config.units).into_par_iter().map(unit).collect::<Result<_>>()?;
        Ok(Self { partition, map, seed: config.seed, units })
    }

    /// The record of the units, with formulas in the names of `vocabulary`; `progress` is told the number of units done.
    ///
    /// # Errors
    /// `Error::Source` if the position map cannot be read.
    pub fn record(&self, vocabulary: &Vocabulary, progress: &(dyn Fn(usize) + Sync)) -> Result<PlantedUnits> {
        let done = std::sync::atomic::AtomicUsize::new(0);
        let unit = |(i, unit): (usize, &Unit)| {
            let universe = self.partition.n_positions();
            let mut counts = Counts { universe, formula: unit.area, ..Counts::default() };
            let examples = ((1 << 18) / self.grid().positions()).max(1);
            for first in (0..self.n_examples()).step_by(examples) {
                let n = examples.min(self.n_examples() - first);
                self.for_each(i, first, n, |inside, fires| {
                    counts.unit += u64::from(fires);
                    counts.both += u64::from(inside && fires);
                })?;
            }
            progress(1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            Ok(PlantedUnit {
                unit: i,
                formula: unit.formula.display(vocabulary).to_string(),
                length: unit.formula.length(),
                noise: unit.noise,
                formula_area: unit.area,
                unit_area: counts.unit,
                iou: Metric::Iou.of(counts),
                mcc: counts.mcc(),
            })
        };
        Ok(PlantedUnits {
            version: VERSION,
            seed: self.seed,
            universe: Universe::of(self.partition),
            units: self.units.par_iter().enumerate().map(unit).collect::<Result<_>>()?,
        })
    }

    /// Calls `each` for the positions of the examples `first..first + n`, in order: whether it is in the formula's mask, and
    /// in the unit's.
    fn for_each(&self, unit: usize, first: usize, n: usize, mut each: impl FnMut(bool, bool)) -> Result<()> {
        let Unit { inside, flips, .. } = &self.units[unit];
        let positions = self.grid().positions();
        let mut ids = vec![0; n * positions];
        self.map.read_local(first, &mut ids)?;
        let noise = Stream::new(self.seed, Purpose::Noise, unit as u64);
        for (example, ids) in (first..).zip(ids.chunks_exact(positions)) {
            let cells = self.map.cells_of(example);
            for (place, id) in (example as u64 * positions as u64..).zip(ids) {
                let is_in = inside.contains(cells[*id as usize]);
                let limit = flips[usize::from(!is_in)];
                let flipped = limit > 0 && noise.bits(place) < limit;
                each(is_in, is_in != flipped);
            }
        }
        Ok(())
    }
}

impl MaskSource for Planted<'_> {
    fn n_examples(&self) -> usize {
        self.map.n_examples()
    }

    fn n_units(&self) -> usize {
        self.units.len()
    }

    fn grid(&self) -> Grid {
        self.map.grid()
    }

    fn read(&self, unit: usize, first: usize, out: &mut [bool]) -> Result<()> {
        let n = out.len() / self.grid().positions();
        let mut out = out.iter_mut();
        self.for_each(unit, first, n, |_, fires| {
            if let Some(out) = out.next() {
                *out = fires;
            }
        })
    }
}

#[cfg(test)]
mod tests;
