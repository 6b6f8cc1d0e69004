//! The device that tensors are on.

use std::fmt;
use std::str::FromStr;

use candle_core::Device;

use crate::error::{Error, Result};

/// A device by its name: `cpu`, `cuda`, `cuda:1`, `metal`. The number is that of the GPU, 0 if there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceName {
    /// The processor.
    Cpu,
    /// A GPU of NVIDIA's, in builds with the feature `cuda`.
    Cuda(usize),
    /// A GPU of Apple's, in builds with the feature `metal`.
    Metal(usize),
}

impl Default for DeviceName {
    /// What this build is for: the first GPU with the feature `cuda` or `metal`, else the CPU.
    fn default() -> Self {
        if cfg!(feature = "cuda") {
            Self::Cuda(0)
        } else if cfg!(feature = "metal") {
            Self::Metal(0)
        } else {
            Self::Cpu
        }
    }
}

impl DeviceName {
    /// Opens the device.
    ///
    /// # Errors
    /// [`Error::Mismatch`] if this build lacks the device's feature; [`Error::Candle`] if there is no such GPU.
    pub fn open(self) -> Result<Device> {
        let lacks = |feature| {
            let expected = format!("`cpu`, or a build with `--features {feature}`");
            Err(Error::mismatch("device", format!("`{self}`"), expected))
        };
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Cuda(_) if !cfg!(feature = "cuda") => lacks("cuda"),
            Self::Metal(_) if !cfg!(feature = "metal") => lacks("metal"),
            Self::Cuda(gpu) => Ok(Device::new_cuda(gpu)?),
            Self::Metal(gpu) => Ok(Device::new_metal(gpu)?),
        }
    }
}

impl FromStr for DeviceName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, gpu) = text.split_once(':').unwrap_or((text, "0"));
        match (kind, gpu.parse()) {
            ("cpu", _) if text == kind => Ok(Self::Cpu),
            ("cuda", Ok(gpu)) => Ok(Self::Cuda(gpu)),
            ("metal", Ok(gpu)) => Ok(Self::Metal(gpu)),
            _ => Err(Error::mismatch("device", format!("`{text}`"), "`cpu`, `cuda`, `metal`, `cuda:1`, ...")),
        }
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => write!(f, "cpu"),
            Self::Cuda(gpu) => write!(f, "cuda:{gpu}"),
            Self::Metal(gpu) => write!(f, "metal:{gpu}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_others_refused() {
        for (text, device) in [
            ("cpu", DeviceName::Cpu),
            ("cuda", DeviceName::Cuda(0)),
            ("cuda:3", DeviceName::Cuda(3)),
            ("metal", DeviceName::Metal(0)),
        ] {
            assert_eq!(text.parse::<DeviceName>().unwrap(), device);
            assert_eq!(device.to_string().parse::<DeviceName>().unwrap(), device);
        }
        for text in ["", "gpu", "cpu:0", "cuda:", "cuda:-1", "cuda:x", "CUDA"] {
            let e = text.parse::<DeviceName>().unwrap_err().to_string();
            assert!(e.contains(&format!("found `{text}`")), "{e}");
        }
    }

    #[test]
    fn a_device_that_the_build_lacks_is_refused() {
        assert!(DeviceName::Cpu.open().unwrap().is_cpu());
        if !cfg!(feature = "cuda") {
            let e = DeviceName::Cuda(1).open().unwrap_err().to_string();
            assert_eq!(e, "device: found `cuda:1`, expected `cpu`, or a build with `--features cuda`");
        }
    }
}
