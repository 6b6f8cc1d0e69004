//! Matrix products on the CPU: `out (+)= a · w`, f32, with `w` packed once and used often.
//!
//! The right side `(k, n)` is cut into panels of a few SIMD registers' width, the left side into blocks of 6 rows; both
//! are stored so that the inner loop reads them in order. Weights of an LSTM serve dozens of steps, so packing them for
//! every product, as a general routine must, would cost a fifth of the time.
//!
//! Every output is a sum over `k` in ascending order by fused multiply-adds, in stretches of a fixed length, whatever the
//! number of rows given at once: results depend neither on how rows are grouped nor on the thread count.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Rows that one run of the inner loop computes: 6 rows of 4 registers leave room for the panel and the broadcast in
/// 32 registers, 6 of 2 do so in 16.
const ROWS: usize = 6;

/// Terms of a sum between two visits to the output: a panel of so many rows stays in the second-level cache.
const STRETCH: usize = 512;

/// SIMD registers in a panel's width, by the number of registers there are.
const fn registers<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 4 } else { 2 }
}

/// The right side of a product, `(k, n)`, in panels.
#[derive(Debug, Clone, Default)]
pub struct Packed {
    k: usize,
    n: usize,
    width: usize,
    /// `(panels, k, width)`, columns beyond `n` are zero.
    data: Vec<f32>,
}

impl Packed {
    /// Packs `values (n, k)`, the weights of a linear layer: a product with it is `a · valuesᵀ`.
    pub fn transposed(k: usize, n: usize, values: &[f32]) -> Self {
        let mut packed = Self::default();
        packed.set_transposed(k, n, values);
        packed
    }

    /// [`Self::transposed`], into the memory of `self`.
    pub fn set_transposed(&mut self, k: usize, n: usize, values: &[f32]) {
        assert_eq!(values.len(), k * n, "values of a matrix");
        self.reset(k, n);
        let width = self.width;
        self.data.par_chunks_mut((k * width).max(1)).enumerate().for_each(|(panel, data)| {
            let columns = width.min(n - panel * width);
            // Squares, so that a cache line of either side is used while it is there.
            const SIDE: usize = 16;
            for first in (0..k).step_by(SIDE) {
                for j in 0..columns {
                    let column = &values[(panel * width + j) * k..][first..k.min(first + SIDE)];
                    for (i, &value) in column.iter().enumerate() {
                        data[(first + i) * width + j] = value;
                    }
                }
            }
        });
    }

    /// Packs `k` rows of `n` values, the `i`-th of which is `row(i)`, into the memory of `self`.
    pub fn set_rows<'a>(&mut self, k: usize, n: usize, row: impl Fn(usize) -> &'a [f32] + Sync) {
        self.reset(k, n);
        let width = self.width;
        self.data.par_chunks_mut((k * width).max(1)).enumerate().for_each(|(panel, data)| {
            let first = panel * width;
            let columns = width.min(n - first);
            for (i, data) in data.chunks_exact_mut(width).enumerate() {
                data[..columns].copy_from_slice(&row(i)[first..first + columns]);
            }
        });
    }

    /// Rows of the matrix.
    pub fn k(&self) -> usize {
        self.k
    }

    fn reset(&mut self, k: usize, n: usize) {
        let width = Arch::new().dispatch(Width);
        let size = n.div_ceil(width) * k * width;
        if (self.n, self.width) != (n, width) {
            self.data.clear(); // the columns beyond `n` lie elsewhere
        }
        self.data.resize(size, 0.0);
        (self.k, self.n, self.width) = (k, n, width);
        if !n.is_multiple_of(width) {
            // Panels move when `k` changes, and old values would come to lie beyond `n`.
            let last = self.data.len() - k * width;
            self.data[last..].fill(0.0);
        }
    }
}

/// The left side of a product, `(rows, k)`.
#[derive(Debug, Clone, Copy)]
pub enum Left<'a> {
    /// Row-major values.
    Rows(&'a [f32]),
    /// The first `rows` of the matrix whose transpose is in memory: `(k, stride)`, from column `first` on.
    Columns {
        /// `(k, stride)`.
        values: &'a [f32],
        /// Values from one row of `values` to the next.
        stride: usize,
        /// The column of `values` that is the first row.
        first: usize,
    },
}

/// `out (rows, n) = a (rows, k) · w`, added to what `out` holds where `accumulate`, on this thread.
pub fn product(a: Left<'_>, w: &Packed, out: &mut [f32], accumulate: bool) {
    if w.n == 0 || out.is_empty() {
        return;
    }
    let rows = out.len() / w.n;
    assert_eq!(out.len(), rows * w.n, "whole rows of a product");
    if let Left::Rows(values) = a {
        assert_eq!(values.len(), rows * w.k, "shapes of a matrix product");
    }
    if w.k == 0 {
        if !accumulate {
            out.fill(0.0);
        }
        return;
    }
    let a = blocks(a, rows, w.k);
    Arch::new().dispatch(Run { a: &a, w, rows, out, accumulate });
}

