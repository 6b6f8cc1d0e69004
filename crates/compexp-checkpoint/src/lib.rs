//! Reads PyTorch and safetensors checkpoints.
