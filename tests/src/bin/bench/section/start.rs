//! From the start of the process until it is attached and ready, beside bpftrace, which attaches one program.

use crate::{
    daemon::{self, DEFAULT},
    effort::Effort,
    markdown::table,
    peer::{PeerTool, RunningPeer},
    rounds::interleaved,
    spread::{Spread, ratios},
};
use anyhow::{Context as _, Result};
use rstmon_tests::{
    bpf::{self, ObjectKind},
    netns::{NetNs, NetworkPlace},
};
use serde::{Deserialize, Serialize};
use std::{fmt, time::Instant};

/// Starts are short, so that there are more of them than rounds.
const TIMES: u32 = 2;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StartCosts {
    pub(crate) milliseconds: Spread,
    bpftrace_milliseconds: Spread,
    /// rstmon's time divided by bpftrace's.
    ratio: Spread,
    attached_programs: usize,
}

pub(crate) fn measure(effort: Effort) -> Result<StartCosts> {
    let place = NetworkPlace::In(NetNs::new()?);
    let mut attached_programs = 0;
    let rounds = interleaved(effort.rounds * TIMES, 2, |one| {
        if one == 0 {
            let (daemon, taken) = daemon::start(DEFAULT)?;
            attached_programs =
                bpf::held_by(daemon.pid())?.iter().filter(|(kind, _)| *kind == ObjectKind::Link).count();
            daemon.stop()?;
            return Ok(taken.as_secs_f64() * 1e3);
        }
        let started = Instant::now();
        let peer = RunningPeer::start(PeerTool::Counting, &place)?;
        let taken = started.elapsed();
        peer.stop()?;
        Ok(taken.as_secs_f64() * 1e3)
    })?;
    let spread = |values: &[f64]| Spread::of(values.iter().copied()).context("no round");
    Ok(StartCosts {
        milliseconds: spread(&rounds[0])?,
        bpftrace_milliseconds: spread(&rounds[1])?,
        ratio: spread(&ratios(&rounds[0], &rounds[1]))?,
        attached_programs,
    })
}

impl fmt::Display for StartCosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { milliseconds, bpftrace_milliseconds, ratio, attached_programs } = self;
        writeln!(
            f,
            "From the start of the process until `/-/ready` answers 200, {attached_programs} programs attached; bpftrace, counting \
             by process, until its one program is.\n"
        )?;
        let rows = [
            vec!["rstmon".to_owned(), milliseconds.show(0), ratio.show(2)],
            vec!["bpftrace".to_owned(), bpftrace_milliseconds.show(0), "1".to_owned()],
        ];
        write!(f, "{}", table(&["", "ms", "times bpftrace"], &rows))
    }
}
