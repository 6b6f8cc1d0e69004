//! The scores of all extensions of a formula by a literal.

use super::chain::Op;
use crate::score::{Counts, Form};
use crate::simd::vectorized;

/// The literals by which formulas are extended, in the order in which they are tried.
pub(super) struct Candidates {
    /// The column of each.
    pub(super) columns: Vec<u16>,
    /// How often each is tried, one try directly after the other; none = once.
    pub(super) copies: Option<Vec<u8>>,
    areas: Vec<u32>,
    /// `|U and L|`.
    both: Vec<u32>,
    /// Whether candidate `i` is column `i`, so that nothing needs gathering.
    identity: bool,
}

/// One formula's counts, as a scan needs them.
pub(super) struct Counted<'a> {
    /// `|F|`.
    pub(super) size: u64,
    /// `|U and F|`.
    pub(super) both: u64,
    /// `|F and L|` for every column.
    pub(super) x: &'a [u32],
    /// `|U and F and L|` for every column.
    pub(super) ux: &'a [u32],
}

/// An extension that may enter a beam.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extension {
    pub(super) op: Op,
    /// The number of the candidate in the list.
    pub(super) candidate: usize,
    /// `|F and L|`.
    pub(super) overlap: u64,
    /// `|L|`.
    pub(super) area: u64,
    /// The size of the extended formula.
    pub(super) size: u64,
    /// Its intersection with the unit.
    pub(super) both: u64,
}

/// Candidates tested at once.
const BLOCK: usize = 16;

impl Candidates {
    pub(super) fn new(columns: Vec<u16>, copies: Option<Vec<u8>>, areas: &[u32], both: &[u32]) -> Self {
        let pick = |from: &[u32]| columns.iter().map(|c| from[usize::from(*c)]).collect();
        let identity = columns.iter().zip(0..).all(|(c, i)| usize::from(*c) == i);
        Self { areas: pick(areas), both: pick(both), columns, copies, identity }
    }

    /// Visits the extensions of a formula in order: by candidate, each by OR, AND, AND NOT.
    ///
    /// `unit` gives the sizes of the universe and of the unit. `cuts` gives for each connective the score that an extension
    /// must reach; it is called again for every block. A block
    /// in which no extension reaches it is skipped. This is the fast path: one comparison of products in f64 for each
    /// extension, so that the cut must leave room for their rounding. In other blocks every extension is visited, or by
    /// MCC those that reach the cut.
    pub(super) fn scan<S>(
        &self,
        formula: &Counted<'_>,
        unit: Counts,
        form: Form,
        state: &mut S,
        cuts: impl Fn(&S) -> [f64; 3],
        visit: impl FnMut(&mut S, Extension),
    ) {
        match form {
            Form::Fraction { numerator, unit: of_unit, formula: of_formula, both } => {
                let measure = Fraction { numerator, unit: unit.unit as f64 * of_unit, formula: of_formula, both };
                self.scan_with(formula, measure, state, cuts, visit);
            }
            Form::Correlation => self.scan_with(formula, Correlation::new(unit), state, cuts, visit),
        }
    }

    fn scan_with<S, M: Measure>(
        &self,
        formula: &Counted<'_>,
        measure: M,
        state: &mut S,
        cuts: impl Fn(&S) -> [f64; 3],
        mut visit: impl FnMut(&mut S, Extension),
    ) {
        let gather = |from: &[u32]| -> Vec<u32> { self.columns.iter().map(|c| from[usize::from(*c)]).collect() };
        let gathered;
        let (x, ux): (&[u32], &[u32]) = if self.identity {
            (&formula.x[..self.columns.len()], &formula.ux[..self.columns.len()])
        } else {
            gathered = (gather(formula.x), gather(formula.ux));
            (&gathered.0, &gathered.1)
        };
        let test = Test {
            areas: &self.areas,
            both_of: &self.both,
            x,
            ux,
            size: formula.size as f64,
            both: formula.both as f64,
            measure,
        };
        let mut next = 0;
        loop {
            let cuts = cuts(state).map(|cut| measure.threshold(cut));
            let Some(first) = test.next(next, cuts) else { break };
            let end = (first + BLOCK).min(x.len());
            next = end;
            let flags = if M::EACH { test.each(first, cuts) } else { [u8::MAX; BLOCK] };
            for i in (first..end).filter(|i| flags[i - first] != 0) {
                let (area, ul) = (u64::from(self.areas[i]), u64::from(self.both[i]));
                let (overlap, ux) = (u64::from(x[i]), u64::from(ux[i]));
                for _ in 0..self.copies.as_ref().map_or(1, |c| c[i]) {
                    for op in Op::ALL {
                        let (size, both) = match op {
                            Op::Or => (formula.size + area - overlap, formula.both + ul - ux),
                            Op::And => (overlap, ux),
                            Op::AndNot => (formula.size - overlap, formula.both - ux),
                        };
                        if flags[i - first] >> op as u8 & 1 == 1 {
                            visit(state, Extension { op, candidate: i, overlap, area, size, both });
                        }
                    }
                }
            }
        }
    }
}

