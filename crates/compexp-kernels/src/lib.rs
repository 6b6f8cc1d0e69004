//! Fast operations on the CPU for candle, usable by any candle project.
//!
//! In reading order: [`simd`] runs a loop on the widest registers there are; [`gemm`] multiplies matrices whose right side
//! is packed once; [`conv`], [`linear`] and [`lstm`] build convolutions, linear layers and LSTMs on it.
//!
//! # What it does not know
//! Networks, files, training loops.
//!
//! # Invariants
//! - Every result is the same to the last bit on any number of threads, and for a row or an image whatever else is in
//!   the batch.
//! - Which vector instructions the processor has changes no result.
//! - No panic on any tensor: shapes are checked, and [`Error`] names what does not fit.
//!
//! # Features
//! `cuda` and `metal` pass candle's features on: on such a device candle's own operations run.

#![forbid(unsafe_code)]

mod activation;
pub mod conv;
mod device;
pub mod error;
pub mod gemm;
pub mod linear;
pub mod lstm;
pub mod simd;
mod values;

pub use device::default_device;
pub use error::{Error, Result};
