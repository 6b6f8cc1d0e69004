//! The optimum over chains of three literals.
//!
//! What a chain is worth (see [`Cut`]) is a sum of what its conjunctions are worth, of which only that of all three
//! literals is not in the tables of pairs. Every shape of a chain has a literal, or a pair, that must meet the unit often
//! if the chain is to reach the cut: the loops below run over those *anchors*, and over the other literals as far as
//! bounds from the tables of pairs allow. What is left over is counted.
//!
//! Let `g(X)`, `p(X)` and `n(X)` be those of [`Worth`], T the cut. As `g(X) <= p(X)`, and p is subadditive over unions:
//!
//! | shape | anchor | must hold |
//! |---|---|---|
//! | (A AND B) AND C, (A AND B) AND NOT C | A AND B | p(AB) >= T |
//! | (A AND NOT B) AND NOT C | A | p(A) >= T |
//! | (A OR B) AND C | C | p(C) >= T |
//! | (A OR B) OR C | the one of largest p | p >= T/3 |
//! | (A OR B) AND NOT C | A or B, the one of larger p | p >= T/2 |
//! | (A AND B) OR C | C, or A AND B | p(C) >= T/2 or p(AB) >= T/2 |
//! | (A AND NOT B) OR C | C, or A | p(C) >= T/2 or p(A) >= T/2 |
//!
//! p may be that of an IoU below the cut's: it is greater then, and a bound all the more.

use super::super::chain::Op;
use super::Work;
use super::best::{Best, Cut, Worth};
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

/// What a search came to.
pub(super) struct Outcome {
    pub(super) best: Best,
    pub(super) work: Work,
    /// No chain of up to three literals is worth more within the region, at the beta of the best.
    pub(super) most: f64,
}

/// Finds the best chain of three literals and those decided, within the region that these leave undecided; `best` is the
/// best of fewer literals, or a better one of as many. Chains that are equal to shorter ones may be passed over.
///
/// Chains within the region that are worth less than `floor` are of no interest, even to those who want to know the most.
pub(super) fn search(pairs: &Pairs<'_>, decided: Decided<'_>, best: Best, floor: f64) -> Outcome {
    let mut search = Search { pairs, decided, best, floor, most: 0.0, work: Work::default(), besides: Vec::new() };
    let mut anchors: Vec<usize> =
        (0..pairs.areas.len()).filter(|c| pairs.areas[*c] > 0 && 3.0 * pairs.gains[*c] >= search.cut().theta).collect();
    anchors.sort_by(|a, b| pairs.gains[*b].total_cmp(&pairs.gains[*a]).then(a.cmp(b)));
    for rank in 0..anchors.len() {
        if 3.0 * pairs.gains[anchors[rank]] < search.cut().theta {
            break;
        }
        if search.may_matter(&anchors, rank) {
            search.around(anchors[rank]);
        }
    }
    let cut = search.cut();
    let most = search.most.max(cut.theta) + cut.rounding;
    Outcome { best: search.best, work: search.work, most }
}

struct Search<'a> {
    pairs: &'a Pairs<'a>,
    decided: Decided<'a>,
    best: Best,
    floor: f64,
    /// The most that a chain was worth.
    most: f64,
    work: Work,
    /// The literals beside the anchor at hand.
    besides: Vec<Beside>,
}

/// One literal beside an anchor M.
#[derive(Clone, Copy)]
struct Beside {
    column: usize,
    /// Of what it shares with M, and of what it has without M: the worth, and the parts above and below 0 that make it.
    shared: Worth,
    alone: Worth,
    /// Whether it shares a position with M, and whether it has one in the unit without M.
    meets: bool,
    adds: bool,
    /// Whether it comes after M in the order of p.
    lower: bool,
}

/// The greatest of what literals beside an anchor have: with these no list is made where none of its literals can matter.
#[derive(Clone, Copy)]
struct Most {
    /// g and p without M, of those that may be joined to it.
    joined: f64,
    joined_gains: f64,
    /// g without M of all, and p of those that add to the unit.
    alone: f64,
    alone_gains: f64,
    /// g and p within M.
    kept: f64,
    kept_gains: f64,
    /// -g and n within M: what taking them away brings at the least, and at the most.
    taken: f64,
    losses: f64,
}

