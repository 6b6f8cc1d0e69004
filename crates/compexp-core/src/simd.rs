//! The widest vector instructions that the machine has.
//!
//! Builds are for the oldest processors of an architecture; a few loops gain several times from newer instructions. Which
//! ones are used never changes a result: sums of integers are exact, and floats are combined in the order written.

use pulp::{Arch, Simd, WithSimd};

/// Runs `f`, compiled for the best instruction set found at run time.
///
/// Only what is inlined is compiled so: closures given here, and what they call, are marked `#[inline(always)]`.
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
