//! What the kernel half itself costs and misses, as the kernel accounts it.

use aya::{
    Ebpf,
    programs::{BtfTracePoint, FExit, Program},
};

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

/// Reads the accounts of every attached program.
#[must_use]
pub fn read(ebpf: &Ebpf) -> Vec<ProgramStats> {
    ebpf.programs()
        .filter_map(|(name, program)| {
            let info = match program {
                Program::BtfTracePoint(program) => BtfTracePoint::info(program),
                Program::FExit(program) => FExit::info(program),
                _ => return None,
            }
            .ok()?;
            Some(ProgramStats {
                hook: name.to_owned(),
                run_time_ns: u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX),
                runs: info.run_count(),
                missed: 0,
            })
        })
        .collect()
}
