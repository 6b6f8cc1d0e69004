//! The best chain so far, and the count of a triple of literals.

use super::super::super::chain::Op;
use super::super::best::Best;
use super::super::pairs::Pairs;
use super::super::shapes::{CONJUNCTIONS, Shape, chains, triple_range};
use super::super::work::Work;
use super::super::worth::Cut;

/// The decided part of a longer chain: the literals after the first three, the last first, and the positions that they
/// made true.
#[derive(Clone, Copy, Default)]
pub(crate) struct Decided<'a> {
    pub(crate) literals: &'a [(Op, u16)],
    /// The number of positions that the literals made true.
    pub(crate) area: u64,
    /// The number of these positions where the unit fires.
    pub(crate) both: u64,
}

/// The best chain so far, and the work of finding it.
pub(super) struct Tally<'a> {
    pub(super) pairs: &'a Pairs<'a>,
    decided: Decided<'a>,
    pub(super) best: Best,
    floor: f64,
    /// The most that a counted chain is worth within the region.
    pub(super) most: f64,
    pub(super) work: Work,
}

impl<'a> Tally<'a> {
    pub(super) fn new(pairs: &'a Pairs<'a>, decided: Decided<'a>, best: Best, floor: f64) -> Self {
        Self { pairs, decided, best, floor, most: 0.0, work: Work::default() }
    }

    /// The worth that the first three literals need, in addition to the decided part.
    pub(super) fn cut(&self) -> Cut {
        let Decided { literals, area, both } = self.decided;
        let Cut { beta, needed, rounding } = self.best.cut(3 + literals.len(), self.pairs.partition.n_positions());
        let needed = needed - (both as f64 - beta * (area - both) as f64);
        Cut { beta, needed: needed.min(self.floor), rounding }
    }

    /// Counts a triple unless its bounds rule it out, and offers its formulas.
    pub(super) fn consider(&mut self, columns: [usize; 3]) {
        let cut = self.cut();
        self.work.triples += 1;
        let (mut all, mut unit) = conjunctions(self.pairs, columns);
        let length = 3 + self.decided.literals.len();
        let matters = |shape: &Shape| {
            let (both, out) = most(shape, &all, &unit);
            both as f64 - cut.beta * out as f64 >= cut.needed && self.best.may_lose_to(both, out, length)
        };
        if !chains().iter().any(matters) {
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
        let counts = self.pairs.counts(formula, both);
        let atom = |c: usize| self.pairs.partition.columns()[c];
        self.best.offer(counts, 3 + literals.len(), || {
            let steps = literals.iter().rev();
            let chain = steps.fold(shape.chain(columns.map(atom)), |f, (op, c)| f.extended(*op, atom(usize::from(*c))));
            chain.ordered_formula()
        });
    }
}

/// The sizes of the conjunctions of up to two of three literals, in the universe and in the unit; that of all three is
/// 0.
pub(crate) fn conjunctions(pairs: &Pairs<'_>, [a, b, c]: [usize; 3]) -> ([i64; CONJUNCTIONS], [i64; CONJUNCTIONS]) {
    let sizes = |whole: u64, single: &[u32], row_a: &[u32], row_b: &[u32]| {
        let [a1, b1, c1, ab, ac, bc] = [single[a], single[b], single[c], row_a[b], row_a[c], row_b[c]].map(i64::from);
        [whole as i64, a1, b1, ab, c1, ac, bc, 0]
    };
    let all = sizes(pairs.positions, &pairs.areas, &pairs.all(a), &pairs.all(b));
    (all, sizes(pairs.inside, &pairs.both, &pairs.both(a), &pairs.both(b)))
}

/// The most positions in the unit and the fewest outside it that a shape can have, whatever the size of the conjunction of
/// all three literals: its coefficient is applied to the end of the range that is better in the unit, and to the one that is
/// better outside.
fn most(shape: &Shape, all: &[i64; CONJUNCTIONS], unit: &[i64; CONJUNCTIONS]) -> (i64, i64) {
    let outside: [i64; CONJUNCTIONS] = std::array::from_fn(|s| all[s] - unit[s]);
    let ((in_least, in_most), (out_least, out_most)) = (triple_range(*unit), triple_range(outside));
    let coefficient = shape.coefficients[7];
    let (in_best, out_best) = if coefficient > 0 { (in_most, out_least) } else { (in_least, out_most) };
    (shape.sum(unit) + coefficient * in_best, shape.sum(&outside) + coefficient * out_best)
}
