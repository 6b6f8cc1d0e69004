//! The search for longer chains: best-first branch and bound, which can be stopped at any time.
//!
//! A chain is a list of decisions, read from its last literal to its first: `.. OR L` makes true what has L, `.. AND NOT L`
//! makes false what has L, `.. AND L` makes false what lacks it, and what is left undecided goes on to the literal before;
//! the first literal decides what reaches it. A *node* is such a list from the end: what it has made true is worth `v`, a
//! region R is undecided, and `r` literals are left. With V(r, R) for the most that a chain of up to r literals can be
//! worth within R, the best chain below the node is worth `v + V(r, R)`.
//!
//! Bounds on V, with i, o and g of [`super::triples`] taken within R:
//!
//! - V(r, R) <= i(R): nothing is worth more than the unit's positions.
//! - V(1, R) = the greatest g(L).
//! - V(r, S) <= V(r, R) + o(R without S) for S within R: a chain that is worth w within S is worth at least
//!   `w - o(R without S)` within R.
//! - So, by its last literal X, a chain of r literals is worth at most
//!   - OR: `g(X) + V(r - 1, R without X) <= min(i(R) - o(X), i(X) + V(r - 1, R))`,
//!   - AND NOT: `V(r - 1, R without X) <= min(i(R) - i(X), V(r - 1, R) + o(X))`,
//!   - AND: `V(r - 1, R and X) <= min(i(X), V(r - 1, R) + o(R without X))`.
//!
//! A node with three literals left is solved by [`super::triples`] within its region. Where the undecided region is the universe, V of shorter chains is known from their own searches: no chain of IoU up to
//! u is worth more than `u |U|`, as long as u is at most the IoU beta that is to be beaten.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::super::chain::Op;
use super::Work;
use super::best::{Best, Cut};
use super::pairs::Pairs;
use super::triples::{self, Decided};
use crate::partition::CellSet;
use crate::score::Metric;

/// More open nodes than this are not kept: the search stops as if its time were up.
const MAX_OPEN: usize = 1 << 22;

/// When to stop before everything is proven.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) deadline: Option<Instant>,
    /// A difference in IoU that is not worth searching for.
    pub(super) gap: f64,
}

/// What a search came to.
pub(super) struct Outcome {
    pub(super) best: Best,
    /// No chain of that length, unless equal to a shorter one, has a higher IoU.
    pub(super) upper_bound: f64,
    pub(super) work: Work,
}

/// Searches for the best chain of `length` literals, at least 4, other than those equal to shorter ones. `best` is a good one;
/// no chain of at most `k + 1` literals has an IoU above `shorter[k]`.
pub(super) fn search(pairs: &Pairs<'_>, best: Best, length: usize, shorter: &[f64], limits: Limits) -> Outcome {
    let mut search = Search { pairs, best, length, shorter, work: Work::default(), open: BinaryHeap::new() };
    search.open.push(Node { bound: f64::INFINITY, decisions: Box::default() });
    let unit = pairs.unit as f64;
    let mut left = 0.0;
    while let Some(node) = search.open.pop() {
        let cut = search.cut();
        if node.bound < cut.theta {
            break;
        }
        let out_of_time = limits.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let close = node.bound <= (cut.beta + limits.gap) * unit;
        if (limits.gap > 0.0 && close) || (search.work.nodes > 0 && (out_of_time || search.open.len() > MAX_OPEN)) {
            left = node.bound;
            break;
        }
        search.expand(&node);
    }
    // Worth at most w, at a beta that was no higher than now, is an IoU of at most max(w / |U|, beta).
    let iou = Metric::Iou.of(search.best.counts);
    let upper_bound = iou.max(left / unit);
    Outcome { upper_bound, work: search.work, best: search.best }
}

/// A list of decisions, the last literal of the chain first, and the most that a chain ending in it can be worth.
struct Node {
    bound: f64,
    decisions: Box<[(Op, u16)]>,
}

impl Ord for Node {
    /// By bound, then the longer list, which is nearer to a result; then in an order that makes runs repeat.
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |n: &Self| n.decisions.iter().map(|(op, c)| (*op as u8, *c)).collect::<Vec<_>>();
        let by_bound = self.bound.total_cmp(&other.bound);
        by_bound.then(self.decisions.len().cmp(&other.decisions.len())).then_with(|| key(other).cmp(&key(self)))
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Node {}

struct Search<'a> {
    pairs: &'a Pairs<'a>,
    best: Best,
    length: usize,
    shorter: &'a [f64],
    work: Work,
    open: BinaryHeap<Node>,
}

