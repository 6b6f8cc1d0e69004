//! The widest vector instructions that the machine has.
//!
//! Builds are for the oldest processors of an architecture; a few loops gain several times from newer instructions. Which
//! ones are used never changes a result: sums of integers are exact, and floats are combined in the order written.

/// Runs `f`, compiled for the best instruction set found at run time. What `f` calls must be inlined into it to gain.
#[inline(always)]
pub(crate) fn vectorized<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}
