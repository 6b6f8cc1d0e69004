//! The right side of a product, laid out for the inner loop.

use rayon::prelude::*;

use crate::simd::{Simd, WithSimd, dispatch};

/// The right side of a product, `(k, n)`, in panels, f32.
#[derive(Debug, Clone, Default)]
pub struct Packed {
    k: usize,
    n: usize,
    width: usize,
    /// `(panels, k, width)`, columns beyond `n` are zero.
    data: Vec<f32>,
}

impl Packed {
    /// Packs the `k x n` matrix whose element in row `i` and column `j` is `at(i, j)`.
    pub fn from_fn(k: usize, n: usize, at: impl Fn(usize, usize) -> f32) -> Self {
        let mut packed = Self::default();
        packed.reset(k, n);
        let width = packed.width;
        for (panel, data) in packed.data.chunks_mut((k * width).max(1)).enumerate() {
            let first = panel * width;
            for (i, row) in data.chunks_exact_mut(width).enumerate() {
                for (j, value) in row.iter_mut().take(n - first).enumerate() {
                    *value = at(i, first + j);
                }
            }
        }
        packed
    }

    /// Packs `values (n, k)`, the weights of a linear layer: a product with it is `a · valuesᵀ`.
    ///
    /// # Panics
    /// If there are not `k * n` values.
    pub fn transposed(k: usize, n: usize, values: &[f32]) -> Self {
        let mut packed = Self::default();
        packed.set_transposed(k, n, values);
        packed
    }

    /// [`Self::transposed`], into the memory of `self`.
    ///
    /// # Panics
    /// As for [`Self::transposed`].
    pub fn set_transposed(&mut self, k: usize, n: usize, values: &[f32]) {
        assert_eq!(values.len(), k * n, "values of a matrix");
        self.reset(k, n);
        let width = self.width;
        self.data.par_chunks_mut((k * width).max(1)).enumerate().for_each(|(panel, data)| {
            let columns = width.min(n - panel * width);
            // Works in squares, so that a cache line of either side is used while it is in the cache.
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
    ///
    /// # Panics
    /// If a row has fewer than `n` values.
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

    /// Columns of the matrix.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Columns of a panel.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The rows `from..to` of a panel, `(to - from, width)`.
    #[inline(always)]
    pub(super) fn panel(&self, panel: usize, from: usize, to: usize) -> &[f32] {
        &self.data[(panel * self.k + from) * self.width..(panel * self.k + to) * self.width]
    }

    fn reset(&mut self, k: usize, n: usize) {
        let width = dispatch(Width(n));
        let size = n.div_ceil(width) * k * width;
        if (self.n, self.width) != (n, width) {
            self.data.clear(); // the columns beyond `n` lie elsewhere
        }
        self.data.resize(size, 0.0);
        (self.k, self.n, self.width) = (k, n, width);
        if !n.is_multiple_of(width) {
            // Panels move if `k` changes, and old values would then be beyond `n`.
            let last = self.data.len() - k * width;
            self.data[last..].fill(0.0);
        }
    }

    /// The same matrix in panels of another width.
    #[cfg(test)]
    pub(super) fn with_width(&self, width: usize) -> Self {
        let at = |i: usize, j: usize| self.data[(j / self.width * self.k + i) * self.width + j % self.width];
        let mut data = vec![0.0; self.n.div_ceil(width) * self.k * width];
        for (i, j) in (0..self.k * self.n).map(|x| (x / self.n, x % self.n)) {
            data[(j / width * self.k + i) * width + j % width] = at(i, j);
        }
        Self { width, data, ..*self }
    }
}

/// SIMD registers in the width of a panel of an `n` columns wide matrix: as many as fit, but not more than a narrow
/// matrix fills.
#[inline(always)]
pub(super) fn registers<S: Simd>(n: usize) -> usize {
    let most = if S::REGISTER_COUNT >= 32 { 4 } else { 2 };
    n.div_ceil(S::F32_LANES).next_power_of_two().min(most)
}

/// Columns of a panel of an `n` columns wide matrix.
struct Width(usize);

impl WithSimd for Width {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES * registers::<S>(self.0)
    }
}
