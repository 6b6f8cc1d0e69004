//! The scores of all extensions of a formula by a literal.

use super::chain::Op;
use crate::score::Form;
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
    /// `cuts` gives for each connective the score that an extension must reach; it is called again for every block. A block
    /// in which no extension reaches it is skipped. This is the fast path: one comparison of products in f64 for each
    /// extension, so that the cut must leave room for their rounding. In other blocks every extension is visited.
    pub(super) fn scan<S>(
        &self,
        formula: &Counted<'_>,
        unit: u64,
        form: Form,
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
            unit: unit as f64 * form.unit,
            form,
        };
        let mut next = 0;
        while let Some(first) = test.next(next, cuts(state)) {
            let end = (first + BLOCK).min(x.len());
            next = end;
            for i in first..end {
                let (area, ul) = (u64::from(self.areas[i]), u64::from(self.both[i]));
                let (overlap, ux) = (u64::from(x[i]), u64::from(ux[i]));
                for _ in 0..self.copies.as_ref().map_or(1, |c| c[i]) {
                    for op in Op::ALL {
                        let (size, both) = match op {
                            Op::Or => (formula.size + area - overlap, formula.both + ul - ux),
                            Op::And => (overlap, ux),
                            Op::AndNot => (formula.size - overlap, formula.both - ux),
                        };
                        visit(state, Extension { op, candidate: i, overlap, area, size, both });
                    }
                }
            }
        }
    }
}

/// The fast comparison of a formula's extensions with a cut.
struct Test<'a> {
    areas: &'a [u32],
    both_of: &'a [u32],
    x: &'a [u32],
    ux: &'a [u32],
    size: f64,
    both: f64,
    unit: f64,
    form: Form,
}

impl Test<'_> {
    /// The first block from candidate `first` on in which some extension may reach its cut. A last block that is not full is
    /// never skipped.
    fn next(&self, first: usize, cuts: [f64; 3]) -> Option<usize> {
        vectorized(
            #[inline(always)]
            || (first..self.x.len()).step_by(BLOCK).find(|b| self.reaches(*b, cuts)),
        )
    }

    #[inline(always)]
    fn reaches(&self, first: usize, cuts: [f64; 3]) -> bool {
        let block = |from: &[u32]| -> Option<[u32; BLOCK]> { from.get(first..first + BLOCK)?.try_into().ok() };
        let (Some(areas), Some(both_of), Some(x), Some(ux)) =
            (block(self.areas), block(self.both_of), block(self.x), block(self.ux))
        else {
            return true;
        };
        let mut any = false;
        for i in 0..BLOCK {
            let (area, ul, x, ux) = (f64::from(areas[i]), f64::from(both_of[i]), f64::from(x[i]), f64::from(ux[i]));
            let reaches = |size: f64, both: f64, cut: f64| {
                self.form.numerator * both >= cut * (self.unit + self.form.formula * size + self.form.both * both)
            };
            any |= reaches(self.size + area - x, self.both + ul - ux, cuts[0])
                | reaches(x, ux, cuts[1])
                | reaches(self.size - x, self.both - ux, cuts[2]);
        }
        any
    }
}
