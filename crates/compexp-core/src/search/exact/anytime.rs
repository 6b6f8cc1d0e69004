//! The search for longer chains: best-first branch and bound, which can be stopped at any time.
//!
//! A chain is a list of decisions, read from its last literal to its first: `.. OR L` makes true what has L, `.. AND NOT L`
//! makes false what has L, `.. AND L` makes false what lacks it, and what is left undecided goes on to the literal before;
//! the first literal decides what reaches it. A *node* is such a list from the end: what it has made true is worth `v`, a
//! region R is undecided, and `r` literals are left. With V(r, R) for the most that a chain of up to r literals can be
//! worth within R, the best chain below the node is worth `v + V(r, R)`.
//!
//! Bounds on V, with g, p and n of [`Worth`], which add up over disjoint regions:
//!
//! - V(r, R) <= p(R): nothing is worth more than the cells that are worth more than nothing.
//! - V(1, R) = the greatest g(L) within R.
//! - V(r, S) <= V(r, R) + n(R without S) for S within R: a chain that is worth w within S is worth at least
//!   `w - n(R without S)` within R. R may be the region around S, the universe, or what the last decision alone leaves
//!   undecided, of which the search for chains of one literal less has told a bound.
//! - So, by its last literal X, a chain of r literals is worth at most `g(X) + V(r - 1, R without X)` by OR,
//!   `V(r - 1, R without X)` by AND NOT, and `V(r - 1, R and X)` by AND.
//!
//! A node with three literals left is solved by [`super::triples`] within its region. Where the undecided region is the
//! universe, V of shorter chains is known from their own searches: no chain of IoU up to u is worth more than `u |U|`, as
//! long as u is at most the IoU beta that is to be beaten. V of one region falls as beta rises, so that bounds stay true
//! while better chains are found.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::super::chain::Op;
use super::Work;
use super::best::{Best, Cut, Worth};
use super::pairs::Pairs;
use super::triples::{self, Decided};
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
    /// Of one literal less.
    pub(super) ends: Ends,
}

/// By column, bounds on V within the positions that do not have it, and within those that do.
pub(super) type Ends = Vec<[f64; 2]>;

/// What is known of shorter chains.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    /// No chain of at most `k + 1` literals has an IoU above `shorter[k]`.
    pub(super) shorter: &'a [f64],
    /// For chains of 3 literals, and of more.
    pub(super) ends: &'a [Ends],
}

