//! Matrix products on the CPU with an epilogue: `out (+)= a · w`, then `+ bias`, `+ residual` and ReLU, f32, with `w` packed
//! once and used often.
//!
//! The right side `(k, n)` is cut into panels of a few SIMD registers' width, so that the inner loop reads it in order.
//! Packing weights for every product, as a general routine must, would cost a fifth of the time of an LSTM's steps and a
//! third of the short and narrow products of a ResNet's late layers.
//!
//! Every output is a sum over `k` in ascending order by fused multiply-adds, for any number of rows: results depend
//! neither on the grouping of rows nor on the number of threads.

mod packed;
mod run;

use rayon::prelude::*;

use crate::simd::dispatch;

pub use packed::Packed;

use run::{Run, Source};

/// Rows that one run of the inner loop computes: 6 rows of 4 registers leave room for the panel and the broadcast in
/// 32 registers, 6 of 2 do so in 16.
const ROWS: usize = 6;

/// The left side of a product, `(rows, k)`.
#[derive(Debug, Clone, Copy)]
pub enum Left<'a> {
    /// Row-major values, read in place; a sum over `k` is computed in one pass. For products with few rows, or a panel
    /// of weights that stays in the cache, as those of convolutions.
    Direct(&'a [f32]),
    /// Row-major values, first copied into blocks of rows; a sum over `k` is computed in parts of 512 terms, and `out`
    /// holds it between the parts. For long `k`.
    Rows(&'a [f32]),
    /// As [`Left::Rows`], the first `rows` of the matrix whose transpose is in memory: `(k, stride)`, from column `first`
    /// on.
    Columns {
        /// `(k, stride)`.
        values: &'a [f32],
        /// Values from one row of `values` to the next.
        stride: usize,
        /// The column of `values` that is the first row.
        first: usize,
    },
}

/// The operations on a product before it is stored.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Whether the product is added to the content of `out`.
    pub accumulate: bool,
    /// Added to every row, `(n,)`.
    pub bias: Option<&'a [f32]>,
    /// Added element by element, `(rows, n)`.
    pub residual: Option<&'a [f32]>,
    /// Negative results become 0; NaN stays.
    pub relu: bool,
}

impl Epilogue<'_> {
    /// Adds the product to the content of `out`.
    pub const ADD: Self = Self { accumulate: true, bias: None, residual: None, relu: false };
}

/// `out (rows, n) = a (rows, k) · w`, then `epilogue`, on this thread. All are contiguous.
///
/// # Panics
/// If the lengths of the slices do not fit the product.
pub fn product(a: Left<'_>, w: &Packed, out: &mut [f32], epilogue: Epilogue<'_>) {
    let (k, n) = (w.k(), w.n());
    if n == 0 || out.is_empty() {
        return;
    }
    let rows = out.len() / n;
    assert_eq!(out.len(), rows * n, "whole rows of a product");
    if let Left::Direct(values) | Left::Rows(values) = a {
        assert_eq!(values.len(), rows * k, "shapes of a matrix product");
    }
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == n), "shape of a product's bias");
    assert!(epilogue.residual.is_none_or(|residual| residual.len() == out.len()), "shape of a product's residual");
    let blocks;
    let a = match a {
        Left::Direct(values) => Source::Direct(values),
        _ => {
            blocks = in_blocks(a, rows, k);
            Source::Blocks(&blocks)
        }
    };
    dispatch(Run { a, w, rows, out, epilogue });
}

/// [`product`] of `a (rows, k)`, as [`Left::Rows`], by all threads of the pool.
///
/// # Panics
/// As for [`product`].
pub fn product_parallel(a: &[f32], w: &Packed, out: &mut [f32], epilogue: Epilogue<'_>) {
    let (k, n) = (w.k(), w.n());
    if n == 0 || out.is_empty() {
        return;
    }
    let rows = rows_per_task(out.len() / n);
    out.par_chunks_mut(rows * n).enumerate().for_each(|(task, out)| {
        let (first, count) = (task * rows, out.len() / n);
        let residual = epilogue.residual.map(|residual| &residual[first * n..][..out.len()]);
        product(Left::Rows(&a[first * k..][..count * k]), w, out, Epilogue { residual, ..epilogue });
    });
}

/// `out (m, n) += aᵀ · w` of `a (k, m)` by all threads of the pool: the gradient of a linear layer's weights, for `a` the
/// gradient of its output and `w` its packed input.
///
/// # Panics
/// As for [`product`].
pub fn add_transposed_product(a: &[f32], m: usize, w: &Packed, out: &mut [f32]) {
    let n = w.n();
    if out.is_empty() {
        return;
    }
    assert_eq!((a.len(), out.len()), (w.k() * m, m * n), "shapes of a matrix product");
    let rows = rows_per_task(m).min(96);
    out.par_chunks_mut(rows * n).enumerate().for_each(|(task, out)| {
        product(Left::Columns { values: a, stride: m, first: task * rows }, w, out, Epilogue::ADD);
    });
}

/// Rows for each thread, in whole blocks; which thread computes a row does not change it.
pub fn rows_per_task(rows: usize) -> usize {
    rows.div_ceil(rayon::current_num_threads().max(1)).next_multiple_of(ROWS).max(ROWS)
}

/// The left side as `(blocks, k, ROWS)`, rows beyond the last are zero.
fn in_blocks(a: Left<'_>, rows: usize, k: usize) -> Vec<f32> {
    let mut blocks = vec![0.0; rows.div_ceil(ROWS) * k * ROWS];
    for (block, packed) in blocks.chunks_exact_mut((k * ROWS).max(1)).enumerate() {
        let count = ROWS.min(rows - block * ROWS);
        match a {
            Left::Direct(values) | Left::Rows(values) => {
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
    blocks
}

#[cfg(test)]
mod tests;
