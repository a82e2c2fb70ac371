//! From the start of the process to attached and ready, beside bpftrace, which has less to attach.

use crate::bench::{
    daemon::{DEFAULT, Daemon},
    effort::Effort,
    markdown::table,
    namespace::Namespace,
    peer::{Peer, Tool},
    proc,
    rounds::interleaved,
    spread::{Spread, ratios},
};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Instant};

/// Starts are short: more of them than rounds of anything else.
const TIMES: u32 = 2;

/// What starting costs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::bench) struct Start {
    pub(in crate::bench) milliseconds: Spread,
    bpftrace_milliseconds: Spread,
    /// rstmon's in terms of bpftrace's.
    ratio: Spread,
    attached_programs: usize,
}

pub(in crate::bench) fn measure(effort: &Effort) -> anyhow::Result<Start> {
    let namespace = Namespace::new()?;
    let mut attached_programs = 0;
    let rounds = interleaved(effort.rounds * TIMES, 2, |one| {
        if one == 0 {
            let daemon = Daemon::start(&effort.binary, DEFAULT)?;
            let taken = daemon.start_time;
            attached_programs = proc::bpf_links(daemon.pid())?;
            daemon.stop()?;
            return Ok(taken.as_secs_f64() * 1e3);
        }
        let started = Instant::now();
        let peer = Peer::start(Tool::Counting, &namespace)?;
        let taken = started.elapsed();
        peer.stop()?;
        Ok(taken.as_secs_f64() * 1e3)
    })?;
    let spread = |values: &[f64]| Spread::of(values.iter().copied()).context("no round");
    Ok(Start {
        milliseconds: spread(&rounds[0])?,
        bpftrace_milliseconds: spread(&rounds[1])?,
        ratio: spread(&ratios(&rounds[0], &rounds[1]))?,
        attached_programs,
    })
}

impl fmt::Display for Start {
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
