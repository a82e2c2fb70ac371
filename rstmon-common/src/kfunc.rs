//! Functions of the kernel that are no helpers (kfuncs). They have no fixed number, and the loader no way to name them:
//! the kernel half calls a number of ours, and the user half puts the running kernel's in its place.

/// A kfunc that the kernel half calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kfunc {
    /// Its name in the kernel's BTF.
    pub name: &'static str,
    /// What stands in the object for it; above every number that a helper can have.
    pub placeholder: u32,
}

/// Keeps the task on the CPU until [`PREEMPT_ENABLE`] (`kernel/bpf/helpers.c`, 6.10 on).
pub const PREEMPT_DISABLE: Kfunc = Kfunc { name: "bpf_preempt_disable", placeholder: 0x7273_7401 };
/// Ends what [`PREEMPT_DISABLE`] began.
pub const PREEMPT_ENABLE: Kfunc = Kfunc { name: "bpf_preempt_enable", placeholder: 0x7273_7402 };

/// `void *name(const void *, u32)`: the address as a pointer to the structure of that type id, which may be loaded from;
/// a load that cannot be made yields 0 (`kernel/bpf/helpers.c`, 6.2 on). The verifier leaves a move in its place.
pub const RDONLY_CAST: Kfunc = Kfunc { name: "bpf_rdonly_cast", placeholder: 0x7273_7403 };

/// All of them.
pub const KFUNCS: [Kfunc; 3] = [PREEMPT_DISABLE, PREEMPT_ENABLE, RDONLY_CAST];