/// [`product`] of `a (rows, k)`, row-major, by all threads of the pool.
pub fn product_parallel(a: &[f32], w: &Packed, out: &mut [f32], accumulate: bool) {
    if w.n == 0 || out.is_empty() {
        return;
    }
    let rows = rows_per_task(out.len() / w.n);
    let tasks = out.par_chunks_mut(rows * w.n).enumerate();
    tasks.for_each(|(task, out)| {
        let count = out.len() / w.n;
        product(Left::Rows(&a[task * rows * w.k..][..count * w.k]), w, out, accumulate);
    });
}

/// `out (m, n) += aᵀ · w` of `a (k, m)` by all threads of the pool: the gradient of a linear layer's weights, for `a` the
/// gradient of its output and `w` its packed input.
pub fn add_transposed_product(a: &[f32], m: usize, w: &Packed, out: &mut [f32]) {
    if out.is_empty() {
        return;
    }
    assert_eq!((a.len(), out.len()), (w.k * m, m * w.n), "shapes of a matrix product");
    let rows = rows_per_task(m).min(96);
    out.par_chunks_mut(rows * w.n).enumerate().for_each(|(task, out)| {
        product(Left::Columns { values: a, stride: m, first: task * rows }, w, out, true);
    });
}

/// Rows for each thread, in whole blocks; which thread computes a row does not change it.
pub fn rows_per_task(rows: usize) -> usize {
    rows.div_ceil(rayon::current_num_threads().max(1)).next_multiple_of(ROWS).max(ROWS)
}

/// The left side as `(blocks, k, ROWS)`, rows beyond the last are zero.
fn blocks(a: Left<'_>, rows: usize, k: usize) -> Vec<f32> {
    let mut packed = vec![0.0; rows.div_ceil(ROWS) * k * ROWS];
    for (block, packed) in packed.chunks_exact_mut(k * ROWS).enumerate() {
        let count = ROWS.min(rows - block * ROWS);
        match a {
            Left::Rows(values) => {
                for r in 0..count {
                    let row = &values[(block * ROWS + r) * k..][..k];
                    for (to, &value) in packed.iter_mut().skip(r).step_by(ROWS).zip(row) {
                        *to = value;
                    }
                }
            }
            Left::Columns { values, stride, first } => {
                for (to, row) in packed.chunks_exact_mut(ROWS).zip(values.chunks_exact(stride)) {
                    to[..count].copy_from_slice(&row[first + block * ROWS..][..count]);
                }
            }
        }
    }
    packed
}

struct Width;

impl WithSimd for Width {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES * registers::<S>()
    }
}

/// One product, compiled for the best instructions found at run time.
struct Run<'a> {
    a: &'a [f32],
    w: &'a Packed,
    rows: usize,
    out: &'a mut [f32],
    accumulate: bool,
}

impl WithSimd for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        assert_eq!(self.w.width, S::F32_LANES * registers::<S>(), "panels are for this processor");
        if registers::<S>() == 4 { self.panels::<S, 4>(simd) } else { self.panels::<S, 2>(simd) }
    }
}

impl Run<'_> {
    #[inline(always)]
    fn panels<S: Simd, const NV: usize>(self, simd: S) {
        let Packed { k, n, width, data } = self.w;
        let (k, n, width) = (*k, *n, *width);
        for from in (0..k).step_by(STRETCH) {
            let to = k.min(from + STRETCH);
            let add = self.accumulate || from > 0;
            for (panel, columns) in data.chunks_exact(k * width).enumerate() {
                let columns = &columns[from * width..to * width];
                let first = panel * width;
                let count = width.min(n - first);
                for (block, a) in self.a.chunks_exact(k * ROWS).enumerate() {
                    let a = a[from * ROWS..to * ROWS].as_chunks::<ROWS>().0;
                    let row = block * ROWS;
                    let out = &mut self.out[row * n + first..];
                    match self.rows - row {
                        1 => kernel::<S, 1, NV>(simd, a, columns, out, n, count, add),
                        2 => kernel::<S, 2, NV>(simd, a, columns, out, n, count, add),
                        3 => kernel::<S, 3, NV>(simd, a, columns, out, n, count, add),
                        4 => kernel::<S, 4, NV>(simd, a, columns, out, n, count, add),
                        5 => kernel::<S, 5, NV>(simd, a, columns, out, n, count, add),
                        _ => kernel::<S, ROWS, NV>(simd, a, columns, out, n, count, add),
                    }
                }
            }
        }
    }
}

