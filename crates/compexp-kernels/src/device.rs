//! The device of tensors.

use candle_core::Device;

use crate::error::Result;

/// The device that this build is for: the first GPU with the feature `cuda` or `metal`, else the CPU.
///
/// # Errors
/// [`crate::Error::Candle`] if there is no such GPU.
pub fn default_device() -> Result<Device> {
    Ok(if cfg!(feature = "cuda") {
        Device::new_cuda(0)?
    } else if cfg!(feature = "metal") {
        Device::new_metal(0)?
    } else {
        Device::Cpu
    })
}
