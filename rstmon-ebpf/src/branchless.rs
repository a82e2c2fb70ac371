//! Arithmetic without branches: the verifier would follow each outcome of a branch through everything that comes later.
//! Conditions are numbers, 0 or 1.

/// A number of which the compiler knows nothing: it would turn the arithmetic back into branches.
#[inline(always)]
pub fn opaque(number: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    // SAFETY: a move to the same register. Without an instruction two lines of source would have the same address,
    // which the kernel refuses.
    unsafe {
        let mut number = number;
        core::arch::asm!("{0} = {0}", inout(reg) number, options(pure, nomem, nostack, preserves_flags));
        number
    }
    #[cfg(not(target_arch = "bpf"))]
    number
}

/// Whether a number is not 0.
#[inline(always)]
pub fn some(number: u64) -> u64 {
    (number | opaque(number.wrapping_neg())) >> 63
}

/// Whether a number is at least another. Both must be below 2^63.
#[inline(always)]
pub fn at_least(number: u64, least: u64) -> u64 {
    opaque(number.wrapping_sub(least)) >> 63 ^ 1
}

/// The opposite of a condition.
#[inline(always)]
pub fn not(condition: u64) -> u64 {
    condition ^ 1
}

/// A distance on a circle of 32 bits; 0 where it is negative.
#[inline(always)]
pub fn positive(distance: u32) -> u64 {
    u64::from(distance) & opaque(u64::from(distance) >> 31).wrapping_sub(1)
}
