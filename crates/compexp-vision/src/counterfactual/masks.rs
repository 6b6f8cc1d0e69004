//! The masks of concepts and formulas on one image, and the connected parts of them.

use std::collections::BTreeMap;

use compexp_core::formula::Formula;
use compexp_core::probe::{Annotation, Grid};

/// Positions of an image, one bit each.
pub(super) type Bits = Vec<u64>;

/// Where an image has which concepts.
pub(super) struct Masks {
    grid: Grid,
    /// The masks of concepts that have positions of their own.
    concepts: BTreeMap<u32, Bits>,
    /// Concepts of the whole image.
    pub(super) whole: Vec<u32>,
}

pub(super) fn count(bits: &[u64]) -> usize {
    bits.iter().map(|word| word.count_ones() as usize).sum()
}

pub(super) fn both(a: &[u64], b: &[u64]) -> usize {
    a.iter().zip(b).map(|(a, b)| (a & b).count_ones() as usize).sum()
}

impl Masks {
    pub(super) fn new(annotation: &Annotation, grid: Grid) -> Self {
        let positions = grid.positions();
        let mut concepts: BTreeMap<u32, Bits> = BTreeMap::new();
        for (i, &concept) in annotation.layers.iter().enumerate() {
            if concept != Annotation::NONE {
                let at = i % positions;
                let bits = concepts.entry(concept).or_insert_with(|| vec![0; positions.div_ceil(64)]);
                bits[at / 64] |= 1 << (at % 64);
            }
        }
        Self { grid, concepts, whole: annotation.scalars.clone() }
    }

    /// The concepts that have positions of their own.
    pub(super) fn concepts(&self) -> impl Iterator<Item = u32> {
        self.concepts.keys().copied()
    }

    /// Where `formula` is true if the concepts of the whole image are `whole`.
    pub(super) fn formula(&self, formula: &Formula, whole: &[u32]) -> Bits {
        let words = self.grid.positions().div_ceil(64);
        match formula {
            Formula::Atom(atom) if whole.contains(&atom.concept.0) => self.all(),
            Formula::Atom(atom) => self.concepts.get(&atom.concept.0).cloned().unwrap_or_else(|| vec![0; words]),
            Formula::Not(f) => self.formula(f, whole).iter().zip(self.all()).map(|(a, all)| !a & all).collect(),
            Formula::And(a, b) => {
                self.formula(a, whole).iter().zip(self.formula(b, whole)).map(|(a, b)| a & b).collect()
            }
            Formula::Or(a, b) => {
                self.formula(a, whole).iter().zip(self.formula(b, whole)).map(|(a, b)| a | b).collect()
            }
        }
    }

    fn all(&self) -> Bits {
        let positions = self.grid.positions();
        let word = |i: usize| if positions - 64 * i >= 64 { u64::MAX } else { (1 << (positions - 64 * i)) - 1 };
        (0..positions.div_ceil(64)).map(word).collect()
    }

    /// The largest connected part of a concept, by its positions; of equally large ones the first.
    pub(super) fn segment(&self, concept: u32) -> Option<Bits> {
        let bits = self.concepts.get(&concept)?;
        let Grid { height, width } = self.grid;
        let mut left: Bits = bits.clone();
        let mut best: Option<Bits> = None;
        for start in 0..self.grid.positions() {
            if left[start / 64] >> (start % 64) & 1 == 0 {
                continue;
            }
            let mut part = vec![0; left.len()];
            left[start / 64] &= !(1 << (start % 64));
            let mut stack = vec![start];
            while let Some(at) = stack.pop() {
                part[at / 64] |= 1 << (at % 64);
                let (y, x) = (at / width, at % width);
                let near = [
                    (y > 0).then(|| at - width),
                    (y + 1 < height).then(|| at + width),
                    (x > 0).then(|| at - 1),
                    (x + 1 < width).then(|| at + 1),
                ];
                for next in near.into_iter().flatten() {
                    if left[next / 64] >> (next % 64) & 1 == 1 {
                        left[next / 64] &= !(1 << (next % 64));
                        stack.push(next);
                    }
                }
            }
            if best.as_ref().is_none_or(|best| count(&part) > count(best)) {
                best = Some(part);
            }
        }
        best
    }

    /// Bits as one truth value per position.
    pub(super) fn positions(&self, bits: &[u64]) -> Vec<bool> {
        (0..self.grid.positions()).map(|at| bits[at / 64] >> (at % 64) & 1 == 1).collect()
    }
}

#[cfg(test)]
mod tests {
    use compexp_core::concept::ConceptId;

    use super::*;

    /// 9 x 9; concept 1 in an L of 5 and a single position, 2 on the upper 4 rows, 7 on the whole image.
    fn masks() -> Masks {
        let grid = Grid { height: 9, width: 9 };
        let mut layers = vec![Annotation::NONE; 162];
        [0, 9, 18, 19, 20, 40].iter().for_each(|at| layers[*at] = 1);
        layers[81..81 + 36].fill(2);
        Masks::new(&Annotation { layers, scalars: vec![7] }, grid)
    }

    #[test]
    fn formulas_are_true_where_their_truth_table_says() {
        let masks = masks();
        let atom = |id| Formula::concept(ConceptId(id));
        let cases = [
            (atom(1).and(atom(2)), 5),
            (atom(1).or(atom(2)), 37),
            (atom(1).not(), 75),
            (atom(7).and(atom(1).not()), 75),
            (atom(9), 0),
            (atom(7), 81),
        ];
        for (formula, area) in cases {
            let bits = masks.formula(&formula, &masks.whole);
            assert_eq!(count(&bits), area, "{formula:?}");
            let has = |at: usize| {
                move |id: u32| match id {
                    1 => [0, 9, 18, 19, 20, 40].contains(&at),
                    2 => at < 36,
                    _ => id == 7,
                }
            };
            for (at, found) in masks.positions(&bits).into_iter().enumerate() {
                assert_eq!(found, formula.holds(&|atom| has(at)(atom.concept.0)), "{formula:?} at {at}");
            }
        }
        assert_eq!(count(&masks.formula(&atom(7), &[])), 0, "of another image");
    }

    #[test]
    fn a_segment_is_the_largest_connected_part() {
        let masks = masks();
        let there = |bits: Bits| (0..81).filter(|at| masks.positions(&bits)[*at]).collect::<Vec<_>>();
        assert_eq!(there(masks.segment(1).unwrap()), [0, 9, 18, 19, 20]);
        assert_eq!(masks.segment(7), None, "the whole image is no segment");
        assert_eq!(both(&masks.segment(2).unwrap(), &masks.segment(1).unwrap()), 5);
    }
}