/// The fast comparison of a score with a cut, in f64: true where the score may reach the cut.
trait Measure: Copy {
    /// Whether the extensions of a block that is not skipped are compared one by one too, because a visit costs more.
    const EACH: bool;
    /// What [`Measure::reaches`] takes for a cut.
    fn threshold(self, cut: f64) -> f64;
    /// Whether a formula of `size` positions, `both` of them in the unit, may reach the cut.
    fn reaches(self, size: f64, both: f64, threshold: f64) -> bool;
}

/// A fraction of two linear forms in the counts.
#[derive(Clone, Copy)]
struct Fraction {
    numerator: f64,
    /// The unit's share of the denominator.
    unit: f64,
    formula: f64,
    both: f64,
}

impl Measure for Fraction {
    const EACH: bool = false;

    #[inline(always)]
    fn threshold(self, cut: f64) -> f64 {
        cut
    }

    #[inline(always)]
    fn reaches(self, size: f64, both: f64, cut: f64) -> bool {
        self.numerator * both >= cut * (self.unit + self.formula * size + self.both * both)
    }
}

/// The Matthews correlation coefficient.
#[derive(Clone, Copy)]
struct Correlation {
    universe: f64,
    /// The sizes of the universe and of the unit, the first a little greater and the second a little smaller: the
    /// difference of their products may lose its digits.
    most: f64,
    least: f64,
    /// The product of the unit's size and of what is left of the universe.
    variance: f64,
}

impl Correlation {
    fn new(Counts { universe, unit, .. }: Counts) -> Self {
        const ROUNDING: f64 = 1e-15;
        let (universe, unit) = (universe as f64, unit as f64);
        let (most, least) = (universe * (1.0 + ROUNDING), unit * (1.0 - ROUNDING));
        Self { universe, most, least, variance: unit * (universe - unit) }
    }
}

impl Measure for Correlation {
    const EACH: bool = true;

    #[inline(always)]
    fn threshold(self, cut: f64) -> f64 {
        cut * cut.abs() * self.variance
    }

    /// By squares, which keep their sign.
    #[inline(always)]
    fn reaches(self, size: f64, both: f64, squared: f64) -> bool {
        let excess = self.most * both - self.least * size;
        excess * excess.abs() >= squared * (size * (self.universe - size))
    }
}

/// The fast comparison of a formula's extensions with a cut.
struct Test<'a, M> {
    areas: &'a [u32],
    both_of: &'a [u32],
    x: &'a [u32],
    ux: &'a [u32],
    size: f64,
    both: f64,
    measure: M,
}

impl<M: Measure> Test<'_, M> {
    /// The first block from candidate `first` on in which some extension may reach its cut. A last block that is not full is
    /// never skipped.
    fn next(&self, first: usize, cuts: [f64; 3]) -> Option<usize> {
        vectorized(
            #[inline(always)]
            || (first..self.x.len()).step_by(BLOCK).find(|b| self.reaches(*b, cuts)),
        )
    }

    /// For each candidate of a block the connectives by which its extension may reach the cut, one bit each; all of a block
    /// that is not full.
    fn each(&self, first: usize, cuts: [f64; 3]) -> [u8; BLOCK] {
        vectorized(
            #[inline(always)]
            || self.flags(first, cuts).unwrap_or([u8::MAX; BLOCK]),
        )
    }

    #[inline(always)]
    fn reaches(&self, first: usize, cuts: [f64; 3]) -> bool {
        self.flags(first, cuts).is_none_or(|flags| flags.iter().fold(0, |any, flag| any | flag) != 0)
    }

    #[inline(always)]
    fn flags(&self, first: usize, cuts: [f64; 3]) -> Option<[u8; BLOCK]> {
        let block = |from: &[u32]| -> Option<[u32; BLOCK]> { from.get(first..first + BLOCK)?.try_into().ok() };
        let (areas, both_of, x, ux) = (block(self.areas)?, block(self.both_of)?, block(self.x)?, block(self.ux)?);
        let mut flags = [0; BLOCK];
        for i in 0..BLOCK {
            let (area, ul, x, ux) = (f64::from(areas[i]), f64::from(both_of[i]), f64::from(x[i]), f64::from(ux[i]));
            let reaches = |size: f64, both: f64, cut: f64| self.measure.reaches(size, both, cut);
            flags[i] = u8::from(reaches(self.size + area - x, self.both + ul - ux, cuts[0]))
                | u8::from(reaches(x, ux, cuts[1])) << 1
                | u8::from(reaches(self.size - x, self.both - ux, cuts[2])) << 2;
        }
        Some(flags)
    }
}
