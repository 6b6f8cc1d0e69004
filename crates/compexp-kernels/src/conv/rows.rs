//! Convolutions of any kernel, stride and padding as one matrix product: the inputs under an output are copied into a row.
//!
//! Images are (h, w, channels), so the inputs under one row of the kernel are one contiguous copy, and a 1 x 1
//! convolution of stride 1 needs no copy at all. Only as many rows are made at a time as fit a core's cache.

use rayon::prelude::*;

use crate::gemm::{Epilogue, Left, Packed, product};

/// Floats of copied inputs that one thread works on at a time.
const BLOCK: usize = 1 << 16;

/// A convolution as a matrix product.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    c_in: usize,
    kernel: (usize, usize),
    stride: usize,
    padding: usize,
    /// `(kernel rows * kernel columns * c_in, c_out)`.
    weights: Packed,
}

impl Rows {
    /// Packs `weights (c_out, c_in, kernel rows, kernel columns)`.
    pub(crate) fn new(
        weights: &[f32],
        (c_out, c_in, kh, kw): (usize, usize, usize, usize),
        stride: usize,
        padding: usize,
    ) -> Self {
        assert_eq!(weights.len(), c_out * c_in * kh * kw, "shape of the weights");
        let packed = Packed::from_fn(kh * kw * c_in, c_out, |i, o| {
            let (tap, c) = (i / c_in, i % c_in);
            weights[(o * c_in + c) * kh * kw + tap]
        });
        Self { c_in, kernel: (kh, kw), stride, padding, weights: packed }
    }

    /// Convolves `x (images, h, w, c_in)` into `out (images, h_out, w_out, c_out)`; `epilogue`'s residual is of the
    /// shape of `out`.
    pub(crate) fn run(
        &self,
        x: &[f32],
        size: (usize, usize),
        out_size: (usize, usize),
        out: &mut [f32],
        epilogue: Epilogue<'_>,
    ) {
        let (k, n) = (self.weights.k(), self.weights.n());
        let direct = self.kernel == (1, 1) && self.stride == 1 && self.padding == 0;
        let per_block = (BLOCK / k).max(6).next_multiple_of(6);
        out.par_chunks_mut(per_block * n).enumerate().for_each_init(Vec::new, |rows, (block, out)| {
            let (first, count) = (block * per_block, out.len() / n);
            let a = if direct {
                &x[first * k..][..count * k]
            } else {
                rows.resize(per_block * k, 0.0);
                for (i, row) in rows.chunks_exact_mut(k).take(count).enumerate() {
                    self.fill(x, size, out_size, first + i, row);
                }
                &rows[..count * k]
            };
            let residual = epilogue.residual.map(|r| &r[first * n..][..count * n]);
            product(Left::Direct(a), &self.weights, out, Epilogue { residual, ..epilogue });
        });
    }

    /// Copies the inputs under output `at` (counted over images, rows and columns), zero outside of the image.
    fn fill(&self, x: &[f32], (h, w): (usize, usize), (h_out, w_out): (usize, usize), at: usize, row: &mut [f32]) {
        let (image, y, column) = (at / (h_out * w_out), at / w_out % h_out, at % w_out);
        let (kh, kw) = self.kernel;
        let c = self.c_in;
        let left = column * self.stride;
        // The kernel's columns that lie inside of the image.
        let from = self.padding.saturating_sub(left).min(kw);
        let to = (w + self.padding).saturating_sub(left).clamp(from, kw);
        for (i, row) in row.chunks_exact_mut(kw * c).enumerate().take(kh) {
            let y = y * self.stride + i;
            if y < self.padding || y >= h + self.padding || from == to {
                row.fill(0.0);
                continue;
            }
            row[..from * c].fill(0.0);
            row[to * c..].fill(0.0);
            let start = ((image * h + y - self.padding) * w + left + from - self.padding) * c;
            row[from * c..to * c].copy_from_slice(&x[start..][..(to - from) * c]);
        }
    }
}
