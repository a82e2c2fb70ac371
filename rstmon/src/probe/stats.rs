//! Run time and missed runs of the kernel half's programs, as the kernel accounts them.

use super::sys;
use aya::{Ebpf, programs::Program};
use std::os::fd::AsFd as _;

/// The account of one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProgramStats {
    /// Name of the hook that the program is attached to.
    pub(crate) hook: String,
    /// Nanoseconds that it ran; 0 unless the kernel's `bpf_stats_enabled` is on.
    pub(crate) run_time_ns: u64,
    /// Number of runs; 0 unless `bpf_stats_enabled` is on.
    pub(crate) runs: u64,
    /// Runs that the kernel left out because the program would have interrupted itself (6.1 on): resets not counted.
    pub(crate) missed: u64,
}

/// Reads the account of every attached program. One that cannot be read is left out.
pub(super) fn read(ebpf: &Ebpf) -> Vec<ProgramStats> {
    ebpf.programs()
        .filter_map(|(hook, program)| {
            let fd = match program {
                Program::BtfTracePoint(program) => program.fd(),
                Program::FExit(program) => program.fd(),
                _ => return None,
            }
            .ok()?;
            let info = sys::program_info(fd.as_fd()).ok()?;
            Some(ProgramStats {
                hook: hook.to_owned(),
                run_time_ns: info.run_time_ns,
                runs: info.run_cnt,
                missed: info.recursion_misses,
            })
        })
        .collect()
}
