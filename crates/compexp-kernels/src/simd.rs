//! Runs loops with the widest vector instructions of the machine.
//!
//! Builds are for the oldest processors of an architecture. These loops run several times as fast with newer
//! instructions. Which ones are used never changes a result: every loop combines floats in the order written.

use pulp::Arch;
pub use pulp::{Simd, WithSimd};

/// Runs `operation`, compiled for the best instruction set found at run time.
///
/// Only inlined code is compiled for these instructions, so `with_simd` and the functions that it calls are marked
/// `#[inline(always)]`.
#[inline(always)]
pub fn dispatch<O: WithSimd>(operation: O) -> O::Output {
    Arch::new().dispatch(operation)
}

/// A register of up to its width of values, zero beyond them. Whole registers need no mask, which would cost a call.
#[inline(always)]
pub fn load<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values) {
        ([whole], []) => *whole,
        _ => simd.partial_load_f32s(values),
    }
}

/// The reverse of [`load`].
#[inline(always)]
pub fn store<S: Simd>(simd: S, out: &mut [f32], values: S::f32s) {
    match S::as_mut_simd_f32s(out) {
        ([whole], []) => *whole = values,
        _ => simd.partial_store_f32s(out, values),
    }
}

/// Negative values become 0; NaN stays, so that a broken input is seen at the end.
#[inline(always)]
pub fn relu<S: Simd>(simd: S, value: S::f32s) -> S::f32s {
    let zero = simd.splat_f32s(0.0);
    simd.select_f32s(simd.less_than_f32s(value, zero), zero, value)
}
