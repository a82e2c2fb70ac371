//! Turns preemption off while a reset hook runs.
//!
//! Since 7.0 tracepoints run with preemption on, as trampolines always have. The work areas of `reset::with_work` are
//! returned in the order of nesting, which holds for interrupts but not for tasks that preempt each other: one task
//! could get the work area that another still writes to. So a reset hook keeps its CPU while it uses a work area.

use rstmon_common::kfunc::{PREEMPT_DISABLE, PREEMPT_ENABLE};

/// Calls the kfunc that the user half binds to this number; where the kernel has none, the user half removes the call.
#[inline(always)]
fn call(placeholder: u32) {
    // SAFETY: on BPF targets a function's address is the number in the call instruction, and this one is replaced
    // before the program is loaded; nothing takes an argument.
    let function = unsafe { core::mem::transmute::<usize, extern "C" fn()>(placeholder as usize) };
    function();
}

/// Runs `hook` with preemption off.
#[inline(always)]
pub fn off<T>(hook: impl FnOnce() -> T) -> T {
    call(PREEMPT_DISABLE.placeholder);
    let result = hook();
    call(PREEMPT_ENABLE.placeholder);
    result
}
