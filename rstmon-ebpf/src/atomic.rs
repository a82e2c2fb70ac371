//! Atomic operations on map values. A softirq may interrupt a process that counts on the same CPU, and plain
//! read-modify-write would lose one of the two counts.
//!
//! `core::sync::atomic` has no read-modify-write on BPF targets, hence the instructions themselves (ISA v3, 5.12 on).

/// Adds one to a counter.
///
/// # Safety
/// `counter` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn add_one(counter: *mut u64) {
    #[cfg(target_arch = "bpf")]
    // SAFETY: by the caller's promise; the instruction touches nothing else.
    unsafe {
        core::arch::asm!("lock *(u64 *)({0} + 0) += {1}", in(reg) counter, in(reg) 1u64);
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: by the caller's promise. Only type-checked on the host, never run.
    unsafe {
        *counter += 1;
    }
}

/// Takes one off a number and returns what it was before. A full barrier.
///
/// # Safety
/// `number` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn take_one(number: *mut i64) -> i64 {
    #[cfg(target_arch = "bpf")]
    // SAFETY: by the caller's promise; the instruction touches nothing else.
    unsafe {
        let mut value = -1i64;
        core::arch::asm!("{1} = atomic_fetch_add((u64 *)({0} + 0), {1})", in(reg) number, inout(reg) value);
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: by the caller's promise. Only type-checked on the host, never run.
    unsafe {
        *number -= 1;
        *number + 1
    }
}

/// Puts 0 into a word and returns what it held.
///
/// # Safety
/// `word` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn take(word: *mut u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    // SAFETY: by the caller's promise; the instruction touches nothing else.
    unsafe {
        let mut value = 0u64;
        core::arch::asm!("{1} = xchg_64({0} + 0, {1})", in(reg) word, inout(reg) value);
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: by the caller's promise. Only type-checked on the host, never run.
    unsafe {
        core::mem::take(&mut *word)
    }
}
