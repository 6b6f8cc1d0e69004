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
//! Where the undecided region is the universe, V of shorter chains is known from their own searches: no chain of IoU up to
//! u is worth more than `u |U|`, as long as u is at most the IoU beta that is to be beaten.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::super::chain::{Chain, Op};
use super::best::{Best, Cut};
use super::pairs::Pairs;
use crate::partition::CellSet;
use crate::score::Counts;

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
    /// No chain of that length has a higher IoU.
    pub(super) upper_bound: f64,
    pub(super) certified: bool,
    pub(super) nodes: u64,
}

/// Searches for the best chain of at most `length` literals, at least 2. `best` is a good one; no chain of at most `k + 1`
/// literals has an IoU above `shorter[k]`.
pub(super) fn search(pairs: &Pairs<'_>, best: Best, length: usize, shorter: &[f64], limits: Limits) -> Outcome {
    let mut search = Search { pairs, best, length, shorter, nodes: 0, open: BinaryHeap::new() };
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
        if (limits.gap > 0.0 && close) || (search.nodes > 0 && (out_of_time || search.open.len() > MAX_OPEN)) {
            left = node.bound;
            break;
        }
        search.expand(&node);
    }
    // Worth at most w, at a beta that was no higher than now, is an IoU of at most max(w / |U|, beta).
    let iou = crate::score::Metric::Iou.of(search.best.counts);
    let upper_bound = iou.max(left / unit);
    Outcome { upper_bound, certified: upper_bound <= iou, nodes: search.nodes, best: search.best }
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
    nodes: u64,
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

    /// Tries every literal as the last one of a list, and opens what may be better with more.
    fn expand(&mut self, node: &Node) {
        self.nodes += 1;
        let region = self.region(&node.decisions);
        let (all, unit) = self.pairs.count(&region.undecided);
        for c in 0..all.len() {
            self.offer(&node.decisions, c, region.area + u64::from(all[c]), region.both + u64::from(unit[c]));
        }
        let left = self.length - node.decisions.len();
        if left < 2 {
            return;
        }
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
        for c in 0..all.len() {
            // Deciding nothing, or everything, is a shorter chain.
            if all[c] == 0 || u64::from(all[c]) == region.left_area {
                continue;
            }
            let bounds = children(i, o, side(c), shorter).map(|bound| (v + bound).min(node.bound));
            let mut solved = false;
            for (op, bound) in Op::ALL.into_iter().zip(bounds) {
                if bound < theta || !in_order(node.decisions.last(), (op, c as u16)) {
                    continue;
                }
                if left > 2 {
                    let decisions = node.decisions.iter().copied().chain([(op, c as u16)]).collect();
                    self.open.push(Node { bound, decisions });
                } else if !solved {
                    solved = true;
                    self.solve(node, &region, (&all, &unit), c);
                }
            }
        }
    }

    /// The best two literals of a node that has two left, the last of them `x`: one count of what is undecided and has x.
    fn solve(&mut self, node: &Node, region: &Region, (all, unit): (&[u32], &[u32]), x: usize) {
        let cut = self.cut();
        let with = region.undecided.combine(self.pairs.partition.set_of(x), |r, x| r & x);
        let (all_x, unit_x) = self.pairs.count_few(&with);
        let worth = |area: u64, both: u64| both as f64 - cut.beta * (area - both) as f64;
        for op in Op::ALL {
            let decisions = || -> Vec<(Op, u16)> { node.decisions.iter().copied().chain([(op, x as u16)]).collect() };
            let (area, both) = match op {
                Op::Or => (region.area + u64::from(all[x]), region.both + u64::from(unit[x])),
                _ => (region.area, region.both),
            };
            for c in 0..all.len() {
                let (more, more_both) = match op {
                    Op::And => (all_x[c], unit_x[c]),
                    _ => (all[c] - all_x[c], unit[c] - unit_x[c]),
                };
                let (area, both) = (area + u64::from(more), both + u64::from(more_both));
                if worth(area, both) >= cut.theta {
                    self.offer(&decisions(), c, area, both);
                }
            }
        }
    }

    fn offer(&mut self, decisions: &[(Op, u16)], first: usize, area: u64, both: u64) {
        let columns = self.pairs.partition.columns();
        let counts = Counts { formula: area, unit: self.pairs.unit, both };
        self.best.offer(counts, decisions.len() + 1, || {
            let chain = Chain::literal(columns[first]);
            let steps = decisions.iter().rev();
            steps.fold(chain, |chain, (op, c)| chain.extended(*op, columns[usize::from(*c)])).ordered_formula()
        });
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
