//! The optimum over chains of three literals.
//!
//! What a chain is worth (see [`Cut`]) is a sum of what its conjunctions are worth, of which only that of all three
//! literals is not in the tables of pairs. Every shape of a chain has a literal, or a pair, that must meet the unit often
//! if the chain is to reach the cut: the loops below run over those *anchors*, and over the other literals as far as
//! bounds from the tables of pairs allow. What is left over is counted.
//!
//! Let `i(X)` be X's positions in the unit, `o(X)` beta times those outside, `g = i - o` its worth, T the cut. As
//! `g(X) <= i(X)`, and i is subadditive over unions:
//!
//! | shape | anchor | must hold |
//! |---|---|---|
//! | (A AND B) AND C, (A AND B) AND NOT C | A AND B | i(AB) >= T |
//! | (A AND NOT B) AND NOT C | A | i(A) >= T |
//! | (A OR B) AND C | C | i(C) >= T |
//! | (A OR B) OR C | the one of largest i | i >= T/3 |
//! | (A OR B) AND NOT C | A or B, the one of larger i | i >= T/2 |
//! | (A AND B) OR C | C, or A AND B | i(C) >= T/2 or i(AB) >= T/2 |
//! | (A AND NOT B) OR C | C, or A | i(C) >= T/2 or i(A) >= T/2 |

use super::super::chain::Op;
use super::Work;
use super::best::{Best, Cut};
use super::pairs::Pairs;
use super::shapes::{CONJUNCTIONS, Shape, chains, triple_range};
use crate::score::Counts;

/// What is decided of a longer chain: the literals after the first three, the last first, and what they made true.
#[derive(Clone, Copy, Default)]
pub(super) struct Decided<'a> {
    pub(super) literals: &'a [(Op, u16)],
    /// Positions made true, in all and in the unit.
    pub(super) area: u64,
    pub(super) both: u64,
}

/// Finds the best chain of three literals and those decided, within the region that these leave undecided; `best` is the
/// best of fewer literals, or a better one of as many. Chains that are equal to shorter ones may be passed over.
pub(super) fn search(pairs: &Pairs<'_>, decided: Decided<'_>, best: Best) -> (Best, Work) {
    // A literal after which the unit has nothing left cannot add to a chain, but one that misses it can be taken away.
    let areas = pairs.areas();
    let mut order: Vec<usize> = (0..areas.len()).filter(|c| areas[*c] > 0).collect();
    order.sort_by_key(|c| (std::cmp::Reverse(pairs.both[*c]), *c));
    let mut search = Search { pairs, decided, best, work: Work::default() };
    for (rank, anchor) in order.iter().enumerate() {
        if 3.0 * f64::from(pairs.both[*anchor]) < search.cut().theta {
            break;
        }
        search.around(*anchor, &order, rank);
    }
    (search.best, search.work)
}

struct Search<'a> {
    pairs: &'a Pairs<'a>,
    decided: Decided<'a>,
    best: Best,
    work: Work,
}

/// One literal beside an anchor M.
#[derive(Clone, Copy)]
struct Beside {
    column: usize,
    /// i(L), o(L), i(ML), o(ML).
    i: f64,
    o: f64,
    im: f64,
    om: f64,
    /// Whether L comes after M in the order of i.
    lower: bool,
}

/// A literal's part in a sum.
#[derive(Clone, Copy)]
struct Part {
    column: usize,
    /// What it adds if the other two literals were disjoint within what it acts on.
    gain: f64,
    /// The most that their overlap gives back.
    overlap: f64,
}

