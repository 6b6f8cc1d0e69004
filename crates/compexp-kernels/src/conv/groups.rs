//! Convolutions in groups of channels, as those of ResNeXt: a convolution by itself for each group.

use rayon::prelude::*;

use super::{Kernel, Sizes};
use crate::gemm::Epilogue;

/// The convolution of `x (n, h, w, c_in)` by a kernel a group: `(n, h_out, w_out, c_out)`.
pub(super) fn run(
    kernels: &[Kernel],
    sizes: Sizes,
    x: &[f32],
    n: usize,
    size: (usize, usize),
    epilogue: Epilogue<'_>,
) -> Vec<f32> {
    let each = sizes.of_group();
    let (h_out, w_out) = sizes.out_size(size.0, size.1);
    let mut out = vec![0f32; n * h_out * w_out * sizes.c_out];
    for (group, kernel) in kernels.iter().enumerate() {
        let x = columns(x, sizes.c_in, group * each.c_in, each.c_in);
        let residual = epilogue.residual.map(|all| columns(all, sizes.c_out, group * each.c_out, each.c_out));
        let bias = epilogue.bias.map(|bias| &bias[group * each.c_out..][..each.c_out]);
        let y = kernel.run(each, &x, n, size, Epilogue { bias, residual: residual.as_deref(), ..epilogue });
        out.par_chunks_mut(sizes.c_out).zip(y.par_chunks(each.c_out)).with_min_len(ROWS).for_each(|(out, y)| {
            out[group * each.c_out..][..each.c_out].copy_from_slice(y);
        });
    }
    out
}

/// Rows that a task copies at least.
const ROWS: usize = 512;

/// Columns `first..first + count` of the rows `x (_, width)`.
fn columns(x: &[f32], width: usize, first: usize, count: usize) -> Vec<f32> {
    let mut out = vec![0f32; x.len() / width * count];
    out.par_chunks_mut(count).zip(x.par_chunks(width)).with_min_len(ROWS).for_each(|(out, x)| {
        out.copy_from_slice(&x[first..][..count]);
    });
    out
}
