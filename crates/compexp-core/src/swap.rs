//! Units as concepts, and concepts as units: which formula over units best matches a concept?
//!
//! Nothing in a search knows what its columns stand for. [`UnitAnnotations`] annotates every position with the units that
//! fire there; [`ConceptActivity`] gives the concepts of a partition as sparse activations, 1 where a concept is. With these
//! two in place of the annotations and of the layer, searches, proofs, null draws and held-out scores are those of units.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Range as Span;

use rayon::prelude::*;

use crate::activation::greatest;
use crate::concept::{Concept, ConceptId, Vocabulary};
use crate::error::{Error, Result};
use crate::exemplar::Firing;
use crate::formula::Atom;
use crate::partition::{Partition, PositionMap};
use crate::probe::{Annotation, AnnotationSource, Grid};
use crate::profile::Profile;
use crate::resize::Resizer;
use crate::sparse::{Entries, SparseSource, for_each_block, has, within};
use crate::threshold::cut;

/// Values that are read at once.
const BLOCK: u64 = 1 << 24;

/// The names of units in formulas: `u12` for unit 12.
///
/// # Errors
/// [`Error::Mismatch`] for a unit whose number does not fit 32 bits.
pub fn unit_names(units: &[usize]) -> Result<Vocabulary> {
    let named = |unit: &usize| {
        let id = u32::try_from(*unit).map_err(|_| Error::mismatch("unit", unit, "a number of 32 bits"))?;
        Ok(Concept { id: ConceptId(id), name: format!("u{unit}"), category: "unit".into() })
    };
    Vocabulary::new(units.iter().map(named).collect::<Result<_>>()?)
}

/// The `n` units, of those whose `profiles` over a partition are given, that match single concepts best: the unit with the
/// highest IoU for each concept, then the second best of each, until there are `n`. Ascending; fewer if fewer fire where a
/// concept is.
pub fn candidates(partition: &Partition, units: &[usize], profiles: &[Profile], n: usize) -> Vec<usize> {
    // Of each concept the best units: only these can be among the first n.
    let none = || vec![BinaryHeap::new(); partition.n_concepts()];
    let add = |heap: &mut BinaryHeap<Reverse<Match>>, found: Reverse<Match>| {
        heap.push(found);
        if heap.len() > n {
            heap.pop();
        }
    };
    let best = profiles
        .par_iter()
        .enumerate()
        .fold(none, |mut best, (i, profile)| {
            for (heap, iou) in best.iter_mut().zip(ious(partition, profile)).filter(|(_, iou)| *iou > 0.0) {
                add(heap, Reverse(Match { iou, unit: Reverse(i) }));
            }
            best
        })
        .reduce(none, |mut a, b| {
            for (heap, other) in a.iter_mut().zip(b) {
                other.into_iter().for_each(|found| add(heap, found));
            }
            a
        });
    let ranked: Vec<Vec<usize>> = best
        .into_iter()
        .map(|heap| heap.into_sorted_vec().iter().map(|Reverse(found)| found.unit.0).collect())
        .collect();
    let mut taken = BTreeSet::new();
    let ranks = ranked.iter().map(Vec::len).max().unwrap_or(0);
    for unit in (0..ranks).flat_map(|rank| ranked.iter().filter_map(move |units| units.get(rank))) {
        if taken.len() == n {
            break;
        }
        taken.insert(units[*unit]);
    }
    taken.into_iter().collect()
}

/// How well a unit matches a concept; of equal ones the first unit is greater.
#[derive(Clone, Copy, PartialEq)]
struct Match {
    iou: f64,
    unit: Reverse<usize>,
}

impl Eq for Match {}

impl Ord for Match {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.iou.total_cmp(&other.iou).then(self.unit.cmp(&other.unit))
    }
}

impl PartialOrd for Match {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// The IoU of a unit with each concept.
fn ious(partition: &Partition, profile: &Profile) -> impl Iterator<Item = f64> {
    let mut both = vec![0u64; partition.n_concepts()];
    for (cell, hits) in profile.cells.iter().zip(&profile.hits) {
        for column in partition.concepts_of(*cell) {
            both[usize::from(*column)] += u64::from(*hits);
        }
    }
    let (area, areas) = (profile.area(), partition.areas());
    both.into_iter().zip(areas).map(move |(both, of_concept)| {
        let union = area + u64::from(*of_concept) - both;
        if both == 0 { 0.0 } else { both as f64 / union as f64 }
    })
}

/// Annotations that say which units fire: a concept for every unit, with the unit's number.
pub struct UnitAnnotations<'a> {
    units: &'a [usize],
    grid: Grid,
    masks: Masks<'a>,
}

