//! The search for longer chains: best-first branch and bound, which can be stopped at any time.
//!
//! A chain is read from its last literal to its first, as a list of *decisions*. `.. OR L` makes true the positions that
//! have L, `.. AND NOT L` makes them false, and `.. AND L` makes false those that lack L. The positions that a decision
//! leaves undecided are decided by the literals before it; the first literal decides all that remain. A *node* of the
//! search is the end of a chain: a list of decisions that have made some positions true and leave a region undecided.
//! Nodes are taken in the order of their bounds (see [`bounds`]). A node with three literals left is solved by
//! [`super::triples`] within its region.
//!
//! | module | holds |
//! |---|---|
//! | `node` | the ends of chains, and the order in which they are opened |
//! | `bounds` | the most that a chain with a given end can be worth |
//! | `ends` | better bounds for long chains, from searches for chains of three |
//! | `limits` | when to stop before everything is proven |

mod bounds;
mod ends;
mod limits;
mod node;
#[cfg(test)]
mod tests;

use std::collections::BinaryHeap;

use self::bounds::{Bounds, Level};
pub(super) use self::bounds::{Ends, Known};
pub(super) use self::ends::ends_of_three;
pub(super) use self::limits::Limits;
use self::node::{Decision, Node};
use super::best::Best;
use super::pairs::Pairs;
use super::triples::{self, Decided};
use super::work::Work;
use super::worth::Cut;

/// The greatest number of open nodes. With more, the search stops as at the end of its time.
const MAX_OPEN: usize = 1 << 22;

/// The result of a search.
pub(super) struct Outcome {
    pub(super) best: Best,
    /// No chain of that length, unless equal to a shorter one, has a higher IoU.
    pub(super) upper_bound: f64,
    pub(super) work: Work,
    /// Bounds for chains of one literal less.
    pub(super) ends: Ends,
}

/// Searches for the best chain of `length` literals, at least 4, other than those equal to shorter ones. `best` is a
/// good chain, with an IoU not below that at which the gains of `pairs` were measured.
pub(super) fn search(pairs: &Pairs<'_>, best: Best, length: usize, known: Known<'_>, limits: Limits) -> Outcome {
    let mut search =
        Search { pairs, best, length, known, limits, work: Work::default(), open: BinaryHeap::new(), left: 0.0 };
    search.open.push(Node { bound: f64::INFINITY, decisions: Box::default() });
    while let Some(node) = search.open.pop() {
        if node.bound < search.cut().needed {
            break;
        }
        if search.stops_at(node.bound) || search.open.len() > MAX_OPEN {
            search.left = search.left.max(node.bound);
            break;
        }
        search.expand(&node);
    }
    let unit = pairs.unit as f64;
    // Worth at most w, at a beta that was no higher than now, is an IoU of at most max(w / |U|, beta).
    let upper_bound = search.best.score().max(search.left / unit);
    let ends = ends::from_bound(pairs, upper_bound * unit, search.cut().beta);
    Outcome { upper_bound, work: search.work, best: search.best, ends }
}

struct Search<'a> {
    pairs: &'a Pairs<'a>,
    best: Best,
    length: usize,
    known: Known<'a>,
    limits: Limits,
    work: Work,
    open: BinaryHeap<Node>,
    /// The greatest bound of the nodes that were not opened, because the time ended or the bound was close enough.
    left: f64,
}

impl Search<'_> {
    fn cut(&self) -> Cut {
        self.best.cut(self.length, self.pairs.partition.n_positions())
    }

    /// Whether to stop at a bound: it is close enough to the best, or the time has ended.
    fn stops_at(&self, bound: f64) -> bool {
        let gap = self.limits.gap;
        let close = gap > 0.0 && bound <= (self.cut().beta + gap) * self.pairs.unit as f64;
        close || (self.work.nodes > 0 && self.limits.time_is_up())
    }

    /// Opens a node: keeps the ends that are longer by a literal and may be better, or solves them if they lack three.
    fn expand(&mut self, node: &Node) {
        self.work.nodes += 1;
        let bounds = Bounds { universe: self.pairs, length: self.length, known: self.known, cut: self.cut() };
        bounds.at(&node.decisions, &mut |level| {
            let children = bounds.children(level, node.bound);
            if self.length - level.decisions.len() > 4 {
                self.open.extend(children.into_iter().map(|(bound, next)| node.longer(bound, next)));
            } else {
                self.solve(node, level, children);
            }
        });
    }

    /// Finds the best chains that end in `node` and one of the decisions `children`, and have three literals before.
    fn solve(&mut self, node: &Node, level: &Level<'_, '_>, mut children: Vec<(f64, Decision)>) {
        children.sort_by(|(a, x), (b, y)| b.total_cmp(a).then((x.1, x.0 as u8).cmp(&(y.1, y.0 as u8))));
        for (bound, next) in children {
            if bound < self.cut().needed {
                break;
            }
            if self.stops_at(bound) {
                self.left = self.left.max(bound);
                break;
            }
            self.work.nodes += 1;
            let region = level.within.after(next.0, next.1.into());
            let (area, both) = level.made_true(next);
            let decided = Decided { literals: &node.longer(bound, next).decisions, area, both };
            let outcome = triples::search(&region, decided, self.best.clone(), f64::INFINITY);
            self.best = outcome.best;
            self.work.add(outcome.work);
        }
    }
}
