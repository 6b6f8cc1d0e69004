//! Small generated problems with the structure that breaks searches: ties, equal, nested, disjoint, universal and empty
//! concepts, synonyms, and units that are nearly a formula.

use std::collections::BTreeMap;

use super::Problem;

/// xorshift64*, seeded through one splitmix step so that small seeds differ at once.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let mixed = (seed ^ 0x5851_f42d_4c95_7f2d).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Random((mixed ^ (mixed >> 31)).max(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// True with a probability of `percent` / 100.
    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A deterministic problem. With neighbours, concept ids are `0..n_concepts` (as in a feature matrix, where the id is the
/// column), about a quarter of them without neighbours; without, ids start at 1 or later and leave gaps, as labels do.
///
/// About one seed in 25 has a silent unit, and one in 25 a unit on positions without concepts (where there are any).
pub(crate) fn random_problem(seed: u64, n_concepts: usize, n_positions: usize, with_neighbors: bool) -> Problem {
    let random = &mut Random::new(seed);
    let mut masks: Vec<Vec<bool>> = Vec::new();
    for _ in 0..n_concepts {
        let mask = concept(random, &masks, n_positions);
        masks.push(mask);
    }
    let unit = unit(random, &masks, n_positions);

    let mut ids: Vec<u32> = Vec::new();
    let mut id = 0;
    for _ in 0..n_concepts {
        ids.push(if with_neighbors { id } else { id + 1 + random.below(3) as u32 });
        id = ids[ids.len() - 1] + u32::from(with_neighbors);
    }
    let mut neighbors = BTreeMap::new();
    for id in ids.iter().filter(|_| with_neighbors) {
        if random.chance(75) {
            let others = (0..1 + random.below(3)).map(|_| ids[random.below(n_concepts)]).collect();
            neighbors.insert(*id, others);
        }
    }
    Problem { concepts: ids.into_iter().zip(masks).collect(), unit, neighbors }
}

/// A new concept, often related to an earlier one.
fn concept(random: &mut Random, earlier: &[Vec<bool>], positions: usize) -> Vec<bool> {
    if earlier.is_empty() || random.chance(40) {
        let percent = [2, 10, 25, 50, 80][random.below(5)];
        return (0..positions).map(|_| random.chance(percent)).collect();
    }
    let other = earlier[random.below(earlier.len())].clone();
    match random.below(12) {
        0 => vec![true; positions],
        1 => vec![false; positions],
        2 => other,                                                         // a synonym
        3 => other.iter().map(|on| !on).collect(),                          // its complement
        4 | 5 => other.iter().map(|on| *on && random.chance(60)).collect(), // nested within
        6 | 7 => other.iter().map(|on| *on || random.chance(15)).collect(), // around
        8 | 9 => other.iter().map(|on| !on && random.chance(30)).collect(), // disjoint
        // A block of neighbouring positions, as an object in an image.
        _ => {
            let (start, length) = (random.below(positions.max(1)), 1 + random.below(positions.div_ceil(3).max(1)));
            (0..positions).map(|position| (start..start + length).contains(&position)).collect()
        }
    }
}

/// Nearly a formula of one to four literals; sometimes noise, nothing, or what no concept covers.
fn unit(random: &mut Random, concepts: &[Vec<bool>], positions: usize) -> Vec<bool> {
    match random.below(25) {
        0 => return vec![false; positions],
        1 => return (0..positions).map(|position| concepts.iter().all(|mask| !mask[position])).collect(),
        2..=4 => return (0..positions).map(|_| random.chance(30)).collect(),
        _ => {}
    }
    let mut mask = concepts.get(random.below(concepts.len().max(1))).cloned().unwrap_or(vec![false; positions]);
    for _ in 0..random.below(4) {
        let other = &concepts[random.below(concepts.len())];
        let join = random.below(3);
        for (on, other) in mask.iter_mut().zip(other) {
            *on = [*on || *other, *on && *other, *on && !*other][join];
        }
    }
    let noise = [0, 3, 10][random.below(3)];
    mask.iter().map(|on| *on != random.chance(noise)).collect()
}
