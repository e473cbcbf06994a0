//! The widest vector registers that the processor has: code compiled for them, and leaving them.

use pulp::Arch;

/// Runs `body`, a plain loop, compiled for the processor's vector instructions where these are
/// known; what it calls must be `inline(always)`.
#[inline(always)]
pub(crate) fn vectorized<R>(body: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(body)
}

/// Clears the upper halves of the vector registers. faer's matrix product leaves them in use, and
/// on Intel's processors that makes all scalar code after it several times slower, up to the next
/// such call.
#[inline(always)]
pub(crate) fn leave_wide_registers() {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        simd.avx._mm256_zeroupper();
    }
}
