//! Compares bounds with the best chain, found by trying all.

use std::collections::HashMap;

use super::super::best::{Best, Goal};
use super::super::pairs::Pairs;
use super::super::worth::Cut;
use super::bounds::{Bounds, Ends, Known};
use super::node::Decision;
use crate::error::Result;
use crate::formula::Formula;
use crate::partition::{MemoryPositions, PartitionBuilder};
use crate::probe::{Annotation, AnnotationSource, Grid};
use crate::profile::Profile;
use crate::search::chain::Op;

/// The words of a mask of at most 256 positions.
type Mask = [u64; 4];

fn combine(a: Mask, b: Mask, f: impl Fn(u64, u64) -> u64) -> Mask {
    std::array::from_fn(|i| f(a[i], b[i]))
}

struct Masks {
    positions: usize,
    concepts: Vec<Mask>,
    unit: Mask,
}

impl Masks {
    /// Concepts of every size, equal and nested ones among them, and a unit that is nearly a chain of some.
    fn random(seed: u64) -> Self {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let positions = 8 + (next() % 193) as usize;
        let all = std::array::from_fn(|w| (0..64).filter(|p| 64 * w + p < positions).fold(0, |m, p| m | 1 << p));
        let mut concepts: Vec<Mask> = Vec::new();
        for _ in 0..2 + next() % 7 {
            let other = concepts.get(next() as usize % concepts.len().max(1)).copied().unwrap_or(all);
            let kind = next() % 6;
            let mask = other.map(|other| match kind {
                0 => next() & next() & next(),
                1 => next() & next(),
                2 => next() | next(),
                3 => other & next(),
                4 => other | (next() & next() & next()),
                _ => other,
            });
            let mut mask = combine(mask, all, |a, b| a & b);
            // What is everywhere is in no formula.
            mask[0] &= if mask == all { !1 } else { u64::MAX };
            concepts.push(mask);
        }
        let noise: Mask = std::array::from_fn(|_| next() & next() & next() & next());
        let at = |i: u64| concepts[i as usize % concepts.len()];
        let chain = combine(combine(at(next()), at(next()), |a, b| a | b), at(next()), |a, b| a & b);
        let unit = combine(combine(chain, noise, |a, b| a ^ b), all, |a, b| a & b);
        Self { positions, concepts, unit }
    }

    fn everything(&self) -> Mask {
        let has = |p: usize| p < self.positions;
        std::array::from_fn(|w| (0..64).filter(|p| has(64 * w + p)).fold(0, |m, p| m | 1 << p))
    }

    fn worth(&self, mask: Mask, beta: f64) -> f64 {
        let count = |mask: Mask| f64::from(mask.iter().map(|w| w.count_ones()).sum::<u32>());
        count(combine(mask, self.unit, |m, u| m & u)) - beta * count(combine(mask, self.unit, |m, u| m & !u))
    }
}

/// The best worth of a chain of at most this number of literals within a region, by trying all.
struct Brute<'a> {
    masks: &'a Masks,
    beta: f64,
    known: HashMap<(usize, Mask), f64>,
}

impl Brute<'_> {
    fn best(&mut self, literals: usize, region: Mask) -> f64 {
        if let Some(best) = self.known.get(&(literals, region)) {
            return *best;
        }
        let mut best = f64::NEG_INFINITY;
        for mask in &self.masks.concepts {
            let [with, without] = [combine(region, *mask, |r, m| r & m), combine(region, *mask, |r, m| r & !m)];
            let worth = self.masks.worth(with, self.beta);
            best = best.max(worth);
            if literals > 1 {
                let rest = self.best(literals - 1, without);
                best = best.max(worth + rest).max(rest).max(self.best(literals - 1, with));
            }
        }
        self.known.insert((literals, region), best);
        best
    }
}

impl AnnotationSource for Masks {
    fn n_examples(&self) -> usize {
        1
    }

    fn grid(&self) -> Grid {
        Grid { height: 1, width: self.positions }
    }

