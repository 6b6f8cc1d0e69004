//! Between `(n, c, h, w)` and channels last, on the CPU in parallel: candle's own strided copy takes as long as a layer.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::storage::floats;

/// `x (n, c, h, w)` contiguous in that order, copied only if it is not.
///
/// # Errors
/// An error of candle if the tensor has another rank, and on the CPU if its dtype is not f32.
pub fn channels_first(x: &Tensor) -> candle_core::Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let last = x.permute((0, 2, 3, 1))?;
    if x.is_contiguous() || !last.is_contiguous() || !x.device().is_cpu() {
        return x.contiguous();
    }
    last.reshape((n, h * w, c))?.apply_op1_no_bwd(&Swap)?.reshape((n, c, h, w))
}

/// `x (n, c, h, w)` as a contiguous `(n, h, w, c)` tensor, copied only if it is not.
pub(super) fn channels_last(x: &Tensor) -> candle_core::Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let last = x.permute((0, 2, 3, 1))?;
    if last.is_contiguous() || !x.is_contiguous() {
        return last.contiguous();
    }
    x.reshape((n, c, h * w))?.apply_op1_no_bwd(&Swap)?.reshape((n, h, w, c))
}

/// `(n, a, b)` to `(n, b, a)`.
struct Swap;

impl CustomOp1 for Swap {
    fn name(&self) -> &'static str {
        "swap-last-two"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (n, a, b) = layout.shape().dims3()?;
        let x = floats(storage, layout)?;
        let mut out = vec![0f32; n * a * b];
        if !out.is_empty() {
            // Blocks of output rows, so that a cache line of the input is used while it is there.
            const BLOCK: usize = 32;
            for (x, out) in x.chunks_exact(a * b).zip(out.chunks_exact_mut(a * b)) {
                out.par_chunks_mut(BLOCK * a).enumerate().for_each(|(block, out)| {
                    for i in 0..a {
                        let row = &x[i * b + block * BLOCK..(i + 1) * b];
                        for (out, &value) in out.chunks_exact_mut(a).zip(row) {
                            out[i] = value;
                        }
                    }
                });
            }
        }
        Ok((CpuStorage::F32(out), Shape::from((n, b, a))))
    }
}