enum Masks<'a> {
    Activations {
        source: &'a dyn crate::ActivationSource,
        cuts: Vec<f32>,
        resizer: Resizer,
    },
    Given(&'a dyn crate::activation::MaskSource),
    /// The hits of each example from `starts[example]` on: the position in the example, and the unit.
    Sparse {
        starts: Vec<usize>,
        hits: Vec<(u32, u32)>,
    },
}

impl<'a> UnitAnnotations<'a> {
    /// Annotations by `units` (ascending) of a layer, for masks of size `grid`. `thresholds` has one entry for every unit of
    /// the layer; it is not used for given masks. The hits of sparse activations are kept in memory, 8 bytes each.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if the layer lacks a unit, or its masks have another grid; [`Error::NotFinite`] and
    /// [`Error::Source`] if sparse activations cannot be read.
    pub fn new(firing: Firing<'a>, thresholds: &[f64], units: &'a [usize], grid: Grid) -> Result<Self> {
        if let Some(unit) = units.iter().find(|unit| **unit >= firing.n_units()) {
            return Err(Error::mismatch("unit", unit, format!("less than {}", firing.n_units())));
        }
        let fits = |what: &str, found: Grid| match found == grid {
            true => Ok(()),
            false => Err(Error::mismatch(format!("grid of the {what}"), format!("{found:?}"), format!("{grid:?}"))),
        };
        let masks = match firing {
            Firing::Activations(source) => {
                let cuts = units.iter().map(|unit| cut(thresholds[*unit])).collect();
                Masks::Activations { source, cuts, resizer: Resizer::new(source.grid(), grid) }
            }
            Firing::Masks(source) => {
                fits("masks", source.grid())?;
                Masks::Given(source)
            }
            Firing::Sparse(source) => {
                fits("sparse activations", source.grid())?;
                by_example(source, thresholds, units)?
            }
        };
        Ok(Self { units, grid, masks })
    }
}

/// The hits of sparse activations, example by example.
fn by_example<'a>(source: &dyn SparseSource, thresholds: &[f64], units: &[usize]) -> Result<Masks<'a>> {
    let positions = source.grid().positions() as u32;
    let mut starts = vec![0usize; source.n_examples() + 1];
    let each = |f: &mut dyn FnMut(u32, u32)| {
        for_each_block(
            source,
            |span| has(units, span),
            |block| {
                for unit in within(units, &block.units()) {
                    let (places, values) = block.of(*unit);
                    let cut = cut(thresholds[*unit]);
                    places
                        .iter()
                        .zip(values)
                        .filter(|(_, value)| **value > cut)
                        .for_each(|(at, _)| f(*at, *unit as u32));
                }
                Ok(())
            },
        )
    };
    each(&mut |at, _| starts[(at / positions) as usize + 1] += 1)?;
    for example in 1..starts.len() {
        starts[example] += starts[example - 1];
    }
    let mut next = starts.clone();
    let mut hits = vec![(0, 0); starts[starts.len() - 1]];
    each(&mut |at, unit| {
        let next = &mut next[(at / positions) as usize];
        hits[*next] = (at % positions, unit);
        *next += 1;
    })?;
    Ok(Masks::Sparse { starts, hits })
}

impl AnnotationSource for UnitAnnotations<'_> {
    fn n_examples(&self) -> usize {
        match &self.masks {
            Masks::Activations { source, .. } => source.n_examples(),
            Masks::Given(source) => source.n_examples(),
            Masks::Sparse { starts, .. } => starts.len() - 1,
        }
    }

    fn grid(&self) -> Grid {
        self.grid
    }

    fn annotate(&self, example: usize, into: &mut Annotation) -> Result<()> {
        let positions = self.grid.positions();
        let mut stack = Stack { positions, depth: vec![0; positions], into };
        match &self.masks {
            Masks::Activations { source, cuts, resizer } => {
                let n = source.grid().positions();
                let mut values = vec![0.0; source.n_units() * n];
                source.read(example, &mut values)?;
                let mut strips = Vec::new();
                for (unit, cut) in self.units.iter().zip(cuts) {
                    let map = &values[unit * n..][..n];
                    if greatest(map) <= *cut {
                        continue;
                    }
                    resizer.hits(map, *cut, &mut strips, |first, bits| {
                        (0..64).filter(|i| bits >> i & 1 == 1).for_each(|i| stack.add(first + i, *unit as u32));
                    });
                }
            }
            Masks::Given(source) => {
                let mut mask = vec![false; positions];
                for unit in self.units {
                    source.read(*unit, example, &mut mask)?;
                    mask.iter().enumerate().filter(|(_, on)| **on).for_each(|(at, _)| stack.add(at, *unit as u32));
                }
            }
            Masks::Sparse { starts, hits } => {
                hits[starts[example]..starts[example + 1]].iter().for_each(|(at, unit)| stack.add(*at as usize, *unit));
            }
        }
        Ok(())
    }
}

