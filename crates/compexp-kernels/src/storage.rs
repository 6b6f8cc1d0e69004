//! The values of tensors on the CPU.

use candle_core::{CpuStorage, DType, Layout, Result, Storage, Tensor, bail};

/// Whether the fast operations of [`crate::linear`] and [`crate::lstm`] take these tensors: f32 on the CPU. All others go
/// through candle's own.
pub(crate) fn are_ours(tensors: &[&Tensor]) -> bool {
    tensors.iter().all(|tensor| tensor.device().is_cpu() && tensor.dtype() == DType::F32)
}

/// The f32 values of a contiguous tensor.
pub(crate) fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(values) = storage else { bail!("expected a tensor of f32") };
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&values[from..to]),
        None => bail!("expected a contiguous tensor"),
    }
}

/// The result of `run` for the values of a tensor, which are copied if they are not contiguous.
pub(crate) fn with_values<T>(tensor: &Tensor, run: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => run(floats(storage, layout)?),
        _ => bail!("device of a fast operation's input: found {:?}, expected the CPU", tensor.device().location()),
    }
}
