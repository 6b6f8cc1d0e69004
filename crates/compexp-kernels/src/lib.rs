//! Fast CPU operations for any candle project.
//!
//! In reading order: [`simd`] runs a loop on the widest registers there are; [`gemm`] multiplies matrices whose right side
//! is packed once; [`conv`], [`linear`], [`attention`] and [`lstm`] build convolutions, linear layers, self-attention and
//! LSTMs on it; [`gelu`] is an activation function, [`norm`] a batch norm in training mode, [`adam`] the steps of a training.
//!
//! # What it does not know
//! The crate has no networks, no file access and no training loops.
//!
//! # Invariants
//! - Every result is the same to the last bit on any number of threads, and for a row or an image in any batch.
//! - The vector instructions of the processor do not change results.
//! - No panic on any tensor: shapes are checked, and [`Error`] names what does not fit.
//!
//! # Features
//! `cuda` and `metal` pass candle's features on: on such a device candle's own operations run.

#![forbid(unsafe_code)]

mod activation;
pub mod adam;
pub mod attention;
pub mod conv;
mod device;
pub mod error;
pub mod gelu;
pub mod gemm;
pub mod linear;
pub mod lstm;
pub mod norm;
pub mod simd;
mod storage;

pub use device::DeviceName;
pub use error::{Error, Result};

/// Values in -1..1 that look random, from `seed`.
#[cfg(test)]
pub(crate) fn noise(shape: &[usize], seed: u64) -> candle_core::Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let values: Vec<f32> = (0..shape.iter().product())
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect();
    candle_core::Tensor::from_vec(values, shape, &candle_core::Device::Cpu).expect("a shape that fits its values")
}
