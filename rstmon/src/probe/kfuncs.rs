//! Binds the BPF object's calls of kfuncs to the running kernel's, which aya cannot. Pure.
//!
//! A call is one instruction of 8 bytes: the opcode, the registers, an offset of 16 bits and a number of 32
//! (`struct bpf_insn`). The source register says what the number is: 0 = the number of a helper, 2 = the type id of a
//! function in the kernel's BTF (`BPF_PSEUDO_KFUNC_CALL`, `include/uapi/linux/bpf.h`).

use rstmon_common::kfunc::Kfunc;

const INSTRUCTION: usize = 8;
/// `BPF_JMP | BPF_CALL`.
const CALL: u8 = 0x85;
/// `BPF_PSEUDO_KFUNC_CALL` as the source register, the upper half of the second byte.
const OF_KERNEL_BTF: u8 = 2 << 4;
/// `r0 = 0`: replaces a call of a function that the kernel does not have.
const NOTHING: [u8; INSTRUCTION] = [0xb7, 0, 0, 0, 0, 0, 0, 0];

fn call(source: u8, number: u32) -> [u8; INSTRUCTION] {
    let [a, b, c, d] = number.to_le_bytes();
    [CALL, source, 0, 0, a, b, c, d]
}

/// Binds the calls of `kfuncs` in `object` to the type ids that `id` returns, and removes the calls of those for which
/// it returns `None`. Returns how many calls were bound.
pub(super) fn bind(object: &mut [u8], kfuncs: &[Kfunc], id: impl Fn(&str) -> Option<u32>) -> usize {
    let patches: Vec<_> = kfuncs
        .iter()
        .map(|kfunc| (call(0, kfunc.placeholder), id(kfunc.name).map(|id| call(OF_KERNEL_BTF, id))))
        .collect();
    let mut bound = 0;
    for instruction in object.chunks_exact_mut(INSTRUCTION) {
        if let Some((_, patch)) = patches.iter().find(|(placeholder, _)| instruction == placeholder) {
            bound += usize::from(patch.is_some());
            instruction.copy_from_slice(&patch.unwrap_or(NOTHING));
        }
    }
    bound
}

/// Whether tracepoints may run with preemption on, judged by the kernel's per-CPU variables: they do where SRCU
/// protects them, for which there is such a variable (`DEFINE_SRCU_FAST(tracepoint_srcu)` in `kernel/tracepoint.c`, 7.0
/// on). Kernels before 6.13 have it too, for tracepoints on idle CPUs. Where BTF has no per-CPU variables at all, the
/// answer is yes.
pub(super) fn tracepoints_are_preempted(has_variable: impl Fn(&str) -> bool) -> bool {
    let [srcu, any] = VARIABLES;
    has_variable(srcu) || !has_variable(any)
}

/// The per-CPU variables that are looked up: that of the SRCU, and one that every kernel has.
pub(super) const VARIABLES: [&str; 2] = ["tracepoint_srcu_srcu_data", "softnet_data"];

#[cfg(test)]
mod tests {
    use super::*;
    use rstmon_common::kfunc::{KFUNCS, PREEMPT_DISABLE, PREEMPT_ENABLE};

    #[test]
    fn a_placeholder_becomes_a_call_into_the_kernel() {
        let mut object =
            [call(0, 6), call(0, PREEMPT_DISABLE.placeholder), call(0, PREEMPT_ENABLE.placeholder)].concat();
        let bound = bind(&mut object, &KFUNCS, |name| (name == PREEMPT_DISABLE.name).then_some(0x0102));
        assert_eq!(bound, 1);
        assert_eq!(object, [call(0, 6), [0x85, 0x20, 0, 0, 2, 1, 0, 0], NOTHING].concat());
    }

    #[test]
    fn tracepoints_are_preempted_where_srcu_protects_them() {
        let preempted = |variables: &[&str]| tracepoints_are_preempted(|name| variables.contains(&name));
        assert!(!preempted(&["softnet_data"]));
        assert!(preempted(&["softnet_data", "tracepoint_srcu_srcu_data"]));
        assert!(preempted(&[]));
    }

    #[test]
    fn the_object_turns_preemption_on_wherever_it_has_turned_it_off() {
        let count = |kfunc: Kfunc| bind(&mut super::super::object::BUILT_IN.to_vec(), &[kfunc], |_| Some(1));
        let [disable, enable, _] = KFUNCS.map(count);
        // One call at the entry; the compiler may have duplicated the call at the exit.
        assert!(disable >= 4 && enable >= disable, "{disable} and {enable}");
    }
}