/// `MR` rows by one panel, of which `count` columns exist; rows of `out` are `stride` apart.
#[inline(always)]
fn kernel<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    a: &[[f32; ROWS]],
    w: &[f32],
    out: &mut [f32],
    stride: usize,
    count: usize,
    add: bool,
) {
    let (w, _) = S::as_simd_f32s(w);
    let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
    for (a, w) in a.iter().zip(w.as_chunks::<NV>().0) {
        for r in 0..MR {
            let left = simd.splat_f32s(a[r]);
            for v in 0..NV {
                sums[r][v] = simd.mul_add_e_f32s(left, w[v], sums[r][v]);
            }
        }
    }
    let lanes = S::F32_LANES;
    for (r, sums) in sums.iter().enumerate() {
        for (out, &sum) in out[r * stride..][..count].chunks_mut(lanes).zip(sums) {
            match S::as_mut_simd_f32s(out) {
                ([whole], []) => *whole = if add { simd.add_f32s(*whole, sum) } else { sum },
                // Without a mask where a register is whole: masks cost a call.
                _ => {
                    let sum = if add { simd.add_f32s(simd.partial_load_f32s(out), sum) } else { sum };
                    simd.partial_store_f32s(out, sum);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        (0..n).map(|_| next()).collect()
    }

    /// `a (m, k) · b (k, n)` by its definition, in f64.
    fn slow(a: &[f32], b: &[f32], (m, k, n): (usize, usize, usize)) -> Vec<f32> {
        let at = |i: usize, j: usize| (0..k).map(|x| f64::from(a[i * k + x]) * f64::from(b[x * n + j])).sum::<f64>();
        (0..m * n).map(|x| at(x / n, x % n) as f32).collect()
    }

    fn transpose(a: &[f32], rows: usize, columns: usize) -> Vec<f32> {
        (0..a.len()).map(|x| a[(x % rows) * columns + x / rows]).collect()
    }

    fn close(found: &[f32], expected: &[f32], what: &str) {
        assert_eq!(found.len(), expected.len(), "{what}");
        for (i, (f, e)) in found.iter().zip(expected).enumerate() {
            assert!((f - e).abs() < 1e-4, "{what}: value {i} is {f}, expected {e}");
        }
    }

    #[test]
    fn products_equal_their_definition() {
        let mut packed = Packed::default();
        for (m, k, n) in [(1, 1, 1), (5, 7, 3), (6, 64, 64), (13, 300, 130), (20, 1100, 70), (3, 0, 4), (7, 5, 65)] {
            let (a, b) = (noise(m * k, 1), noise(k * n, 2));
            let expected = slow(&a, &b, (m, k, n));
            let what = format!("{m} x {k} x {n}");

            let mut out = vec![9.0; m * n];
            product_parallel(&a, &Packed::transposed(k, n, &transpose(&b, k, n)), &mut out, false);
            close(&out, &expected, &what);

            // One packing is used for all sizes: nothing of an earlier one may remain.
            packed.set_rows(k, n, |i| &b[i * n..][..n]);
            product_parallel(&a, &packed, &mut out, true);
            let twice: Vec<_> = expected.iter().map(|e| 2.0 * e).collect();
            close(&out, &twice, &what);

            let mut out = vec![0.0; m * n];
            add_transposed_product(&transpose(&a, m, k), m, &packed, &mut out);
            close(&out, &expected, &what);
        }
    }

    #[test]
    fn a_row_is_the_same_bits_alone_and_among_others() {
        let (m, k, n) = (17, 700, 100);
        let a = noise(m * k, 3);
        let w = Packed::transposed(k, n, &noise(k * n, 4));
        let mut all = vec![0.0; m * n];
        product(Left::Rows(&a), &w, &mut all, false);
        for row in 0..m {
            let mut one = vec![0.0; n];
            product(Left::Rows(&a[row * k..][..k]), &w, &mut one, false);
            assert_eq!(one, all[row * n..][..n], "row {row}");
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn processors_with_narrower_registers_give_the_same_bits() {
        let Some(simd) = pulp::x86::V3::try_new() else { return };
        let (m, k, n) = (15, 600, 39);
        let (a, b) = (noise(m * k, 5), noise(k * n, 6));
        let mut packed = Packed::default();
        packed.set_rows(k, n, |i| &b[i * n..][..n]);
        let mut expected = vec![0.0; m * n];
        product(Left::Rows(&a), &packed, &mut expected, false);

        let width = 16; // two registers of eight
        let at = |x: usize| (x / (k * width) * width + x % width, x / width % k);
        let value = |(column, row)| if column < n { b[row * n + column] } else { 0.0 };
        let data = (0..n.div_ceil(width) * k * width).map(|x| value(at(x))).collect();
        let narrow = Packed { k, n, width, data };
        let mut found = vec![0.0; m * n];
        let a = blocks(Left::Rows(&a), m, k);
        Simd::vectorize(simd, Run { a: &a, w: &narrow, rows: m, out: &mut found, accumulate: false });
        assert_eq!(found, expected);
    }
}
