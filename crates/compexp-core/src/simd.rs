//! The widest vector instructions of the machine, chosen at run time.
//!
//! Builds are for the oldest processors of an architecture; a few loops run several times as fast with newer instructions.
//! The choice never changes a result: sums of integers are exact, and floats are combined in the order written.

use pulp::{Arch, Simd, WithSimd};

/// The name of the instruction set that [`vectorized`] uses.
pub fn instructions() -> &'static str {
    match Arch::new() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "AVX-512",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "AVX2",
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(_) => "NEON",
        _ => "the oldest of the architecture",
    }
}

/// Runs `f`, compiled for the best instruction set found at run time.
///
/// Only code that is inlined benefits: mark the closure and the functions it calls with `#[inline(always)]`.
#[inline(always)]
pub fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    struct Run<F>(F);

    impl<R, F: FnOnce() -> R> WithSimd for Run<F> {
        type Output = R;

        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> R {
            (self.0)()
        }
    }

    Arch::new().dispatch(Run(f))
}