/// What a list of decisions has made true, and what it has left.
struct Region {
    undecided: CellSet,
    /// Positions made true, in all and in the unit.
    area: u64,
    both: u64,
    /// Those undecided.
    left_area: u64,
    left_both: u64,
}

impl Search<'_> {
    fn cut(&self) -> Cut {
        self.best.cut(self.length, self.pairs.partition.n_positions())
    }

    /// Opens the lists that are longer by a literal and may be better; solves those that lack three.
    fn expand(&mut self, node: &Node) {
        self.work.nodes += 1;
        let region = self.region(&node.decisions);
        let left = self.length - node.decisions.len();
        if left == 3 {
            let decided = Decided { literals: &node.decisions, area: region.area, both: region.both };
            let within = self.pairs.within(region.undecided);
            let (best, work) = triples::search(&within, decided, self.best.clone());
            self.best = best;
            self.work.add(work);
            return;
        }
        let (all, unit) = self.pairs.count(&region.undecided);
        let Cut { beta, theta } = self.cut();
        let v = region.both as f64 - beta * (region.area - region.both) as f64;
        let (i, o) = (region.left_both as f64, beta * (region.left_area - region.left_both) as f64);
        let side = |c: usize| (f64::from(unit[c]), beta * f64::from(all[c] - unit[c]));
        // most[k] bounds V(k + 1, R).
        let mut most: Vec<f64> = Vec::with_capacity(left);
        for k in 0..left - 1 {
            let of = |c: usize| match most.last() {
                None => side(c).0 - side(c).1,
                Some(shorter) => children(i, o, side(c), *shorter).into_iter().fold(f64::NEG_INFINITY, f64::max),
            };
            let mut bound = (0..all.len()).filter(|c| all[*c] > 0).map(of).fold(0.0, f64::max);
            // Chains of k + 1 literals include those of fewer.
            bound = most.last().map_or(bound, |m| bound.max(*m)).min(i);
            if let Some(u) = self.shorter.get(k).filter(|u| node.decisions.is_empty() && **u <= beta) {
                bound = bound.min(u * self.pairs.unit as f64);
            }
            most.push(bound);
        }
        let shorter = most.last().copied().unwrap_or(0.0);
        for (c, size) in all.iter().enumerate() {
            // Deciding nothing, or everything, is a shorter chain.
            if *size == 0 || u64::from(*size) == region.left_area {
                continue;
            }
            let bounds = children(i, o, side(c), shorter).map(|bound| (v + bound).min(node.bound));
            for (op, bound) in Op::ALL.into_iter().zip(bounds) {
                if bound >= theta && in_order(node.decisions.last(), (op, c as u16)) {
                    let decisions = node.decisions.iter().copied().chain([(op, c as u16)]).collect();
                    self.open.push(Node { bound, decisions });
                }
            }
        }
    }

    fn region(&self, decisions: &[(Op, u16)]) -> Region {
        let partition = self.pairs.partition;
        let mut undecided = CellSet::full(partition.n_cells());
        let (mut area, mut both) = (0, 0);
        for (op, c) in decisions {
            let literal = partition.set_of(usize::from(*c));
            if *op == Op::Or {
                let (more, more_both) = self.pairs.size(&undecided.combine(literal, |r, l| r & l));
                area += more;
                both += more_both;
            }
            undecided = match op {
                Op::And => undecided.combine(literal, |r, l| r & l),
                Op::Or | Op::AndNot => undecided.combine(literal, |r, l| r & !l),
            };
        }
        let (left_area, left_both) = self.pairs.size(&undecided);
        Region { undecided, area, both, left_area, left_both }
    }
}

/// The most that a chain can be worth within a region of `i` and `o` whose last literal, of `side` = (i, o), is joined by
/// each of [`Op::ALL`]; `shorter` bounds the chains of one literal less.
fn children(i: f64, o: f64, side: (f64, f64), shorter: f64) -> [f64; 3] {
    let or = (i - side.1).min(side.0 + shorter);
    let and = side.0.min(shorter + o - side.1);
    let and_not = (i - side.0).min(shorter + side.1);
    [or, and, and_not]
}