/// Searches for the best chain of `length` literals, at least 4, other than those equal to shorter ones. `best` is a good
/// one, of an IoU not below that of the gains of `pairs`.
pub(super) fn search(pairs: &Pairs<'_>, best: Best, length: usize, known: Known<'_>, limits: Limits) -> Outcome {
    let mut search =
        Search { pairs, best, length, known, limits, work: Work::default(), open: BinaryHeap::new(), left: 0.0 };
    search.open.push(Node { bound: f64::INFINITY, decisions: Box::default() });
    while let Some(node) = search.open.pop() {
        if node.bound < search.cut().theta {
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
    let iou = Metric::Iou.of(search.best.counts);
    let upper_bound = iou.max(search.left / unit);
    let (most, beta) = (upper_bound * unit, search.cut().beta);
    // A chain that is worth V within what lacks a literal is worth as much with `AND NOT`, and with `OR` that literal's
    // own worth more.
    let ends = (0..pairs.both.len()).map(|c| [most - worth(pairs, Some(c), beta).g.max(0.0), most]).collect();
    Outcome { upper_bound, work: search.work, best: search.best, ends }
}

/// Bounds on V(3) for what each literal, or its absence, leaves of the universe, as far as time allows; else those `known`.
/// `three` is the IoU of the best chain of three. `best` becomes what is found to be better, so that no bound is of a beta
/// above its own.
pub(super) fn ends_of_three(
    pairs: &Pairs<'_>,
    best: &mut Best,
    three: f64,
    known: &Ends,
    limits: Limits,
    work: &mut Work,
) -> Ends {
    let mut end = |column: usize, op: Op, known: f64| {
        if pairs.areas[column] == 0 || limits.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return known;
        }
        let decided = Decided { literals: &[(op, column as u16)], area: 0, both: 0 };
        // What is worth no more than the best chain of three in the universe need not be told apart; so are the chains of
        // one and two, which are chains of two and three in the universe.
        let floor = three * pairs.unit as f64;
        let outcome = triples::search(&pairs.after(op, column), decided, best.clone(), floor);
        *best = outcome.best;
        work.add(outcome.work);
        outcome.most.min(known)
    };
    let known = known.iter().enumerate();
    known.map(|(c, [without, with])| [end(c, Op::AndNot, *without), end(c, Op::And, *with)]).collect()
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
    known: Known<'a>,
    limits: Limits,
    work: Work,
    open: BinaryHeap<Node>,
    /// The greatest bound of what was passed over, for want of time or because it is close enough.
    left: f64,
}

/// What a list of decisions has made true, and what it leaves undecided.
struct Level<'a, 'p> {
    decisions: &'a [(Op, u16)],
    within: &'a Pairs<'p>,
    /// Positions made true, in all and in the unit.
    area: u64,
    both: u64,
    /// `most[k]` bounds V(k + 1) of what is undecided, up to the literals left but one.
    most: Vec<f64>,
}

/// The worth of a column, or of everything, within a region.
fn worth(pairs: &Pairs<'_>, column: Option<usize>, beta: f64) -> Worth {
    match column {
        Some(c) => Worth::new(pairs.areas[c], pairs.both[c], pairs.gains[c], beta),
        None => Worth::new(pairs.positions, pairs.inside, pairs.most, beta),
    }
}

impl Search<'_> {
    fn cut(&self) -> Cut {
        self.best.cut(self.length, self.pairs.partition.n_positions())
    }

    /// Whether to stop at a bound: it is close enough to the best, or the time is up.
    fn stops_at(&self, bound: f64) -> bool {
        let Limits { deadline, gap } = self.limits;
        let close = gap > 0.0 && bound <= (self.cut().beta + gap) * self.pairs.unit as f64;
        close || (self.work.nodes > 0 && deadline.is_some_and(|deadline| Instant::now() >= deadline))
    }

    /// Opens the lists that are longer by a literal and may be better, or solves them where they lack three.
    fn expand(&mut self, node: &Node) {
        self.work.nodes += 1;
        self.at(&node.decisions, &mut |search, level| search.open(level, node.bound));
    }

    /// Calls `f` with what a list of decisions leaves.
    fn at(&mut self, decisions: &[(Op, u16)], f: &mut dyn FnMut(&mut Self, &Level<'_, '_>)) {
        let most = self.most(self.pairs, &[], self.length - 1);
        self.descend(Level { decisions: &[], within: self.pairs, area: 0, both: 0, most }, decisions, f);
    }

    fn descend(&mut self, level: Level<'_, '_>, decisions: &[(Op, u16)], f: &mut dyn FnMut(&mut Self, &Level<'_, '_>)) {
        let at = level.decisions.len();
        let Some((op, column)) = decisions.get(at).copied() else {
            return f(self, &level);
        };
        let beta = self.cut().beta;
        let (whole, literal) = (worth(level.within, None, beta), worth(level.within, Some(column.into()), beta));
        let inherit = |(k, most): (usize, &f64)| self.rest(whole, literal, (op, column.into()), k + 1, *most);
        let inherited: Vec<f64> = level.most.iter().enumerate().map(inherit).collect();
        let region = level.within.after(op, column.into());
        let most = self.most(&region, &inherited, self.length - at - 2);
        let (area, both) = decided(&level, op, column);
        self.descend(Level { decisions: &decisions[..=at], within: &region, area, both, most }, decisions, f);
    }

    /// Bounds on V(k + 1) within a region for k below `n`; those `inherited` hold as well.
    fn most(&self, within: &Pairs<'_>, inherited: &[f64], n: usize) -> Vec<f64> {
        let Cut { beta, .. } = self.cut();
        let (whole, columns) = (worth(within, None, beta), 0..within.areas.len());
        let mut most: Vec<f64> = Vec::with_capacity(n);
        for k in 0..n {
            let of = |c: usize| {
                let literal = worth(within, Some(c), beta);
                let Some(shorter) = most.last() else { return literal.g };
                let bounds = Op::ALL.map(|op| self.after(whole, literal, (op, c), k, *shorter));
                bounds.into_iter().fold(f64::NEG_INFINITY, f64::max)
            };
            let bound = columns.clone().filter(|c| within.areas[*c] > 0).map(of).fold(0.0, f64::max);
            // Chains of k + 1 literals include those of fewer.
            let mut bound = most.last().map_or(bound, |m| bound.max(*m)).min(whole.p);
            if let Some(inherited) = inherited.get(k) {
                bound = bound.min(*inherited);
            } else if let Some(u) = self.known.shorter.get(k).filter(|u| **u <= beta) {
                // The region is the universe.
                bound = bound.min(u * self.pairs.unit as f64);
            }
            most.push(bound);
        }
        most
    }

    /// The most that a chain can be worth within a region whose last decision is (`op`, `column`), a `literal` of it;
    /// `shorter` bounds the chains of the `left` literals before it within the region.
    fn after(&self, whole: Worth, literal: Worth, decision: (Op, usize), left: usize, shorter: f64) -> f64 {
        let most = self.rest(whole, literal, decision, left, shorter);
        if decision.0 == Op::Or { literal.g + most } else { most }
    }

    /// The most that those before it can be worth within what it leaves.
    fn rest(&self, whole: Worth, literal: Worth, (op, column): (Op, usize), left: usize, shorter: f64) -> f64 {
        let rest = if op == Op::And { literal } else { whole.without(literal) };
        let most = rest.p.min(shorter + whole.n - rest.n);
        let Some(ends) = self.known.ends.get(left.max(3) - 3) else { return most };
        let beta = self.cut().beta;
        let alone = worth(self.pairs, Some(column), beta);
        let alone = if op == Op::And { alone } else { worth(self.pairs, None, beta).without(alone) };
        most.min(ends[column][usize::from(op == Op::And)] + alone.n - rest.n)
    }

    /// The decisions that may come next, each with a bound on what a chain can be worth; `bound` holds for all of them.
    fn children(&self, level: &Level<'_, '_>, bound: f64) -> Vec<(f64, (Op, u16))> {
        let cut = self.cut();
        let v = level.both as f64 - cut.beta * (level.area - level.both) as f64;
        let whole = worth(level.within, None, cut.beta);
        let left = self.length - level.decisions.len() - 1;
        let shorter = level.most.last().copied().unwrap_or(0.0);
        let mut children = Vec::new();
        for c in 0..level.within.areas.len() {
            let area = u64::from(level.within.areas[c]);
            // Deciding nothing, or everything, is a shorter chain.
            if area == 0 || area == level.within.positions {
                continue;
            }
            let literal = worth(level.within, Some(c), cut.beta);
            for op in Op::ALL {
                if in_order(level.decisions.last(), (op, c as u16)) {
                    let bound = (v + self.after(whole, literal, (op, c), left, shorter)).min(bound);
                    if bound >= cut.theta {
                        children.push((bound, (op, c as u16)));
                    }
                }
            }
        }
        children
    }

    /// Keeps the lists that are longer by one decision, or solves them where they lack three.
    fn open(&mut self, level: &Level<'_, '_>, bound: f64) {
        let mut children = self.children(level, bound);
        let longer = |next| level.decisions.iter().copied().chain([next]).collect::<Box<[_]>>();
        if self.length - level.decisions.len() > 4 {
            self.open.extend(children.into_iter().map(|(bound, next)| Node { bound, decisions: longer(next) }));
            return;
        }
        children.sort_by(|(a, x), (b, y)| b.total_cmp(a).then((x.1, x.0 as u8).cmp(&(y.1, y.0 as u8))));
        for (bound, (op, column)) in children {
            if bound < self.cut().theta {
                break;
            }
            if self.stops_at(bound) {
                self.left = self.left.max(bound);
                break;
            }
            self.work.nodes += 1;
            let region = level.within.after(op, column.into());
            let (area, both) = decided(level, op, column);
            let decided = Decided { literals: &longer((op, column)), area, both };
            let outcome = triples::search(&region, decided, self.best.clone(), f64::INFINITY);
            self.best = outcome.best;
            self.work.add(outcome.work);
        }
    }
}

