//! Exemplars: the examples that show what a unit does, with the masks of the unit and of its formula.
//!
//! A report is drawn from these alone; it needs neither the model nor the annotations.

use std::collections::HashMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::activation::{ActivationSource, MaskSource, greatest};
use crate::error::Result;
use crate::formula::Formula;
use crate::partition::{CellSet, Partition, PositionMap};
use crate::profile::Profile;
use crate::resize::Resizer;
use crate::sparse::{SparseSource, for_each_block as for_each_sparse, has, within};
use crate::threshold::cut;

/// Why an example was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The unit fires most here.
    Unit,
    /// The formula's mask is largest here.
    Formula,
    /// The mask of the formula's near miss ([`Formula::near_miss`]) without the formula's own mask is largest here.
    NearMiss,
}

/// An example chosen for a unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exemplar {
    /// The unit, counted from 0.
    pub unit: usize,
    /// The example, counted from 0.
    pub example: u32,
    /// Each reason for which it was chosen, with its rank, from 0, among the examples chosen for that reason.
    pub chosen: Vec<(Choice, usize)>,
    /// The largest activation of the unit's low-resolution map on the example; none if masks were given.
    pub activation: Option<f32>,
    /// Positions in the unit's mask, in the formula's, and in both.
    pub areas: [u32; 3],
}

/// The exemplars of all units with their masks, packed: a unit's mask, then the formula's (all zero if there is no
/// formula), row by row, 8 positions per byte, the first in the lowest bit, each mask padded to whole bytes.
#[derive(Clone, Debug, Default)]
pub struct Exemplars {
    /// One entry per exemplar, unit after unit in the order of selection.
    pub list: Vec<Exemplar>,
    /// `(exemplars, 2, bytes of a mask)`.
    pub masks: Vec<u8>,
}