/// Whether a decision may follow another. Neighbouring ORs commute, and so do AND and AND NOT: one order of each is enough.
fn in_order(last: Option<&(Op, u16)>, next: (Op, u16)) -> bool {
    let Some(last) = last else { return true };
    if (last.0 == Op::Or) != (next.0 == Op::Or) {
        return true;
    }
    (last.1, last.0 as u8) < (next.1, next.0 as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use crate::formula::Formula;
    use crate::partition::{MemoryPositions, PartitionBuilder};
    use crate::probe::{Annotation, AnnotationSource, Grid};
    use crate::profile::Profile;

    /// Masks of at most 64 positions, a word each.
    struct Masks {
        positions: usize,
        concepts: Vec<u64>,
        unit: u64,
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
            let positions = 8 + (next() % 57) as usize;
            let all = u64::MAX >> (64 - positions);
            let mut concepts: Vec<u64> = Vec::new();
            for _ in 0..2 + next() % 5 {
                let other = concepts.get(next() as usize % concepts.len().max(1)).copied().unwrap_or(all);
                let mask = match next() % 6 {
                    0 => next() & next() & next(),
                    1 => next() & next(),
                    2 => next() | next(),
                    3 => other & next(),
                    4 => other | (next() & next() & next()),
                    _ => other,
                };
                concepts.push(mask & all);
            }
            let noise = next() & next() & next() & next();
            let at = |i: u64| concepts[i as usize % concepts.len()];
            let unit = (((at(next()) | at(next())) & at(next())) ^ noise) & all;
            Self { positions, concepts, unit }
        }

        /// The best worth of a chain of at most `literals`, within `region`.
        fn best(&self, literals: usize, region: u64, beta: f64) -> f64 {
            let mut best = f64::NEG_INFINITY;
            for mask in &self.concepts {
                best = best.max(self.worth(mask & region, beta));
                if literals > 1 {
                    let or = self.worth(mask & region, beta) + self.best(literals - 1, region & !mask, beta);
                    let and = self.best(literals - 1, region & mask, beta);
                    let and_not = self.best(literals - 1, region & !mask, beta);
                    best = best.max(or).max(and).max(and_not);
                }
            }
            best
        }

        fn worth(&self, mask: u64, beta: f64) -> f64 {
            f64::from((mask & self.unit).count_ones()) - beta * f64::from((mask & !self.unit).count_ones())
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
                into.layers.extend((0..self.positions).map(|p| if mask >> p & 1 == 1 { id } else { Annotation::NONE }));
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
            for (_, id) in ids.iter().enumerate().filter(|(p, _)| masks.unit >> p & 1 == 1) {
                hits[map.cells_of(0)[*id as usize] as usize] += 1;
            }
            let cells: Vec<u32> = (0..).zip(&hits).filter(|(_, h)| **h > 0).map(|(c, _)| c).collect();
            let hits = hits.into_iter().filter(|h| *h > 0).collect();
            let pairs = Pairs::new(&partition, &Profile { cells, hits, ..Profile::default() });
            // Any literal that meets the unit is a start; a poor one leaves more open.
            let Some(first) = (0..pairs.both.len()).filter(|c| pairs.both[*c] > 0).min_by_key(|c| pairs.both[*c])
            else {
                continue;
            };
            let formula = u64::from(partition.area(first));
            let counts = crate::score::Counts { formula, unit: pairs.unit, both: pairs.both[first].into() };
            let best = Best::new(Formula::Atom(partition.columns()[first]), counts);
            let length = 4 + seed as usize % 2;
            let mut search =
                Search { pairs: &pairs, best, length, shorter: &[], work: Work::default(), open: BinaryHeap::new() };
            search.open.push(Node { bound: f64::INFINITY, decisions: Box::default() });
            let beta = search.cut().beta;
            // Concepts without a position are no columns.
            let of_column: Vec<u64> =
                partition.columns().iter().map(|a| masks.concepts[a.concept.0 as usize]).collect();
            while let Some(node) = search.open.pop() {
                let (mut decided, mut region) = (0, u64::MAX >> (64 - masks.positions));
                for (op, c) in &node.decisions {
                    let mask = of_column[usize::from(*c)];
                    decided |= if *op == Op::Or { region & mask } else { 0 };
                    region &= if *op == Op::And { mask } else { !mask };
                }
                let left = length - node.decisions.len();
                if left > 3 || looked_at % 16 == 0 {
                    let most = masks.worth(decided, beta) + masks.best(left.min(4), region, beta);
                    assert!(node.bound >= most - 1e-9, "seed {seed}, {:?}: {} and {most}", node.decisions, node.bound);
                }
                looked_at += 1;
                if left > 3 {
                    search.expand(&node);
                }
            }
        }
        assert!(looked_at > 50_000, "{looked_at}");
    }
}