/// The positions made true by a level's decisions and another one.
fn decided(level: &Level<'_, '_>, op: Op, column: u16) -> (u64, u64) {
    let column = usize::from(column);
    let more = |of: &[u32]| if op == Op::Or { of[column].into() } else { 0 };
    (level.area + more(&level.within.areas), level.both + more(&level.within.both))
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
    use std::collections::HashMap;

    use super::*;
    use crate::Result;
    use crate::formula::Formula;
    use crate::partition::{MemoryPositions, PartitionBuilder};
    use crate::probe::{Annotation, AnnotationSource, Grid};
    use crate::profile::Profile;
    use crate::score::Counts;

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
                concepts.push(combine(mask, all, |a, b| a & b));
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

    /// The best worth of a chain of at most so many literals within a region, by trying all.
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
            let Some(first) = (0..start.both.len()).filter(|c| start.both[*c] > 0).min_by_key(|c| start.both[*c])
            else {
                continue;
            };
            let formula = u64::from(partition.area(first));
            let counts = Counts { formula, unit: start.unit, both: start.both[first].into() };
            let best = Best::new(Formula::Atom(partition.columns()[first]), counts);
            let length = 4 + seed as usize % 2;
            let Cut { beta, .. } = best.cut(length, partition.n_positions());
            // What is gained may have been measured at a lower IoU.
            let pairs = Pairs::new(&partition, &profile, if seed % 3 == 0 { beta / 2.0 } else { beta });
            let mut brute = Brute { masks: &masks, beta, known: HashMap::new() };
            // Concepts without a position are no columns.
            let of_column: Vec<Mask> =
                partition.columns().iter().map(|a| masks.concepts[a.concept.0 as usize]).collect();
            let everything = masks.everything();
            // What is known of shorter chains is as low as it can be.
            let end = |brute: &mut Brute<'_>, literals, mask| {
                let [without, with] =
                    [combine(everything, mask, |r, m| r & !m), combine(everything, mask, |r, m| r & m)];
                [brute.best(literals, without), brute.best(literals, with)]
            };
            let ends: Vec<Ends> =
                (3..length - 1).map(|r| of_column.iter().map(|mask| end(&mut brute, r, *mask)).collect()).collect();
            let known = Known { shorter: &[], ends: if seed % 2 == 0 { &[] } else { &ends } };
            let limits = Limits { deadline: None, gap: 0.0 };
            let (work, open) = (Work::default(), BinaryHeap::new());
            let mut search = Search { pairs: &pairs, best, length, known, limits, work, open, left: 0.0 };
            let mut lists: Vec<(f64, Vec<(Op, u16)>)> = vec![(f64::INFINITY, Vec::new())];
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
                    search.at(&decisions, &mut |search, level| {
                        let longer = |next| decisions.iter().copied().chain([next]).collect();
                        lists.extend(search.children(level, bound).into_iter().map(|(b, next)| (b, longer(next))));
                    });
                }
            }
        }
        assert!(looked_at > 100_000, "{looked_at}");
    }
}
