//! The optimum over every Boolean function of up to three literals.
//!
//! Three literals divide the universe into eight cells, and a function of them is a choice of cells. So no function is worth
//! more than the sum of the cells' worths above zero. The sizes of the pairs' conjunctions determine the eight sizes up to one
//! number, the size of the conjunction of all three. The sum is convex in that number: its greatest value is at an end of the
//! number's range.
//!
//! A third literal C divides the cells of two others further. That raises the sum by at most the *influence* of C: the
//! positions of C in the unit plus beta times those outside it, or the same for the positions that lack C, whichever is
//! smaller. Literals are taken in descending order of influence.

use std::sync::OnceLock;

use super::best::Best;
use super::pairs::Pairs;
use super::shapes::{CONJUNCTIONS, Shape, chains, coefficients, triple_range};
use super::triples::conjunctions;
use super::work::Work;
use super::worth::Cut;
use crate::concept::ConceptId;
use crate::formula::{Atom, Formula};

/// The best function of at most two literals; `best` is that of one positive literal.
pub(super) fn two(pairs: &Pairs<'_>, best: &mut Best, work: &mut Work) {
    let partition = pairs.partition;
    let columns = present(pairs);
    for (at, a) in columns.iter().enumerate() {
        for b in &columns[at + 1..] {
            work.pairs += 1;
            let cut = best.cut(2, partition.n_positions());
            let (all, unit) = conjunctions(pairs, [*a, *b, *b]);
            if ceiling(&all, &unit, 4, cut) >= cut.needed {
                offer(pairs, best, [*a, *b, *b], &all, &unit, true);
            }
        }
    }
}

/// The best function of one literal, negated ones included.
pub(super) fn one(pairs: &Pairs<'_>, best: &mut Best) {
    for c in present(pairs) {
        let (area, both) = (u64::from(pairs.partition.area(c)), u64::from(pairs.both[c]));
        let formula = pairs.partition.n_positions() - area;
        best.offer(pairs.counts(formula, pairs.unit - both), 1, || Formula::Atom(pairs.partition.columns()[c]).not());
    }
}

/// The best function of at most three literals; `best` is that of at most two, or a better one.
pub(super) fn three(pairs: &Pairs<'_>, mut best: Best, work: &mut Work) -> Best {
    let partition = pairs.partition;
    let positions = partition.n_positions();
    let cut = best.cut(3, positions);
    let influence = |c: usize, cut: Cut| {
        let (all, both) = (f64::from(partition.area(c)), f64::from(pairs.both[c]));
        let (rest, missed) = (positions as f64 - all, pairs.unit as f64 - both);
        (both + cut.beta * (all - both)).min(missed + cut.beta * (rest - missed))
    };
    let mut order = present(pairs);
    order.sort_by(|a, b| influence(*b, cut).total_cmp(&influence(*a, cut)).then(a.cmp(b)));
    for (at, a) in order.iter().enumerate() {
        for (next, b) in order.iter().enumerate().skip(at + 1) {
            work.pairs += 1;
            let cut = best.cut(3, positions);
            let (all, unit) = conjunctions(pairs, [*a, *b, *b]);
            let of_pair = ceiling(&all, &unit, 4, cut);
            for c in &order[next + 1..] {
                if of_pair + influence(*c, cut) < cut.needed {
                    // The order was made at an earlier beta: a later literal may have more influence now.
                    continue;
                }
                work.triples += 1;
                consider(pairs, &mut best, [*a, *b, *c], work);
            }
        }
    }
    best
}

fn present(pairs: &Pairs<'_>) -> Vec<usize> {
    (0..pairs.areas.len()).filter(|c| pairs.areas[*c] > 0).collect()
}

