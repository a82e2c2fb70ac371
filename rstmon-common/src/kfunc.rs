//! Functions of the kernel that are no helpers (kfuncs). They have no fixed number, and the loader no way to name them:
//! the kernel half calls a number of ours, and the user half puts the running kernel's in its place.

/// A kfunc that the kernel half calls: `void name(void)`.
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

/// All of them.
pub const KFUNCS: [Kfunc; 2] = [PREEMPT_DISABLE, PREEMPT_ENABLE];
