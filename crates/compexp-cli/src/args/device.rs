//! Where networks run.

use clap::Args;
use compexp_vision::model::DeviceName;

/// The device of a network.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DeviceArg {
    /// Where the network runs: cpu, cuda, cuda:1, metal. GPUs need a build with `--features cuda` or `--features metal`
    #[arg(long, value_name = "DEVICE", default_value_t)]
    pub(crate) device: DeviceName,
}

impl DeviceArg {
    /// The CPU, for what only reads weights.
    pub(crate) fn cpu() -> Self {
        Self { device: DeviceName::Cpu }
    }

    /// What a run records of it: a GPU, on which values differ in their last digits.
    pub(crate) fn recorded(self) -> Option<String> {
        (self.device != DeviceName::Cpu).then(|| self.device.to_string())
    }
}
