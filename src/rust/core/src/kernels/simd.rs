//! Use of the processor's widest vector registers: compilation for them, and cleanup after them.

use pulp::Arch;

/// Runs `body`, a plain loop, compiled for the processor's vector instructions if they are known;
/// the functions that it calls must be `inline(always)`.
#[inline(always)]
pub(crate) fn vectorized<R>(body: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(body)
}

/// Clears the upper halves of the vector registers. faer's matrix product leaves them in use, which
/// on Intel's processors slows down all subsequent scalar code several times, until the next call.
#[inline(always)]
pub(crate) fn leave_wide_registers() {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        simd.avx._mm256_zeroupper();
    }
}