impl Search<'_> {
    /// What the first three literals must reach, beside what is decided.
    fn cut(&self) -> Cut {
        let Decided { literals, area, both } = self.decided;
        let Cut { beta, theta } = self.best.cut(3 + literals.len(), self.pairs.partition.n_positions());
        Cut { beta, theta: theta - (both as f64 - beta * (area - both) as f64) }
    }

    /// All chains around the anchor `order[rank]`.
    fn around(&mut self, m: usize, order: &[usize], rank: usize) {
        let Cut { beta, theta } = self.cut();
        let (areas, both) = (self.pairs.areas(), &self.pairs.both);
        let (all, unit) = (self.pairs.all(m), self.pairs.row(m));
        let side = |all: u32, unit: u32| (f64::from(unit), beta * f64::from(all - unit));
        let beside = |(at, c): (usize, &usize)| {
            let ((i, o), (im, om)) = (side(areas[*c], both[*c]), side(all[*c], unit[*c]));
            Beside { column: *c, i, o, im, om, lower: at > rank }
        };
        let (i, o) = side(areas[m], both[m]);
        let g = i - o;
        let besides: Vec<Beside> = order.iter().enumerate().filter(|(_, c)| **c != m).map(beside).collect();
        self.work.pairs += besides.len() as u64;

        // M AND NOT L; where they are disjoint it changes nothing, and the shorter formula stands for it.
        let meeting = || besides.iter().filter(|l| l.im + l.om > 0.0);
        let taken = || -> Vec<Part> {
            meeting().map(|l| Part { column: l.column, gain: l.om - l.im, overlap: l.im }).collect()
        };
        // M OR L; where L implies M likewise.
        let joined = || -> Vec<Part> {
            let adding = besides.iter().filter(|l| l.lower && l.i > l.im);
            adding.map(|l| Part { column: l.column, gain: (l.i - l.im) - (l.o - l.om), overlap: l.o - l.om }).collect()
        };

        let mut found: Vec<(usize, usize)> = Vec::new();
        // (M OR B) OR C = g(M) + g(B without M) + g(C without M) - g(BC without M).
        sums(theta - g, joined(), joined(), true, &mut found);
        if i >= theta {
            // (M AND NOT B) AND NOT C = g(M) - g(MB) - g(MC) + g(MBC).
            sums(theta - g, taken(), taken(), true, &mut found);
            // (B OR C) AND M = g(MB) + g(MC) - g(MBC).
            let kept: Vec<Part> = meeting()
                .filter(|l| l.im > 0.0)
                .map(|l| Part { column: l.column, gain: l.im - l.om, overlap: l.om })
                .collect();
            sums(theta, kept.clone(), kept, true, &mut found);
        }
        if 2.0 * i >= theta {
            // (M OR B) AND NOT C = g(M) + g(B without M) - g(MC) - g(BC without M).
            let all_taken = besides
                .iter()
                .map(|l| Part { column: l.column, gain: l.om - l.im, overlap: l.o - l.om })
                .collect::<Vec<Part>>();
            sums(theta - g, joined(), all_taken, false, &mut found);
            // (M AND NOT B) OR C = g(M) - g(MB) + g(C without M) + g(MBC).
            // C may lie within M, and put back what B took.
            let put_back = besides
                .iter()
                .map(|l| Part { column: l.column, gain: (l.i - l.im) - (l.o - l.om), overlap: l.im })
                .collect::<Vec<Part>>();
            sums(theta - g, taken(), put_back, false, &mut found);
            self.onto(theta - g, &besides, beta, &mut found);
        }
        for (a, b) in found {
            self.consider([m, a, b]);
        }
        for l in besides.iter().filter(|l| l.lower && 2.0 * l.im >= theta) {
            self.conjunction(m, l.column, order);
        }
    }

    /// (A AND B) OR M and (A AND NOT B) OR M, which must add `need` to M.
    fn onto(&self, need: f64, besides: &[Beside], beta: f64, found: &mut Vec<(usize, usize)>) {
        let adding: Vec<&Beside> = besides.iter().filter(|l| l.i > l.im && l.i - l.im >= need).collect();
        let mut by_out: Vec<&Beside> = besides.iter().filter(|l| l.o > l.om).collect();
        by_out.sort_by(|a, b| (b.o - b.om).total_cmp(&(a.o - a.om)));
        for (at, a) in adding.iter().enumerate() {
            let (all, unit) = (self.pairs.all(a.column), self.pairs.row(a.column));
            for b in &adding[at + 1..] {
                if f64::from(unit[b.column]) >= need {
                    found.push((a.column, b.column));
                }
            }
            // A without M is worth too little by `lacking`, which leaving out B, where it is outside the unit, must give.
            let lacking = need - ((a.i - a.im) - (a.o - a.om));
            for b in by_out.iter().take_while(|b| b.o - b.om >= lacking).filter(|b| b.column != a.column) {
                if beta * f64::from(all[b.column] - unit[b.column]) >= lacking {
                    found.push((a.column, b.column));
                }
            }
        }
    }

    /// (M AND B) AND C, (M AND B) AND NOT C and (M AND B) OR C.
    fn conjunction(&mut self, m: usize, b: usize, order: &[usize]) {
        let Cut { beta, theta } = self.cut();
        let (areas, both) = (self.pairs.areas(), &self.pairs.both);
        let (all_m, in_m) = (self.pairs.all(m), self.pairs.row(m));
        let (all_b, in_b) = (self.pairs.all(b), self.pairs.row(b));
        let out = |all: u32, unit: u32| beta * f64::from(all - unit);
        let (i, o) = (f64::from(in_m[b]), out(all_m[b], in_m[b]));
        let mut found = Vec::new();
        for c in order.iter().copied().filter(|c| *c != m && *c != b) {
            let (im, ib, ic) = (f64::from(in_m[c]), f64::from(in_b[c]), f64::from(both[c]));
            // The most that lies outside the unit in all three, and the least that lies in it.
            let out_most = out(all_m[c], in_m[c]).min(out(all_b[c], in_b[c])).min(o);
            let in_least = (im + ib - ic).max(0.0);
            let conjunction = i.min(im).min(ib) >= theta;
            let without = i >= theta && i - o + out_most >= theta;
            let or = (i - o) + (ic - in_least) - (out(areas[c], both[c]) - out_most) >= theta && ic > in_least;
            if conjunction || without || or {
                found.push(c);
            }
        }
        for c in found {
            self.consider([m, b, c]);
        }
    }

    /// Counts a triple unless its bounds rule it out, and offers its formulas.
    fn consider(&mut self, columns: [usize; 3]) {
        let cut = self.cut();
        self.work.triples += 1;
        let (mut all, mut unit) = conjunctions(self.pairs, columns);
        if !chains().iter().any(|shape| bound(shape, &all, &unit, cut) >= cut.theta) {
            return;
        }
        self.work.full_passes += 1;
        let (both, area) = self.pairs.triple(columns);
        (unit[7], all[7]) = (both as i64, area as i64);
        for shape in chains() {
            self.offer(shape, columns, &all, &unit);
        }
    }

    fn offer(&mut self, shape: &Shape, columns: [usize; 3], all: &[i64; 8], unit: &[i64; 8]) {
        let Decided { literals, area, both } = self.decided;
        let (formula, both) = (area + shape.sum(all) as u64, both + shape.sum(unit) as u64);
        let counts = Counts { formula, unit: self.pairs.unit, both };
        let atom = |c: usize| self.pairs.partition.columns()[c];
        self.best.offer(counts, 3 + literals.len(), || {
            let steps = literals.iter().rev();
            let chain = steps.fold(shape.chain(columns.map(atom)), |f, (op, c)| f.extended(*op, atom(usize::from(*c))));
            chain.ordered_formula()
        });
    }
}