impl Most {
    fn of(besides: &[Beside]) -> Self {
        let least = f64::NEG_INFINITY;
        let mut most = Self {
            joined: least,
            joined_gains: least,
            alone: least,
            alone_gains: least,
            kept: least,
            kept_gains: least,
            taken: least,
            losses: least,
        };
        for Beside { shared, alone, meets, adds, lower, .. } in besides {
            most.alone = most.alone.max(alone.g);
            if *adds {
                most.alone_gains = most.alone_gains.max(alone.p);
            }
            if *adds && *lower {
                most.joined = most.joined.max(alone.g);
                most.joined_gains = most.joined_gains.max(alone.p);
            }
            if *meets {
                most.kept = most.kept.max(shared.g);
                most.kept_gains = most.kept_gains.max(shared.p);
                most.taken = most.taken.max(-shared.g);
                most.losses = most.losses.max(shared.n);
            }
        }
        most
    }
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
        let Cut { beta, theta, rounding } = self.best.cut(3 + literals.len(), self.pairs.partition.n_positions());
        let theta = theta - (both as f64 - beta * (area - both) as f64);
        Cut { beta, theta: theta.min(self.floor), rounding }
    }

    /// Whether an anchor can matter, as far as its own worth tells and what it shares with others in a larger region.
    fn may_matter(&self, anchors: &[usize], rank: usize) -> bool {
        let Cut { beta, theta, .. } = self.cut();
        let (pairs, m) = (self.pairs, anchors[rank]);
        let Worth { g, p, .. } = Worth::new(pairs.areas[m], pairs.both[m], pairs.gains[m], beta);
        // No literal after the anchors gains as much as they do.
        let gains = |rank: usize| anchors.get(rank).map_or(theta / 3.0, |c| pairs.gains[*c]);
        // Joined to two lower ones it adds at most its worth to their gains.
        if p >= theta || g + gains(rank + 1) + gains(rank + 2) >= theta {
            return true;
        }
        // Beyond that, a literal may be taken from it and another be joined to it; or it is joined to what lies in it.
        let loss = beta * f64::from(pairs.shared_loss(m));
        let other = gains(usize::from(rank == 0));
        2.0 * p >= theta
            && (g + loss + other >= theta || pairs.gains(m).iter().zip(0..).any(|(p, c)| c != m && 2.0 * p >= theta))
    }

    /// All chains around the anchor `m`.
    fn around(&mut self, m: usize) {
        let Cut { beta, theta, .. } = self.cut();
        let pairs = self.pairs;
        let (all, both, gains) = (pairs.all(m), pairs.both(m), pairs.gains(m));
        let mut besides = std::mem::take(&mut self.besides);
        besides.clear();
        // A literal after which the unit has nothing left cannot add to a chain, but one that misses it can be taken away.
        for c in (0..pairs.areas.len()).filter(|c| *c != m && pairs.areas[*c] > 0) {
            let (all_alone, unit_alone) = (pairs.areas[c] - all[c], pairs.both[c] - both[c]);
            besides.push(Beside {
                column: c,
                shared: Worth::new(all[c], both[c], gains[c], beta),
                alone: Worth::new(all_alone, unit_alone, pairs.gains[c] - gains[c], beta),
                meets: all[c] > 0,
                adds: unit_alone > 0,
                lower: pairs.gains[m].total_cmp(&pairs.gains[c]).then(c.cmp(&m)).is_gt(),
            });
        }
        let Worth { g, p, .. } = Worth::new(pairs.areas[m], pairs.both[m], pairs.gains[m], beta);
        self.work.pairs += besides.len() as u64;
        let (most, need) = (Most::of(&besides), theta - g);

        // M AND NOT L; where they are disjoint it changes nothing, and the shorter formula stands for it.
        let meeting = || besides.iter().filter(|l| l.meets);
        let part = |l: &Beside, gain: f64, overlap: f64| Part { column: l.column, gain, overlap };
        let taken = || -> Vec<Part> { meeting().map(|l| part(l, -l.shared.g, l.shared.p)).collect() };
        // M OR L; where L implies M likewise.
        let joined = || -> Vec<Part> {
            besides.iter().filter(|l| l.lower && l.adds).map(|l| part(l, l.alone.g, l.alone.n)).collect()
        };

        if most.joined + most.joined_gains >= need {
            // (M OR B) OR C = g(M) + g(B without M) + g(C without M) - g(BC without M).
            sums(need, joined(), joined(), true, |a, b| self.consider([m, a, b]));
        }
        if p >= theta && most.taken + most.losses >= need {
            // (M AND NOT B) AND NOT C = g(M) - g(MB) - g(MC) + g(MBC).
            sums(need, taken(), taken(), true, |a, b| self.consider([m, a, b]));
        }
        if p >= theta && most.kept + most.kept_gains >= theta {
            // (B OR C) AND M = g(MB) + g(MC) - g(MBC).
            let kept: Vec<Part> =
                meeting().filter(|l| l.shared.p > 0.0).map(|l| part(l, l.shared.g, l.shared.n)).collect();
            sums(theta, kept.clone(), kept, true, |a, b| self.consider([m, a, b]));
        }
        if 2.0 * p >= theta && most.joined_gains + most.taken.max(0.0) >= need {
            // (M OR B) AND NOT C = g(M) + g(B without M) - g(MC) - g(BC without M).
            let all_taken: Vec<Part> = besides.iter().map(|l| part(l, -l.shared.g, l.alone.n)).collect();
            sums(need, joined(), all_taken, false, |a, b| self.consider([m, a, b]));
        }
        if 2.0 * p >= theta && most.losses + most.alone >= need {
            // (M AND NOT B) OR C = g(M) - g(MB) + g(C without M) + g(MBC).
            // C may lie within M, and put back what B took.
            let put_back: Vec<Part> = besides.iter().map(|l| part(l, l.alone.g, l.shared.p)).collect();
            sums(need, taken(), put_back, false, |a, b| self.consider([m, a, b]));
        }
        if 2.0 * p >= theta && most.alone_gains >= need {
            self.onto(m, need, &besides, beta);
        }
        for l in besides.iter().filter(|l| l.lower && 2.0 * l.shared.p >= theta) {
            self.conjunction(m, l.column, &besides);
        }
        self.besides = besides;
    }

    /// (A AND B) OR M and (A AND NOT B) OR M, which must add `need` to M.
    fn onto(&mut self, m: usize, need: f64, besides: &[Beside], beta: f64) {
        let pairs = self.pairs;
        let adding: Vec<&Beside> = besides.iter().filter(|l| l.adds && l.alone.p >= need).collect();
        let mut by_loss: Vec<&Beside> = besides.iter().filter(|l| l.alone.n > 0.0).collect();
        by_loss.sort_by(|a, b| b.alone.n.total_cmp(&a.alone.n));
        for (at, a) in adding.iter().enumerate() {
            let (all, both, gains) = (pairs.all(a.column), pairs.both(a.column), pairs.gains(a.column));
            for b in &adding[at + 1..] {
                if gains[b.column] >= need {
                    self.consider([m, a.column, b.column]);
                }
            }
            // A without M is worth too little by `lacking`, which leaving out B must give.
            let lacking = need - a.alone.g;
            for b in by_loss.iter().take_while(|b| b.alone.n >= lacking).filter(|b| b.column != a.column) {
                if Worth::new(all[b.column], both[b.column], gains[b.column], beta).n >= lacking {
                    self.consider([m, a.column, b.column]);
                }
            }
        }
    }

    /// (M AND B) AND C, (M AND B) AND NOT C and (M AND B) OR C.
    fn conjunction(&mut self, m: usize, b: usize, besides: &[Beside]) {
        let Cut { beta, theta, .. } = self.cut();
        let pairs = self.pairs;
        let (both, gains) = (pairs.both(b), pairs.gains(b));
        let of_pair = Worth::new(pairs.all(m)[b], both[m], gains[m], beta);
        let mut all_b = None;
        for c in besides.iter().filter(|c| c.column != b) {
            // The most that all three can gain and lose together.
            let p = of_pair.p.min(c.shared.p).min(gains[c.column]);
            let n = of_pair.n.min(c.shared.n);
            // What C adds beside the pair is at most its gains, and its worth but for what they share.
            let of_c = (c.shared.g + c.alone.g, c.shared.p + c.alone.p);
            let p_least = (c.shared.p + gains[c.column] - of_c.1).max(0.0);
            let possible = |n: f64| {
                let without = of_pair.p >= theta && of_pair.g + n >= theta;
                let or = of_pair.g + (of_c.0 + n - p_least).min(of_c.1) >= theta;
                p >= theta || without || or
            };
            if !possible(n) {
                continue;
            }
            let all_b = all_b.get_or_insert_with(|| pairs.all(b));
            let of_b = Worth::new(all_b[c.column], both[c.column], gains[c.column], beta);
            if possible(n.min(of_b.n)) {
                self.consider([m, b, c.column]);
            }
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
            let (both, area) = (shape.sum(&unit), shape.sum(&all));
            self.most = self.most.max(both as f64 - cut.beta * (area - both) as f64);
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
    let all = sizes(pairs.positions, &pairs.areas, &pairs.all(a), &pairs.all(b));
    (all, sizes(pairs.inside, &pairs.both, &pairs.both(a), &pairs.both(b)))
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
/// With `unordered` the lists are the same, and a pair is found once. Pairs are told one by one: they may be more than memory
/// holds.
fn sums(need: f64, mut xs: Vec<Part>, mut ys: Vec<Part>, unordered: bool, mut found: impl FnMut(usize, usize)) {
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
                found(x.column, y.column);
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