fn consider(pairs: &Pairs<'_>, best: &mut Best, mut columns: [usize; 3], work: &mut Work) {
    columns.sort_unstable();
    let cut = best.cut(3, pairs.partition.n_positions());
    let (mut all, mut unit) = conjunctions(pairs, columns);
    let outside: [i64; CONJUNCTIONS] = std::array::from_fn(|s| all[s] - unit[s]);
    let ((in_least, in_most), (out_least, out_most)) = (triple_range(unit), triple_range(outside));
    let mut most = f64::NEG_INFINITY;
    for both in [in_least, in_most] {
        for out in [out_least, out_most] {
            (unit[7], all[7]) = (both, both + out);
            most = most.max(ceiling(&all, &unit, CONJUNCTIONS, cut));
        }
    }
    if most < cut.needed {
        return;
    }
    work.full_passes += 1;
    let (both, area) = pairs.triple(columns);
    (unit[7], all[7]) = (both as i64, area as i64);
    if ceiling(&all, &unit, CONJUNCTIONS, cut) >= cut.needed {
        offer(pairs, best, columns, &all, &unit, false);
    }
}

/// The most that a function of the first two (`n` = 4) or all three literals (`n` = 8) can be worth.
fn ceiling(all: &[i64; CONJUNCTIONS], unit: &[i64; CONJUNCTIONS], n: usize, cut: Cut) -> f64 {
    let (all, unit) = (cells(all, n), cells(unit, n));
    let worth = |s: usize| unit[s] as f64 - cut.beta * (all[s] - unit[s]) as f64;
    (0..n).map(|s| worth(s).max(0.0)).sum()
}

/// The sizes of the cells from those of the conjunctions. Cell `s` is the positions that have exactly the literals whose bits
/// are set in `s`.
fn cells(conjunctions: &[i64; CONJUNCTIONS], n: usize) -> [i64; CONJUNCTIONS] {
    let mut cells = *conjunctions;
    let mut bit = 1;
    while bit < n {
        for s in (0..n).filter(|s| s & bit == 0) {
            cells[s] -= cells[s | bit];
        }
        bit <<= 1;
    }
    cells
}

/// Offers all functions; with `narrow` only those of the first two literals.
fn offer(
    pairs: &Pairs<'_>,
    best: &mut Best,
    columns: [usize; 3],
    all: &[i64; CONJUNCTIONS],
    unit: &[i64; CONJUNCTIONS],
    narrow: bool,
) {
    let atoms = columns.map(|c| pairs.partition.columns()[c]);
    for function in functions().iter().flatten().filter(|f| f.narrow || !narrow) {
        let (formula, both) = (function.sum(all), function.sum(unit));
        best.offer(pairs.counts(formula as u64, both as u64), function.formula.length(), || {
            replace(&function.formula, &atoms)
        });
    }
}

/// A Boolean function of three literals.
struct Function {
    coefficients: [i64; CONJUNCTIONS],
    /// Whether it depends on the first two literals only.
    narrow: bool,
    /// A formula of the shortest length, over the concepts 0, 1, 2.
    formula: Formula,
}

impl Function {
    fn sum(&self, of: &[i64; CONJUNCTIONS]) -> i64 {
        self.coefficients.iter().zip(of).map(|(c, n)| c * n).sum()
    }
}

/// The function of each truth table, none for the two constants. Bit `s` of a table is the value where exactly the literals
/// whose bits are set in `s` are true.
fn functions() -> &'static [Option<Function>] {
    static FUNCTIONS: OnceLock<Vec<Option<Function>>> = OnceLock::new();
    FUNCTIONS.get_or_init(|| {
        let formulas = shortest();
        let function = |(table, formula): (usize, Option<Formula>)| {
            let narrow = table & 15 == table >> 4;
            let coefficients = coefficients(|row| table >> row & 1 == 1);
            let formula = chain_of(&coefficients).or(formula).filter(|_| table != 0 && table != 255)?;
            Some(Function { coefficients, narrow, formula })
        };
        formulas.into_iter().enumerate().map(function).collect()
    })
}