/// Layers of annotation that grow as units are added: at each position, every layer holds one more of its units.
struct Stack<'a> {
    positions: usize,
    depth: Vec<u32>,
    into: &'a mut Annotation,
}

impl Stack<'_> {
    fn add(&mut self, at: usize, unit: u32) {
        if self.positions == 1 {
            return self.into.scalars.push(unit);
        }
        let layer = self.depth[at] as usize;
        self.depth[at] += 1;
        if self.into.layers.len() == layer * self.positions {
            self.into.layers.resize((layer + 1) * self.positions, Annotation::NONE);
        }
        self.into.layers[layer * self.positions + at] = unit;
    }
}

/// The concepts of a partition as sparse activations: 1 where a concept is. Unit `i` is concept `i` of a list.
pub struct ConceptActivity<'a> {
    partition: &'a Partition,
    map: &'a PositionMap,
    /// The column of each concept; none where no position has it.
    columns: Vec<Option<usize>>,
}

impl<'a> ConceptActivity<'a> {
    /// The activity of `concepts`.
    pub fn new(partition: &'a Partition, map: &'a PositionMap, concepts: &[ConceptId]) -> Self {
        let columns = concepts.iter().map(|concept| partition.column(Atom::concept(*concept))).collect();
        Self { partition, map, columns }
    }

    fn area(&self, unit: usize) -> u64 {
        self.columns[unit].map_or(0, |column| u64::from(self.partition.area(column)))
    }
}

impl SparseSource for ConceptActivity<'_> {
    fn n_examples(&self) -> usize {
        self.map.n_examples()
    }

    fn n_units(&self) -> usize {
        self.columns.len()
    }

    fn grid(&self) -> Grid {
        self.map.grid()
    }

    fn blocks(&self) -> Vec<Span<usize>> {
        let mut blocks = Vec::new();
        let (mut first, mut values) = (0, 0);
        for unit in 0..self.n_units() {
            if values > 0 && values + self.area(unit) > BLOCK {
                blocks.push(first..unit);
                (first, values) = (unit, 0);
            }
            values += self.area(unit);
        }
        blocks.push(first..self.n_units());
        blocks
    }

    fn read(&self, block: usize) -> Result<Entries> {
        let blocks = self.blocks();
        let span = blocks.get(block).cloned().unwrap_or_default();
        let mut starts = vec![0];
        let mut unit_of = vec![None; self.partition.columns().len()];
        for unit in span.clone() {
            starts.push(starts[starts.len() - 1] + self.area(unit) as usize);
            if let Some(column) = self.columns[unit] {
                unit_of[column] = Some(unit - span.start);
            }
        }
        let n = starts[starts.len() - 1];
        let mut next = starts.clone();
        let mut found = vec![0u32; n];
        let positions = self.map.grid().positions();
        let mut ids = vec![0; positions];
        for example in 0..self.n_examples() {
            let units_of = |cell: &u32| -> Vec<usize> {
                self.partition.concepts_of(*cell).iter().filter_map(|column| unit_of[usize::from(*column)]).collect()
            };
            let units: Vec<Vec<usize>> = self.map.cells_of(example).iter().map(units_of).collect();
            if units.iter().all(Vec::is_empty) {
                continue;
            }
            self.map.read_local(example, &mut ids)?;
            for (position, id) in ids.iter().enumerate() {
                for unit in &units[*id as usize] {
                    found[next[*unit]] = (example * positions + position) as u32;
                    next[*unit] += 1;
                }
            }
        }
        Ok(Entries { first_unit: span.start, starts, positions: found, values: vec![1.0; n] })
    }
}

#[cfg(test)]
mod tests;
