//! What the kernel half itself costs and misses, as the kernel accounts it.

use super::sys;
use aya::{Ebpf, programs::Program};
use std::os::fd::AsFd as _;

/// One program's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramStats {
    /// The hook it is attached to.
    pub hook: String,
    /// Nanoseconds it ran; 0 unless the kernel's `bpf_stats_enabled` is on.
    pub run_time_ns: u64,
    /// How often it ran, likewise.
    pub runs: u64,
    /// Runs that the kernel left out because the program was interrupted by itself (6.1 on): resets not counted.
    pub missed: u64,
}

/// Reads the accounts of every attached program. One that cannot be read is left out.
#[must_use]
pub fn read(ebpf: &Ebpf) -> Vec<ProgramStats> {
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
