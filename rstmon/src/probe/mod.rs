//! The kernel side of rstmon, and the only place that knows aya: BTF -> field offsets (`layout`), which hooks this
//! kernel can have (`plan`), what it shows with them (`aspect`), loading (`load`), reading counts (`counts`) and events (`ring`).

pub mod aspect;
pub mod btf;
pub mod counts;
mod doorbell;
pub mod error;
mod front;
mod kfuncs;
pub mod layout;
mod load;
pub mod netns;
pub mod plan;
pub mod privileges;
mod ring;
pub mod stats;
mod sys;
mod undecided;

pub use counts::{CountReader, Counts};
pub use error::ProbeError;
pub use plan::{HookStatus, Outcome};
pub use ring::{EventReader, Waker};

use crate::model::Reasons;
use btf::Btf;
use layout::Layout;
use rstmon_common::ResetRecord;
use std::{io, os::fd::OwnedFd, path::PathBuf, sync::mpsc::Receiver, time::Duration};

/// How the probe is to work.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Size of the ring buffer; a power of two and a multiple of the page size.
    pub ring_bytes: u32,
    /// Keys that a generation of counts holds.
    pub count_entries: u32,
    /// Closed connections remembered; 0 = none.
    pub tombstones: u32,
    /// Events a key may offer a second and CPU; 0 = unlimited.
    pub events_per_second: u32,
    /// Silence that counts as idle.
    pub idle: Duration,
    /// Idle time before a close that makes a late segment a keep-alive race.
    pub keepalive_idle: Duration,
    /// How long after a close a segment may have crossed it.
    pub race_window: Duration,
    /// Another BPF object than the one built in.
    pub object: Option<PathBuf>,
    /// Read no field that is evidence only, as on a kernel that has none of them: what is left is the bare cost.
    pub without_evidence: bool,
    /// Ask the verifier for its log.
    pub verifier_log: bool,
    /// Ask the kernel to account the run time of BPF programs.
    pub account_run_time: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_bytes: 256 * 1024,
            count_entries: 4096,
            tombstones: 16384,
            events_per_second: 100,
            idle: Duration::from_mins(1),
            keepalive_idle: Duration::from_millis(500),
            race_window: Duration::from_secs(1),
            object: None,
            without_evidence: false,
            verifier_log: false,
            account_run_time: false,
        }
    }
}

/// The probe, attached. Everything is detached when it is dropped, or when the process dies.
pub struct Probe {
    /// What became of each hook.
    pub hooks: Vec<HookStatus>,
    /// Names of the running kernel's reasons.
    pub reasons: Reasons,
    /// What this kernel shows, and how well.
    pub aspects: Vec<aspect::Aspect>,
    /// For which resets the kernel tells its reason.
    pub reasons_given: aspect::ReasonsGiven,
    /// Fields that this kernel lacks.
    pub missing_fields: Vec<&'static layout::Field>,
    /// The v1 controller whose hierarchy stands in where a process is in the v2 root.
    pub cgroup_v1: Option<&'static str>,
    /// The counting path.
    pub counts: CountReader,
    /// Which network namespaces there are, and who is in them.
    pub netns_tasks: netns::NetnsTasks,
    /// The event path, not started yet.
    pub events: EventSource,
    /// Keeps the programs.
    pub programs: Programs,
}

/// The ring buffer before its reader is started.
pub struct EventSource {
    ring: aya::maps::RingBuf<aya::maps::MapData>,
    until_wake: aya::maps::MapData,
    ring_bytes: u32,
    settle: OwnedFd,
}

impl EventSource {
    /// Starts the reader's thread. Threads keep the privileges they were started with: reduce them before.
    pub fn start(self) -> Result<(EventReader, Receiver<Vec<ResetRecord>>), ProbeError> {
        let doorbell = doorbell::Doorbell::new(&self.ring, &self.until_wake, self.ring_bytes)
            .map_err(|source| ProbeError::Reader { source })?;
        EventReader::start(self.ring, doorbell, self.settle)
    }
}

/// The attached programs.
pub struct Programs {
    ebpf: aya::Ebpf,
    /// Keeps the kernel's account of run times on, where that was asked for and allowed.
    run_time: Option<io::Result<OwnedFd>>,
}

impl Programs {
    /// What they cost and missed.
    #[must_use]
    pub fn stats(&self) -> Vec<stats::ProgramStats> {
        stats::read(&self.ebpf)
    }

    /// Why run times are not accounted though that was asked for.
    #[must_use]
    pub fn run_time_refused(&self) -> Option<&io::Error> {
        self.run_time.as_ref()?.as_ref().err()
    }
}

impl Probe {
    /// Checks the host, loads and attaches. Starts no thread.
    pub fn attach(options: &Options) -> Result<Self, ProbeError> {
        privileges::check_kernel()?;
        let data = btf::read_kernel_btf()?;
        let kernel = Btf::parse(&data)?;
        let layout = Layout::resolve(&kernel);
        let missing = layout.missing_required();
        if !missing.is_empty() {
            let names: Vec<String> =
                missing.iter().map(|field| format!("{}.{}", field.aggregate, field.member)).collect();
            return Err(ProbeError::MissingFields { fields: names.join(", ") });
        }
        privileges::check_capabilities()?;
        let loaded = load::load(options, &layout, &kernel, &data)?;
        drop(kernel);
        drop(data);
        sys::trim_heap();
        Ok(Self {
            aspects: aspect::aspects(&loaded.hooks, layout.reasons_given()),
            reasons_given: layout.reasons_given(),
            hooks: loaded.hooks,
            missing_fields: layout.missing().collect(),
            cgroup_v1: layout.cgroup_v1.map(|(_, controller)| controller),
            reasons: layout.reasons,
            counts: loaded.counts,
            netns_tasks: loaded.netns_tasks,
            events: EventSource {
                ring: loaded.ring,
                until_wake: loaded.until_wake,
                ring_bytes: options.ring_bytes,
                settle: loaded.settle,
            },
            programs: Programs { ebpf: loaded.ebpf, run_time: options.account_run_time.then(sys::account_run_time) },
        })
    }
}
