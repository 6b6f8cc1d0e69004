//! Dense masks, 64 positions to a word, and a whole problem in that form.

use std::collections::BTreeMap;

use super::Problem;

/// A dense mask; positions beyond the universe are never set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bits(Vec<u64>);

/// How a formula is extended by a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    Or,
    And,
    AndNot,
}

impl Join {
    /// In the order in which candidates are tried.
    pub(crate) const ALL: [Join; 3] = [Join::Or, Join::And, Join::AndNot];

    fn apply(self, a: u64, b: u64) -> u64 {
        match self {
            Join::Or => a | b,
            Join::And => a & b,
            Join::AndNot => a & !b,
        }
    }
}

/// Areas of a formula, the unit, and both, and of the universe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Counts {
    pub(crate) universe: u64,
    pub(crate) formula: u64,
    pub(crate) unit: u64,
    pub(crate) both: u64,
}

impl Counts {
    pub(crate) fn union(self) -> u64 {
        self.formula + self.unit - self.both
    }

    pub(crate) fn is_everything(self) -> bool {
        self.formula == self.universe
    }
}

impl Bits {
    /// The mask that holds no position of a universe.
    pub(crate) fn empty(positions: usize) -> Self {
        Bits(vec![0; positions.div_ceil(64)])
    }

    pub(crate) fn from_bools(mask: &[bool]) -> Self {
        let mut bits = Bits::empty(mask.len());
        mask.iter().enumerate().filter(|(_, on)| **on).for_each(|(position, _)| bits.set(position));
        bits
    }

    pub(crate) fn set(&mut self, position: usize) {
        self.0[position / 64] |= 1 << (position % 64);
    }

    pub(crate) fn contains(&self, position: usize) -> bool {
        self.0[position / 64] >> (position % 64) & 1 == 1
    }

    fn area(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn join(&self, join: Join, other: &Bits) -> Bits {
        assert_eq!(self.0.len(), other.0.len(), "masks of one universe");
        Bits(self.0.iter().zip(&other.0).map(|(a, b)| join.apply(*a, *b)).collect())
    }

    /// Counts of this mask against the unit's.
    pub(crate) fn counts(&self, unit: &Unit) -> Counts {
        self.joined_counts(Join::Or, self, unit)
    }

    /// Counts of the joined mask against the unit's, without keeping the mask.
    pub(crate) fn joined_counts(&self, join: Join, other: &Bits, unit: &Unit) -> Counts {
        let words = unit.mask.0.len();
        assert!(self.0.len() == words && other.0.len() == words, "masks of one universe");
        let mut counts = Counts { universe: unit.universe, formula: 0, unit: unit.area, both: 0 };
        for ((a, b), u) in self.0.iter().zip(&other.0).zip(&unit.mask.0) {
            let joined = join.apply(*a, *b);
            counts.formula += u64::from(joined.count_ones());
            if *u != 0 {
                counts.both += u64::from((joined & u).count_ones());
            }
        }
        counts
    }
}

/// A unit's mask, counted once.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    mask: Bits,
    pub(crate) area: u64,
    universe: u64,
}

impl Unit {
    pub(crate) fn from_bools(mask: &[bool]) -> Self {
        let universe = mask.len() as u64;
        let mask = Bits::from_bools(mask);
        Unit { area: mask.area(), mask, universe }
    }
}

/// One concept of a [`Space`].
#[derive(Clone, Debug)]
pub(crate) struct Concept {
    pub(crate) id: u32,
    pub(crate) mask: Bits,
    /// The mask of NEIGHBORS(id), where the concept has neighbours.
    near: Option<Bits>,
}

impl Concept {
    /// The mask of NEIGHBORS(id): the concept's own where it has no neighbours.
    pub(crate) fn near(&self) -> &Bits {
        self.near.as_ref().unwrap_or(&self.mask)
    }
}

/// The concepts of a problem in ascending id, packed; a unit is given to each search.
#[derive(Clone, Debug)]
pub(crate) struct Space {
    pub(crate) concepts: Vec<Concept>,
}

impl Space {
    pub(crate) fn new(problem: &Problem) -> Self {
        let mut masks = BTreeMap::new();
        for (id, mask) in &problem.concepts {
            assert_eq!(mask.len(), problem.unit.len(), "mask of concept {id}");
            assert!(masks.insert(*id, Bits::from_bools(mask)).is_none(), "concept {id} is listed twice");
        }
        Space::from_masks(masks, &problem.neighbors)
    }

    /// From packed masks; every id in `neighbors` must have one.
    pub(crate) fn from_masks(masks: BTreeMap<u32, Bits>, neighbors: &BTreeMap<u32, Vec<u32>>) -> Self {
        assert!(neighbors.keys().all(|id| masks.contains_key(id)), "neighbours of an unlisted concept");
        let near = |id: &u32| {
            let others = neighbors.get(id).filter(|others| !others.is_empty())?;
            Some(others.iter().fold(masks[id].clone(), |mask, other| mask.join(Join::Or, &masks[other])))
        };
        let concepts = masks.iter().map(|(id, mask)| Concept { id: *id, mask: mask.clone(), near: near(id) });
        Space { concepts: concepts.collect() }
    }
}