/// The sizes of the conjunctions of up to two of three literals, in the universe and in the unit.
pub(super) fn conjunctions(pairs: &Pairs<'_>, [a, b, c]: [usize; 3]) -> ([i64; CONJUNCTIONS], [i64; CONJUNCTIONS]) {
    let sizes = |whole: u64, single: &[u32], row_a: &[u32], row_b: &[u32]| {
        let [a1, b1, c1, ab, ac, bc] = [single[a], single[b], single[c], row_a[b], row_a[c], row_b[c]].map(i64::from);
        [whole as i64, a1, b1, ab, c1, ac, bc, 0]
    };
    let all = sizes(pairs.positions(), pairs.areas(), pairs.all(a), pairs.all(b));
    (all, sizes(pairs.inside, &pairs.both, pairs.row(a), pairs.row(b)))
}

/// The most that a shape can be worth, whatever the size of the conjunction of all three literals: its coefficient is
/// applied to the end of the range that is better in the unit, and to the one that is better outside.
fn bound(shape: &Shape, all: &[i64; CONJUNCTIONS], unit: &[i64; CONJUNCTIONS], cut: Cut) -> f64 {
    let outside: [i64; CONJUNCTIONS] = std::array::from_fn(|s| all[s] - unit[s]);
    let ((in_least, in_most), (out_least, out_most)) = (triple_range(*unit), triple_range(outside));
    let coefficient = shape.coefficients[7];
    let (in_best, out_best) = if coefficient > 0 { (in_most, out_least) } else { (in_least, out_most) };
    let both = shape.sum(unit) + coefficient * in_best;
    let out = shape.sum(&outside) + coefficient * out_best;
    both as f64 - cut.beta * out as f64
}

/// The pairs of a literal of `xs` and another of `ys` whose gains, with the overlap that both can give back, reach `need`.
///
/// The overlap is bounded by the smaller of the two, so that taking every x with its own overlap misses nothing.
///
/// With `unordered` the lists are the same, and a pair is found once.
fn sums(need: f64, mut xs: Vec<Part>, mut ys: Vec<Part>, unordered: bool, found: &mut Vec<(usize, usize)>) {
    for _ in 0..2 {
        keep(need, &mut xs, &ys);
        keep(need, &mut ys, &xs);
    }
    xs.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    ys.sort_by(|a, b| b.gain.total_cmp(&a.gain));
    for x in &xs {
        for y in ys.iter().take_while(|y| x.gain + y.gain + x.overlap >= need) {
            let again = if unordered { x.column >= y.column } else { x.column == y.column };
            if !again && x.gain + y.gain + y.overlap.min(x.overlap) >= need {
                found.push((x.column, y.column));
            }
        }
    }
}

/// Keeps the literals that reach `need` with the best of the others.
fn keep(need: f64, xs: &mut Vec<Part>, others: &[Part]) {
    let gain = others.iter().map(|o| o.gain).fold(f64::NEG_INFINITY, f64::max);
    let overlap = others.iter().map(|o| o.overlap).fold(0.0, f64::max);
    xs.retain(|x| x.gain + gain + x.overlap.min(overlap) >= need);
}