/// The source of units' masks.
#[derive(Clone, Copy)]
pub enum Firing<'a> {
    /// Activations, cut by thresholds.
    Activations(&'a dyn ActivationSource),
    /// Given masks.
    Masks(&'a dyn MaskSource),
    /// Sparse activations, cut by thresholds of 0 or more.
    Sparse(&'a dyn SparseSource),
}

impl Firing<'_> {
    /// The number of examples.
    pub fn n_examples(&self) -> usize {
        match self {
            Self::Activations(a) => a.n_examples(),
            Self::Masks(m) => m.n_examples(),
            Self::Sparse(s) => s.n_examples(),
        }
    }

    /// The number of units.
    pub fn n_units(&self) -> usize {
        match self {
            Self::Activations(a) => a.n_units(),
            Self::Masks(m) => m.n_units(),
            Self::Sparse(s) => s.n_units(),
        }
    }
}

/// The examples to show for one unit, as [`Exemplar::chosen`] says: at most `n` of each choice, and of [`Choice::Unit`] no
/// more than the profile has peaks. Ties are in the order of examples.
pub fn choose(
    partition: &Partition,
    map: &PositionMap,
    profile: &Profile,
    formula: Option<&Formula>,
    n: usize,
) -> Vec<(u32, Vec<(Choice, usize)>)> {
    let mut lists = vec![(Choice::Unit, profile.peaks.iter().take(n).map(|p| p.example).collect::<Vec<_>>())];
    if let Some(formula) = formula {
        let inside = partition.evaluate(formula);
        lists.push((Choice::Formula, largest(map, &inside, n)));
        if let Some(near) = formula.near_miss() {
            let near = partition.evaluate(&near).combine(&inside, |near, inside| near & !inside);
            lists.push((Choice::NearMiss, largest(map, &near, n)));
        }
    }
    let mut chosen: Vec<(u32, Vec<(Choice, usize)>)> = Vec::new();
    for (choice, examples) in lists {
        for (place, example) in examples.into_iter().enumerate() {
            match chosen.iter_mut().find(|(e, _)| *e == example) {
                Some((_, why)) => why.push((choice, place)),
                None => chosen.push((example, vec![(choice, place)])),
            }
        }
    }
    chosen
}

/// The examples with the most positions in a set of cells, most first; ties in the order of examples.
fn largest(map: &PositionMap, set: &CellSet, n: usize) -> Vec<u32> {
    let area = |example: usize| -> u32 {
        let cells = map.cells_of(example).iter().zip(map.sizes_of(example));
        cells.filter(|(cell, _)| set.contains(**cell)).map(|(_, size)| size).sum()
    };
    let mut areas: Vec<(u32, u32)> =
        (0..map.n_examples()).map(|e| (area(e), e as u32)).filter(|(a, _)| *a > 0).collect();
    areas.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    areas.into_iter().take(n).map(|(_, e)| e).collect()
}

/// Chooses and draws the exemplars of `units`, at most `n` of each choice; `thresholds` has one entry for every unit of
/// activations (and is not used for masks), `profiles` and `formulas` one for each of `units`. Calls `progress` with the
/// number of chosen examples done, from any thread.
///
/// # Errors
/// [`Error::Source`](crate::Error::Source) if the activations, the masks or the position map cannot be read.
#[allow(clippy::too_many_arguments, reason = "each is a different thing that a caller has at hand")]
pub fn draw(
    partition: &Partition,
    map: &PositionMap,
    firing: Firing<'_>,
    thresholds: &[f64],
    units: &[usize],
    profiles: &[Profile],
    formulas: &[Option<&Formula>],
    n: usize,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Exemplars> {
    let chosen: Vec<_> = profiles.par_iter().zip(formulas).map(|(p, f)| choose(partition, map, p, *f, n)).collect();
    let sets: Vec<Option<CellSet>> = formulas.par_iter().map(|f| f.map(|f| partition.evaluate(f))).collect();
    let mut list = Vec::new();
    let mut wanted = Vec::new();
    for (u, chosen) in chosen.into_iter().enumerate() {
        for (example, why) in chosen {
            wanted.push((example, u, list.len()));
            list.push(Exemplar { unit: units[u], example, chosen: why, activation: None, areas: [0; 3] });
        }
    }
    let found = match firing {
        Firing::Sparse(source) => Some(Found::read(source, units, &wanted)?),
        _ => None,
    };
    // Example by example, so that each one's activations and positions are read once.
    wanted.sort_unstable();
    let positions = map.grid().positions();
    let bytes = positions.div_ceil(8);
    let groups: Vec<&[(u32, usize, usize)]> = wanted.chunk_by(|a, b| a.0 == b.0).collect();
    let done = std::sync::atomic::AtomicUsize::new(0);
    let drawn: Vec<Vec<(usize, Drawn)>> = groups
        .par_iter()
        .map(|group| {
            let example = group[0].0 as usize;
            let mut ids = vec![0; positions];
            map.read_local(example, &mut ids)?;
            let mut artist = Artist::new(firing, found.as_ref(), map, example)?;
            let drawn = group
                .iter()
                .map(|(_, u, at)| {
                    let (unit, activation) = artist.unit(units[*u], *at, thresholds)?;
                    let inside =
                        |id: &u32| sets[*u].as_ref().is_some_and(|s| s.contains(map.cells_of(example)[*id as usize]));
                    let formula: Vec<bool> = ids.iter().map(inside).collect();
                    let count = |f: &dyn Fn(usize) -> bool| (0..positions).filter(|p| f(*p)).count() as u32;
                    let areas = [count(&|p| unit[p]), count(&|p| formula[p]), count(&|p| unit[p] && formula[p])];
                    let mut masks = pack(&unit);
                    masks.extend(pack(&formula));
                    Ok((*at, Drawn { masks, activation, areas }))
                })
                .collect::<Result<Vec<_>>>();
            progress(1 + done.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
            drawn
        })
        .collect::<Result<_>>()?;
    let mut masks = vec![0; list.len() * 2 * bytes];
    for (at, drawn) in drawn.into_iter().flatten() {
        masks[at * 2 * bytes..][..2 * bytes].copy_from_slice(&drawn.masks);
        (list[at].activation, list[at].areas) = (drawn.activation, drawn.areas);
    }
    Ok(Exemplars { list, masks })
}

struct Drawn {
    masks: Vec<u8>,
    activation: Option<f32>,
    areas: [u32; 3],
}

/// The values of sparse activations on exemplars, each with its position, by the exemplar's place in the list.
struct Found(HashMap<usize, Vec<(u32, f32)>>);

impl Found {
    /// Reads the values of the wanted exemplars: example, place of the unit in `units`, place in the list.
    fn read(source: &dyn SparseSource, units: &[usize], wanted: &[(u32, usize, usize)]) -> Result<Self> {
        let mut by_unit: Vec<Vec<(u32, usize)>> = vec![Vec::new(); units.len()];
        wanted.iter().for_each(|(example, u, at)| by_unit[*u].push((*example, *at)));
        let positions = source.grid().positions() as u32;
        let mut found = HashMap::new();
        for_each_sparse(
            source,
            |span| has(units, span),
            |block| {
                let here = within(units, &block.units());
                let first = units.partition_point(|unit| *unit < block.units().start);
                for (unit, wanted) in here.iter().zip(&by_unit[first..]) {
                    let (places, values) = block.of(*unit);
                    for (example, at) in wanted {
                        let span = places.partition_point(|p| p / positions < *example)
                            ..places.partition_point(|p| p / positions <= *example);
                        let of_example =
                            places[span.clone()].iter().map(|p| p % positions).zip(values[span].iter().copied());
                        found.insert(*at, of_example.collect());
                    }
                }
                Ok(())
            },
        )?;
        Ok(Self(found))
    }
}

/// Draws units' masks on one example.
struct Artist<'a> {
    firing: Firing<'a>,
    found: Option<&'a Found>,
    example: usize,
    positions: usize,
    resizer: Option<Resizer>,
    values: Vec<f32>,
}

impl<'a> Artist<'a> {
    fn new(firing: Firing<'a>, found: Option<&'a Found>, map: &PositionMap, example: usize) -> Result<Self> {
        let positions = map.grid().positions();
        let mut artist = Self { firing, found, example, positions, resizer: None, values: Vec::new() };
        if let Firing::Activations(source) = firing {
            artist.values.resize(source.n_units() * source.grid().positions(), 0.0);
            source.read(example, &mut artist.values)?;
            artist.resizer = Some(Resizer::new(source.grid(), map.grid()));
        }
        Ok(artist)
    }

    /// The mask of a unit, and the largest value of its map; `at` is the exemplar's place in the list.
    fn unit(&mut self, unit: usize, at: usize, thresholds: &[f64]) -> Result<(Vec<bool>, Option<f32>)> {
        let mut mask = vec![false; self.positions];
        match (self.firing, &self.resizer) {
            (Firing::Masks(source), _) => {
                source.read(unit, self.example, &mut mask)?;
                Ok((mask, None))
            }
            (Firing::Activations(source), Some(resizer)) => {
                let n = source.grid().positions();
                let map = &self.values[unit * n..][..n];
                resizer.hits(map, cut(thresholds[unit]), &mut Vec::new(), |first, bits| {
                    for i in 0..64 {
                        if bits >> i & 1 == 1 {
                            mask[first + i] = true;
                        }
                    }
                });
                Ok((mask, Some(greatest(map))))
            }
            (Firing::Sparse(_), _) => {
                let values = self.found.and_then(|found| found.0.get(&at)).map_or(&[][..], Vec::as_slice);
                let cut = cut(thresholds[unit]);
                values.iter().filter(|(_, value)| *value > cut).for_each(|(at, _)| mask[*at as usize] = true);
                let zeros = if values.len() < self.positions { 0.0 } else { f32::NEG_INFINITY };
                Ok((mask, Some(values.iter().map(|(_, value)| *value).fold(zeros, f32::max))))
            }
            (Firing::Activations(_), None) => unreachable!("activations come with a resizer"),
        }
    }
}

/// Eight positions a byte, the first in the lowest bit.
pub fn pack(mask: &[bool]) -> Vec<u8> {
    mask.chunks(8).map(|c| c.iter().enumerate().fold(0, |byte, (i, on)| byte | u8::from(*on) << i)).collect()
}
