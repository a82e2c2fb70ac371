//! Loads the kernel half and reads what it writes; the only module that imports aya. From the kernel's BTF (`btf`) come
//! the field offsets (`layout`) and which hooks this kernel can have (`plan`), from both what can be seen on it
//! (`aspect`). `load` loads the object (`object`), `counts` reads counts, `ring` reads events.

pub(crate) mod aspect;
mod attach;
pub(crate) mod btf;
pub(crate) mod counts;
pub(crate) mod error;
mod front;
mod kfuncs;
pub(crate) mod layout;
pub(crate) mod listeners;
mod load;
pub(crate) mod netns;
mod object;
pub(crate) mod plan;
pub(crate) mod privileges;
mod ring;
pub(crate) mod stats;
mod sys;
mod undecided;
mod wakeup;

pub(crate) use counts::{CountReader, Counts};
pub(crate) use error::ProbeError;
pub(crate) use plan::{HookOutcome, HookStatus};
pub(crate) use ring::{EventReader, Waker};

use crate::model::Reasons;
use btf::Btf;
use layout::KernelLayout;
use rstmon_common::ResetRecord;
#[cfg(feature = "test-switches")]
use std::path::PathBuf;
use std::{io, os::fd::OwnedFd, sync::mpsc::Receiver, time::Duration};

/// Sizes, limits and thresholds of the probe.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// Size of the ring buffer in bytes; a power of two and a multiple of the page size.
    pub(crate) ring_bytes: u32,
    /// Keys that a generation of counts holds.
    pub(crate) count_entries: u32,
    /// Closed connections whose tombstones are kept; 0 = none.
    pub(crate) tombstones: u32,
    /// Events that a key may offer in a second on each CPU; 0 = unlimited.
    pub(crate) events_per_second: u32,
    /// Silence that counts as idle.
    pub(crate) idle: Duration,
    /// Idle time before a close that makes a late segment a keep-alive race.
    pub(crate) keepalive_idle: Duration,
    /// How long after a close a segment may have crossed it.
    pub(crate) race_window: Duration,
    /// Another BPF object than the one built in.
    #[cfg(feature = "test-switches")]
    pub(crate) object: Option<PathBuf>,
    /// Whether the processes that write to sockets are followed.
    pub(crate) follow_writers: bool,
    /// Whether the verifier's log is asked for.
    pub(crate) verifier_log: bool,
    /// Whether the kernel is asked to account the run time of BPF programs.
    pub(crate) account_run_time: bool,
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
            #[cfg(feature = "test-switches")]
            object: None,
            follow_writers: false,
            verifier_log: false,
            account_run_time: false,
        }
    }
}

/// The probe, attached. Dropping it detaches everything, and so does the end of the process.
pub(crate) struct Probe {
    /// The outcome of attaching each hook.
    pub(crate) hooks: Vec<HookStatus>,
    /// Names of the running kernel's reasons.
    pub(crate) reasons: Reasons,
    /// What can be seen on this kernel, and how well.
    pub(crate) aspects: Vec<aspect::Aspect>,
    /// For which resets the kernel gives its reason.
    pub(crate) reasons_given: aspect::ReasonsGiven,
    /// Fields that this kernel lacks.
    pub(crate) missing_fields: Vec<&'static layout::KernelField>,
    /// The v1 controller whose hierarchy is used where a process is in the v2 root.
    pub(crate) cgroup_v1: Option<&'static str>,
    /// Reads the counting path.
    pub(crate) counts: CountReader,
    /// Lists the network namespaces and the tasks in them.
    pub(crate) netns_tasks: netns::NetnsTasks,
    /// Since when ports have listeners.
    pub(crate) listener_times: listeners::ListenerTimes,
    /// The event path, not started yet.
    pub(crate) events: EventSource,
    /// The attached programs, which are detached when it is dropped.
    pub(crate) programs: AttachedPrograms,
}

/// The ring buffer before its reader is started.
pub(crate) struct EventSource {
    ring: aya::maps::RingBuf<aya::maps::MapData>,
    until_wake: aya::maps::MapData,
    ring_bytes: u32,
    settle: OwnedFd,
}

impl EventSource {
    /// Starts the reader's thread. A thread keeps the privileges that it was started with: reduce them before.
    pub(crate) fn start(self) -> Result<(EventReader, Receiver<Vec<ResetRecord>>), ProbeError> {
        let wakeup = wakeup::WakeupControl::new(&self.ring, &self.until_wake, self.ring_bytes)
            .map_err(|source| ProbeError::Reader { source })?;
        EventReader::start(self.ring, wakeup, self.settle)
    }
}

/// The attached programs.
pub(crate) struct AttachedPrograms {
    ebpf: aya::Ebpf,
    /// Keeps the kernel's accounting of run times on, where it was asked for and allowed.
    run_time: Option<io::Result<OwnedFd>>,
}

impl AttachedPrograms {
    /// Run time and missed runs of each program.
    #[must_use]
    pub(crate) fn stats(&self) -> Vec<stats::ProgramStats> {
        stats::read(&self.ebpf)
    }

    /// Why run times are not accounted although it was asked for.
    #[must_use]
    pub(crate) fn run_time_refused(&self) -> Option<&io::Error> {
        self.run_time.as_ref()?.as_ref().err()
    }
}

impl Probe {
    /// Checks the host, loads the programs and attaches them. Starts no thread.
    pub(crate) fn attach(options: &Options) -> Result<Self, ProbeError> {
        #[cfg(feature = "test-switches")]
        object::check_test_switches(options, sys::is_privileged_start())?;
        privileges::check_kernel()?;
        let data = btf::read_kernel_btf()?;
        let kernel = Btf::parse(&data)?;
        let layout = KernelLayout::resolve(&kernel);
        let missing = layout.missing_required();
        if !missing.is_empty() {
            let names: Vec<String> =
                missing.iter().map(|field| format!("{}.{}", field.aggregate, field.member)).collect();
            return Err(ProbeError::MissingFields { fields: names.join(", ") });
        }
        privileges::check_capabilities()?;
        let types = load::KernelTypes::of(&kernel);
        // The blob has some megabytes, and loading takes the most memory of all.
        drop(kernel);
        drop(data);
        let loaded = load::load(options, &layout, types)?;
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
            listener_times: loaded.listener_times,
            events: EventSource {
                ring: loaded.ring,
                until_wake: loaded.until_wake,
                ring_bytes: options.ring_bytes,
                settle: loaded.settle,
            },
            programs: AttachedPrograms {
                ebpf: loaded.ebpf,
                run_time: options.account_run_time.then(sys::account_run_time),
            },
        })
    }
}
