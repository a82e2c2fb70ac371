//! Atomic operations on map values. A softirq may interrupt a process that counts on the same CPU, and a plain
//! read-modify-write would lose one of the two counts.
//!
//! `core::sync::atomic` has no read-modify-write on BPF targets, so this module uses the instructions themselves (ISA
//! v3, 5.12 on).

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

/// Subtracts one from a number and returns its value before. A full barrier.
///
/// # Safety
/// `number` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn take_one(number: *mut i64) -> i64 {
    // SAFETY: by the caller's promise. Adding `u64::MAX` is subtracting one in two's complement.
    unsafe { add(number.cast(), u64::MAX) }.cast_signed()
}

/// Stores 0 in a word and returns its value before.
///
/// # Safety
/// `word` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn take(word: *mut u64) -> u64 {
    // SAFETY: by the caller's promise.
    unsafe { swap(word, 0) }
}

/// Stores a value in a word and returns its value before. A full barrier.
///
/// # Safety
/// `word` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn swap(word: *mut u64, value: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    // SAFETY: by the caller's promise; the instruction touches nothing else.
    unsafe {
        let mut value = value;
        core::arch::asm!("{1} = xchg_64({0} + 0, {1})", in(reg) word, inout(reg) value);
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: by the caller's promise. Only type-checked on the host, never run.
    unsafe {
        core::mem::replace(&mut *word, value)
    }
}

/// Stores a value in a word if the word is 0. Returns whether it was.
///
/// # Safety
/// `word` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn claim(word: *mut u64, value: u64) -> bool {
    // SAFETY: by the caller's promise.
    unsafe { replace(word, 0, value) }
}

/// Stores a value in a word if the word is `held`. Returns whether it was. A full barrier if so.
///
/// # Safety
/// `word` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn replace(word: *mut u64, held: u64, value: u64) -> bool {
    #[cfg(target_arch = "bpf")]
    // SAFETY: by the caller's promise; the instruction touches nothing else.
    unsafe {
        let mut found = held;
        core::arch::asm!("r0 = cmpxchg_64({0} + 0, r0, {1})", in(reg) word, in(reg) value, inout("r0") found);
        found == held
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: by the caller's promise. Only type-checked on the host, never run.
    unsafe {
        let same = *word == held;
        if same {
            *word = value;
        }
        same
    }
}

/// A full barrier between the reads before and the reads after. `own` is any number that only this CPU writes to, so
/// that no CPU waits for another.
///
/// # Safety
/// `own` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn fence(own: *mut u64) {
    // SAFETY: by the caller's promise.
    unsafe { add(own, 0) };
}

/// Adds to a number and returns its value before. A full barrier.
///
/// # Safety
/// `number` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn add(number: *mut u64, value: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    // SAFETY: by the caller's promise; the instruction touches nothing else.
    unsafe {
        let mut value = value;
        core::arch::asm!("{1} = atomic_fetch_add((u64 *)({0} + 0), {1})", in(reg) number, inout(reg) value);
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    // SAFETY: by the caller's promise. Only type-checked on the host, never run.
    unsafe {
        let before = *number;
        *number = before.wrapping_add(value);
        before
    }
}
