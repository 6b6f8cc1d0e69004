//! Tensors as slices of their values.

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor, bail};

/// Whether the fast operations take these tensors: f32 on the CPU. All others go through candle's own.
pub(crate) fn are_ours(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|tensor| tensor.device().is_cpu() && tensor.dtype() == DType::F32)
}

/// The values of a contiguous f32 tensor on the CPU, row-major.
///
/// # Errors
/// An error of candle for another type or layout.
pub(crate) fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let all = storage.as_slice::<f32>()?;
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => bail!("strides of a fast operation's input: found {:?}, expected contiguous values", layout.stride()),
    }
}

/// What `run` makes of the values of a tensor, which are copied where they are not contiguous.
pub(crate) fn with_values<T>(tensor: &Tensor, run: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => run(values(storage, layout)?),
        _ => bail!("device of a fast operation's input: found {:?}, expected the CPU", tensor.device().location()),
    }
}
