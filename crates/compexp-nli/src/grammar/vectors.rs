//! Word vectors from classes of meaning: words of the same classes are neighbours.

use super::draw::Draw;
use super::words::entries;
use crate::random::Purpose;

/// The numbers of a vector.
pub(super) const DIMENSION: usize = 24;

/// The distance of a word from the others of its classes.
const NOISE: f64 = 0.35;

/// A vector for every word of the grammar, in its order.
pub(super) fn vectors(seed: u64) -> Vec<(&'static str, [f64; DIMENSION])> {
    let direction = |round: u64| {
        let mut draw = Draw::new(seed, Purpose::Vectors, round);
        [0; DIMENSION].map(|_: i32| draw.spread())
    };
    let mut classes: Vec<&str> = entries().flat_map(|entry| entry.classes.split(' ')).collect();
    classes.sort_unstable();
    classes.dedup();
    let n = classes.len() as u64;
    let word = |(entry, place): (super::words::Entry, u64)| {
        let mut vector = direction(n + place).map(|value| NOISE * value);
        for class in entry.classes.split(' ') {
            let of_class = direction(classes.binary_search(&class).map_or(n, |at| at as u64));
            vector.iter_mut().zip(of_class).for_each(|(sum, value)| *sum += value);
        }
        (entry.word, vector)
    };
    entries().zip(0..).map(word).collect()
}
