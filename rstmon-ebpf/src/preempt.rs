//! A reset hook that no other task's can begin within.
//!
//! Since 7.0 tracepoints run with preemption on, as trampolines always have. The rooms of `reset::with_room` are given
//! back in the order of nesting, which interrupts keep and tasks that take turns do not: one could get the room that
//! another still writes to. So these hooks keep their CPU for as long as they use it.

use rstmon_common::kfunc::{PREEMPT_DISABLE, PREEMPT_ENABLE};

/// Calls the kfunc that the user half puts in the place of this number: nothing where the kernel has none.
#[inline(always)]
fn call(placeholder: u32) {
    // SAFETY: on BPF targets a function's address is the number in the call instruction, and this one is replaced
    // before the program is loaded; nothing takes an argument.
    let function = unsafe { core::mem::transmute::<usize, extern "C" fn()>(placeholder as usize) };
    function();
}

/// Runs `look` without being preempted.
#[inline(always)]
pub fn off<T>(look: impl FnOnce() -> T) -> T {
    call(PREEMPT_DISABLE.placeholder);
    let seen = look();
    call(PREEMPT_ENABLE.placeholder);
    seen
}