    fn annotate(&self, _: usize, into: &mut Annotation) -> Result<()> {
        for (id, mask) in (0..).zip(&self.concepts) {
            let has = |p: usize| mask[p / 64] >> (p % 64) & 1 == 1;
            into.layers.extend((0..self.positions).map(|p| if has(p) { id } else { Annotation::NONE }));
        }
        Ok(())
    }
}

#[test]
fn no_bound_is_below_the_best_chain_that_ends_so() {
    let mut looked_at = 0;
    for seed in 0..3000 {
        let masks = Masks::random(seed);
        let mut builder = PartitionBuilder::new(masks.grid(), Box::new(MemoryPositions::new(masks.grid())));
        builder.add_all(&masks, &|_| ()).unwrap();
        let (partition, map) = builder.finish(&Default::default()).unwrap();
        let mut ids = vec![0; masks.positions];
        map.read_local(0, &mut ids).unwrap();
        let mut hits = vec![0; partition.n_cells()];
        for (_, id) in ids.iter().enumerate().filter(|(p, _)| masks.unit[p / 64] >> (p % 64) & 1 == 1) {
            hits[map.cells_of(0)[*id as usize] as usize] += 1;
        }
        let cells: Vec<u32> = (0..).zip(&hits).filter(|(_, h)| **h > 0).map(|(c, _)| c).collect();
        let hits = hits.into_iter().filter(|h| *h > 0).collect();
        let profile = Profile { cells, hits, ..Profile::default() };
        let start = Pairs::new(&partition, &profile, 0.0);
        // Any literal that meets the unit is a start; a poor one leaves more open.
        let Some(first) = (0..start.both.len()).filter(|c| start.both[*c] > 0).min_by_key(|c| start.both[*c]) else {
            continue;
        };
        let formula = u64::from(partition.area(first));
        let counts = start.counts(formula, start.both[first].into());
        let best = Best::new(Formula::Atom(partition.columns()[first]), counts, Goal::Iou);
        let length = 4 + seed as usize % 2;
        let cut = best.cut(length, partition.n_positions());
        let Cut { beta, .. } = cut;
        // What is gained may have been measured at a lower IoU.
        let pairs = Pairs::new(&partition, &profile, if seed % 3 == 0 { beta / 2.0 } else { beta });
        let mut brute = Brute { masks: &masks, beta, known: HashMap::new() };
        // Concepts without a position are no columns.
        let of_column: Vec<Mask> = partition.columns().iter().map(|a| masks.concepts[a.concept.0 as usize]).collect();
        let everything = masks.everything();
        // The bounds of shorter chains are as low as possible.
        let end = |brute: &mut Brute<'_>, literals, mask| {
            let [without, with] = [combine(everything, mask, |r, m| r & !m), combine(everything, mask, |r, m| r & m)];
            [brute.best(literals, without), brute.best(literals, with)]
        };
        let ends: Vec<Ends> =
            (3..length - 1).map(|r| of_column.iter().map(|mask| end(&mut brute, r, *mask)).collect()).collect();
        let known = Known { shorter: &[], ends: if seed % 2 == 0 { &[] } else { &ends } };
        let bounds = Bounds { universe: &pairs, length, known, cut };
        let mut lists: Vec<(f64, Vec<Decision>)> = vec![(f64::INFINITY, Vec::new())];
        while let Some((bound, decisions)) = lists.pop() {
            let (mut decided, mut region) = (0.0, everything);
            for (op, c) in &decisions {
                let mask = of_column[usize::from(*c)];
                if *op == Op::Or {
                    decided += masks.worth(combine(region, mask, |r, m| r & m), beta);
                }
                region = combine(region, mask, |r, m| if *op == Op::And { r & m } else { r & !m });
            }
            let most = decided + brute.best(length - decisions.len(), region);
            assert!(bound >= most - 1e-9, "seed {seed}, {decisions:?}: {bound} and {most}");
            looked_at += 1;
            if length - decisions.len() > 3 {
                bounds.at(&decisions, &mut |level| {
                    let longer = |next| decisions.iter().copied().chain([next]).collect();
                    lists.extend(bounds.children(level, bound).into_iter().map(|(b, next)| (b, longer(next))));
                });
            }
        }
    }
    assert!(looked_at > 100_000, "{looked_at}");
}
