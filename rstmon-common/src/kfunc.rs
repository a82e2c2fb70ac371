//! Kernel functions that are no helpers (kfuncs). They have no fixed number, and aya cannot call them by name: the
//! kernel half calls a placeholder number, which the user half replaces by the function's type id in the running
//! kernel's BTF.

/// A kfunc that the kernel half calls, with its placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kfunc {
    /// Name of the function in the kernel's BTF.
    pub name: &'static str,
    /// Number that the object calls in its place; above every number that a helper can have.
    pub placeholder: u32,
}

/// Keeps the task on the CPU until [`PREEMPT_ENABLE`] (`kernel/bpf/helpers.c`, 6.10 on).
pub const PREEMPT_DISABLE: Kfunc = Kfunc { name: "bpf_preempt_disable", placeholder: 0x7273_7401 };
/// Ends the effect of [`PREEMPT_DISABLE`].
pub const PREEMPT_ENABLE: Kfunc = Kfunc { name: "bpf_preempt_enable", placeholder: 0x7273_7402 };

/// `void *name(const void *, u32)`: the address as a pointer to the structure of that type id, from which loads are
/// allowed; a load that faults yields 0 (`kernel/bpf/helpers.c`, 6.2 on). The verifier replaces the call by a move.
pub const RDONLY_CAST: Kfunc = Kfunc { name: "bpf_rdonly_cast", placeholder: 0x7273_7403 };

/// Every kfunc that the kernel half calls.
pub const KFUNCS: [Kfunc; 3] = [PREEMPT_DISABLE, PREEMPT_ENABLE, RDONLY_CAST];
