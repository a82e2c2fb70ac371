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
    // SAFETY: by the caller's promise. A number below zero has the same bits as the one that wraps around to it.
    unsafe { add(number.cast(), u64::MAX) }.cast_signed()
}

/// Puts 0 into a word and returns what it held.
///
/// # Safety
/// `word` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn take(word: *mut u64) -> u64 {
    // SAFETY: by the caller's promise.
    unsafe { swap(word, 0) }
}

/// Puts a value into a word and returns what it held. A full barrier.
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

/// Puts a value into a word that is 0; tells whether it was.
///
/// # Safety
/// `word` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn claim(word: *mut u64, value: u64) -> bool {
    // SAFETY: by the caller's promise.
    unsafe { replace(word, 0, value) }
}

/// Puts a value into a word that is `held`; tells whether it was. A full barrier if so.
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

/// A full barrier: what was read before is not read again after. `own` is any number that only this CPU writes to, so that
/// no other waits for it.
///
/// # Safety
/// `own` must be a live, 8-byte aligned map value.
#[inline(always)]
pub unsafe fn fence(own: *mut u64) {
    // SAFETY: by the caller's promise.
    unsafe { add(own, 0) };
}

/// Adds to a number and returns what it was before. A full barrier.
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
