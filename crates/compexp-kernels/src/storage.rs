//! The values of tensors on the CPU.

use candle_core::{CpuStorage, Layout, bail};

/// The f32 values of a contiguous tensor.
pub(crate) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let CpuStorage::F32(values) = storage else { bail!("expected a tensor of f32") };
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&values[from..to]),
        None => bail!("expected a contiguous tensor"),
    }
}