/// The formula that the other searches write for a function, if a chain of three literals makes it.
fn chain_of(coefficients: &[i64; CONJUNCTIONS]) -> Option<Formula> {
    let chain = chains().iter().find(|s| s.coefficients == *coefficients);
    chain.map(|shape: &Shape| shape.chain([0, 1, 2].map(|i| Atom::concept(ConceptId(i)))).ordered_formula())
}

/// For every truth table a formula of the fewest literals, and among these of the fewest NOTs. Known formulas are
/// joined by one more connective until no formula gets shorter.
fn shortest() -> Vec<Option<Formula>> {
    const VARIABLES: [usize; 3] = [0b1010_1010, 0b1100_1100, 0b1111_0000];
    let mut known: Vec<Option<((usize, usize), Formula)>> = vec![None; 256];
    for (i, table) in (0..).zip(VARIABLES) {
        known[table] = Some(((1, 0), Formula::concept(ConceptId(i))));
    }
    loop {
        let mut changed = false;
        let mut improve =
            |known: &mut Vec<Option<((usize, usize), Formula)>>, table: usize, cost, make: &dyn Fn() -> Formula| {
                if known[table].as_ref().is_none_or(|(before, _)| cost < *before) {
                    known[table] = Some((cost, make()));
                    changed = true;
                }
            };
        for a in 0..256 {
            let Some(((length, nots), f)) = known[a].clone() else { continue };
            improve(&mut known, !a & 255, (length, nots + 1), &|| f.clone().not());
            for b in 0..a {
                let Some(((more, more_nots), g)) = known[b].clone() else { continue };
                let cost = (length + more, nots + more_nots);
                let order =
                    || if f.canonical_cmp(&g).is_le() { (f.clone(), g.clone()) } else { (g.clone(), f.clone()) };
                let (and, or) = (|| order().0.and(order().1), || order().0.or(order().1));
                improve(&mut known, a & b, cost, &and);
                improve(&mut known, a | b, cost, &or);
            }
        }
        if !changed {
            return known.into_iter().map(|entry| entry.map(|(_, formula)| formula)).collect();
        }
    }
}

/// The formula with atom `i` instead of concept `i`.
fn replace(formula: &Formula, atoms: &[Atom; 3]) -> Formula {
    match formula {
        Formula::Atom(atom) => Formula::Atom(atoms[atom.concept.0 as usize]),
        Formula::Not(f) => replace(f, atoms).not(),
        Formula::And(a, b) => replace(a, atoms).and(replace(b, atoms)),
        Formula::Or(a, b) => replace(a, atoms).or(replace(b, atoms)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_but_the_constants_has_a_formula_of_it() {
        for (table, function) in functions().iter().enumerate() {
            let Some(function) = function else {
                assert!(table == 0 || table == 255);
                continue;
            };
            for row in 0..CONJUNCTIONS {
                let holds = function.formula.holds(&|atom| row >> atom.concept.0 & 1 == 1);
                assert_eq!(holds, table >> row & 1 == 1, "{:?} at {row:03b}", function.formula);
            }
        }
    }

    #[test]
    fn formulas_are_as_short_as_is_known_of_them() {
        let length = |table: usize| functions()[table].as_ref().map(|f| f.formula.length());
        assert_eq!(length(0b1010_1010), Some(1));
        assert_eq!(length(0b0110_0110), Some(4), "either of two");
        assert_eq!(length(0b1110_1000), Some(5), "at least two of three");
        assert_eq!(length(0b1101_1000), Some(4), "a choice by the first");
        assert_eq!(length(0b1001_0110), Some(10), "an odd number of three");
        let longest = (0..256).filter_map(length).max();
        assert_eq!(longest, Some(10));
    }

    #[test]
    fn cells_are_conjunctions_taken_apart() {
        let conjunctions = [10, 5, 4, 2, 3, 1, 1, 1];
        let apart = cells(&conjunctions, CONJUNCTIONS);
        assert_eq!(apart, [1, 3, 2, 1, 2, 0, 0, 1]);
        assert_eq!(cells(&conjunctions, 4)[..4], [3, 3, 2, 2]);
    }
}
