//! The inner loops of a product.

use super::packed::{Packed, registers};
use super::{Epilogue, ROWS};
use crate::simd::{Simd, WithSimd, load, relu, store};

/// Terms of a sum between two accesses to the output: a panel with this number of rows stays in the second-level cache.
const STRETCH: usize = 512;

/// The left side of a product in the form in which it is read.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// `(rows, k)`.
    Direct(&'a [f32]),
    /// `(blocks, k, ROWS)`.
    Blocks(&'a [f32]),
}

/// One product, compiled for the best instructions found at run time.
pub(super) struct Run<'a> {
    pub(super) a: Source<'a>,
    pub(super) w: &'a Packed,
    pub(super) rows: usize,
    pub(super) out: &'a mut [f32],
    pub(super) epilogue: Epilogue<'a>,
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let registers = registers::<S>(self.w.n());
        assert_eq!(self.w.width(), S::F32_LANES * registers, "panels are for this processor");
        match registers {
            4 => self.panels::<S, 4>(simd),
            2 => self.panels::<S, 2>(simd),
            _ => self.panels::<S, 1>(simd),
        }
    }
}

impl Run<'_> {
    #[inline(always)]
    fn panels<S: Simd, const NV: usize>(self, simd: S) {
        let Self { a, w, rows, out, epilogue } = self;
        let (k, n, width) = (w.k(), w.n(), w.width());
        let stretch = if let Source::Blocks(_) = a { STRETCH } else { k };
        let mut from = 0;
        loop {
            let to = k.min(from + stretch);
            let (accumulate, last) = (epilogue.accumulate || from > 0, to == k);
            for panel in 0..n.div_ceil(width) {
                let columns = w.panel(panel, from, to);
                for row in (0..rows).step_by(ROWS) {
                    let mut at = Place { first: panel * width, row, n, out: &mut *out, accumulate, last, epilogue };
                    match a {
                        Source::Direct(a) => {
                            let a = &a[row * k..];
                            match rows - row {
                                1 => block::<S, 1, NV>(simd, direct(a, k), columns, &mut at),
                                2 => block::<S, 2, NV>(simd, direct(a, k), columns, &mut at),
                                3 => block::<S, 3, NV>(simd, direct(a, k), columns, &mut at),
                                4 => block::<S, 4, NV>(simd, direct(a, k), columns, &mut at),
                                5 => block::<S, 5, NV>(simd, direct(a, k), columns, &mut at),
                                _ => block::<S, ROWS, NV>(simd, direct(a, k), columns, &mut at),
                            }
                        }
                        Source::Blocks(a) => {
                            let a = &a[row * k..][from * ROWS..to * ROWS];
                            match rows - row {
                                1 => block::<S, 1, NV>(simd, blocked(a), columns, &mut at),
                                2 => block::<S, 2, NV>(simd, blocked(a), columns, &mut at),
                                3 => block::<S, 3, NV>(simd, blocked(a), columns, &mut at),
                                4 => block::<S, 4, NV>(simd, blocked(a), columns, &mut at),
                                5 => block::<S, 5, NV>(simd, blocked(a), columns, &mut at),
                                _ => block::<S, ROWS, NV>(simd, blocked(a), columns, &mut at),
                            }
                        }
                    }
                }
            }
            from = to;
            if last {
                break;
            }
        }
    }
}

/// The columns of the first rows of a row-major matrix.
#[inline(always)]
fn direct<const MR: usize>(a: &[f32], k: usize) -> impl Iterator<Item = [f32; MR]> {
    let rows: [&[f32]; MR] = std::array::from_fn(|r| &a[r * k..][..k]);
    (0..k).map(move |i| std::array::from_fn(|r| rows[r][i]))
}

/// The columns of a block.
#[inline(always)]
fn blocked<const MR: usize>(a: &[f32]) -> impl Iterator<Item = [f32; MR]> {
    a.as_chunks::<ROWS>().0.iter().map(|column| std::array::from_fn(|r| column[r]))
}

/// The place of a block of results, and the operations on it.
struct Place<'a> {
    /// The panel's first column.
    first: usize,
    row: usize,
    n: usize,
    out: &'a mut [f32],
    accumulate: bool,
    /// Whether these are the last terms of the sums.
    last: bool,
    epilogue: Epilogue<'a>,
}

/// `MR` rows, given column by column, by one panel.
#[inline(always)]
fn block<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    a: impl Iterator<Item = [f32; MR]>,
    w: &[f32],
    at: &mut Place<'_>,
) {
    let (w, _) = S::as_simd_f32s(w);
    let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
    for (a, w) in a.zip(w.as_chunks::<NV>().0) {
        for r in 0..MR {
            let left = simd.splat_f32s(a[r]);
            for v in 0..NV {
                sums[r][v] = simd.mul_add_e_f32s(left, w[v], sums[r][v]);
            }
        }
    }
    let lanes = S::F32_LANES;
    let columns = (NV * lanes).min(at.n - at.first);
    for (r, sums) in sums.iter().enumerate() {
        let start = (at.row + r) * at.n + at.first;
        for (v, &sum) in sums.iter().enumerate() {
            let here = v * lanes;
            if here >= columns {
                break;
            }
            let count = lanes.min(columns - here);
            let out = &mut at.out[start + here..][..count];
            let mut sum = sum;
            if at.accumulate {
                sum = simd.add_f32s(load(simd, out), sum);
            }
            if at.last {
                if let Some(bias) = at.epilogue.bias {
                    sum = simd.add_f32s(sum, load(simd, &bias[at.first + here..][..count]));
                }
                if let Some(residual) = at.epilogue.residual {
                    sum = simd.add_f32s(sum, load(simd, &residual[start + here..][..count]));
                }
                if at.epilogue.relu {
                    sum = relu(simd, sum);
                }
            }
            store(simd, out, sum);
        }
    }
}
