//! What `/metrics` shows of rstmon itself, besides the counts of resets.

use super::family::{NO_LABELS, counter, counter_of, family, gauge};
use crate::probe::{HookOutcome, HookStatus, stats::ProgramStats};
use prometheus::proto::{MetricFamily, MetricType};
use rstmon_common::limits::lost;
use std::collections::BTreeMap;

/// Events and counts that the kernel half lost, indexed by `rstmon_common::limits::lost`.
pub(super) type KernelLosses = [u64; lost::COUNT as usize];

/// At most this many ports in `rstmon_listen_drops_total`.
const MAX_LISTENERS: usize = 256;

/// Values besides the counts of resets that are read at a scrape.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// The kernel's own counters, by name.
    pub(crate) kernel: BTreeMap<&'static str, u64>,
    /// Segments that listeners have dropped, by port.
    pub(crate) listen_drops: BTreeMap<u16, u64>,
    /// Resets sent that the kernel counts and rstmon does not; `None` if the counts were not compared.
    pub(crate) uncounted: Option<i64>,
    /// Number of network namespaces by the result of their reconciliation.
    pub(crate) namespaces: Vec<(&'static str, u64)>,
    /// Run times and missed runs of the BPF programs.
    pub(crate) programs: Vec<ProgramStats>,
    /// Events that sinks lost, by the sink's name.
    pub(crate) sink_losses: BTreeMap<&'static str, u64>,
    /// Subscribers that were cut off since the start.
    pub(crate) subscribers_cut: u64,
    /// Lines that the log's reader was too slow for, since the start.
    pub(crate) log_lines_dropped: u64,
    /// Absent where there is no store.
    pub(crate) store: Option<StoreFigures>,
}

/// The state of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreFigures {
    /// Whether the last write succeeded.
    pub(crate) is_working: bool,
    /// Bytes on disk.
    pub(crate) events_bytes: u64,
    pub(crate) counts_bytes: u64,
    /// Events written since the start.
    pub(crate) stored: u64,
    /// Events counted and not stored, because their kind had its share.
    pub(crate) withheld: u64,
}

/// Events among the losses, by cause.
pub(super) fn events_lost(lost: &KernelLosses) -> [(&'static str, u64); 2] {
    [("ring_full", lost[lost::RING_FULL as usize]), ("rate_limited", lost[lost::RATE_LIMITED as usize])]
}

impl Health {
    pub(super) fn families(&self, hooks: &[HookStatus], lost: &KernelLosses) -> Vec<MetricFamily> {
        let mut families = self.losses(lost);
        families.extend(self.own(hooks));
        families.extend(self.store.iter().flat_map(store_families));
        families
    }

    fn losses(&self, lost: &KernelLosses) -> Vec<MetricFamily> {
        let events = events_lost(lost).into_iter().chain(self.sink_losses.iter().map(|(&name, &count)| (name, count)));
        vec![
            family(
                "rstmon_events_lost_total",
                "Events that reached no reader, by cause; the resets themselves are counted all the same.",
                MetricType::COUNTER,
                events.map(|(why, count)| counter(count, [("why", why)])),
            ),
            family(
                "rstmon_subscribers_cut_total",
                "Readers of events that were cut off because they took nothing for a minute.",
                MetricType::COUNTER,
                [counter(self.subscribers_cut, NO_LABELS)],
            ),
            family(
                "rstmon_log_lines_dropped_total",
                "Lines of the log that were dropped because standard error was full or closed.",
                MetricType::COUNTER,
                [counter(self.log_lines_dropped, NO_LABELS)],
            ),
            family(
                "rstmon_count_overflow_total",
                "Resets counted by direction and reason only, because the count map was full.",
                MetricType::COUNTER,
                [counter(lost[lost::COUNT_OVERFLOW as usize], NO_LABELS)],
            ),
        ]
    }

    fn own(&self, hooks: &[HookStatus]) -> Vec<MetricFamily> {
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        vec![
            family(
                "rstmon_hook_attached",
                "1 where a hook of the kernel half is attached (or has run, if it runs once).",
                MetricType::GAUGE,
                hooks
                    .iter()
                    .filter(|status| !matches!(status.outcome, HookOutcome::NotNeeded | HookOutcome::NotWanted))
                    .map(|status| {
                        let attached = i64::from(status.outcome == HookOutcome::Attached);
                        gauge(attached, [("hook", status.hook.name), ("role", status.hook.purpose.as_str())])
                    }),
            ),
            family(
                "rstmon_kernel_resets_total",
                "The kernel's own statistics on resets in rstmon's network namespace, since boot.",
                MetricType::COUNTER,
                self.kernel.iter().map(|(name, count)| counter(*count, [("counter", *name)])),
            ),
            family(
                "rstmon_listen_drops_total",
                "What the listeners of a port dropped, mostly for a full accept queue; ports without drops are left out.",
                MetricType::COUNTER,
                self.listen_drops
                    .iter()
                    .take(MAX_LISTENERS)
                    .map(|(port, drops)| counter(*drops, [("port", port.to_string())])),
            ),
            family(
                "rstmon_uncounted_resets",
                "Resets sent that OutRsts counts and rstmon does not, in all network namespaces that could be compared; 0 when all is well.",
                MetricType::GAUGE,
                self.uncounted.map(|difference| gauge(difference, NO_LABELS)),
            ),
            family(
                "rstmon_network_namespaces",
                "Network namespaces by whether the kernel's own count of the resets sent in them agrees.",
                MetricType::GAUGE,
                self.namespaces
                    .iter()
                    .map(|(state, count)| gauge(i64::try_from(*count).unwrap_or(i64::MAX), [("state", *state)])),
            ),
            family(
                "rstmon_probe_missed_runs_total",
                "Runs of a hook that the kernel left out because the hook was at work on that CPU.",
                MetricType::COUNTER,
                self.programs.iter().map(|program| counter(program.missed, [("hook", program.hook.as_str())])),
            ),
            family(
                "rstmon_probe_runs_total",
                "Runs of a hook, where the kernel keeps BPF statistics (sysctl kernel.bpf_stats_enabled).",
                MetricType::COUNTER,
                self.programs
                    .iter()
                    .filter(|program| program.runs > 0)
                    .map(|program| counter(program.runs, [("hook", program.hook.as_str())])),
            ),
            family(
                "rstmon_probe_runtime_seconds_total",
                "Time spent in a hook, where the kernel keeps BPF statistics (sysctl kernel.bpf_stats_enabled).",
                MetricType::COUNTER,
                self.programs.iter().filter(|program| program.runs > 0).map(|program| {
                    #[expect(clippy::cast_precision_loss, reason = "nanoseconds as seconds need no more than 52 bits")]
                    let seconds = program.run_time_ns as f64 / 1e9;
                    counter_of(seconds, [("hook", program.hook.as_str())])
                }),
            ),
            family("rstmon_build_info", "1; the version in a label.", MetricType::GAUGE, [gauge(1, build)]),
        ]
    }
}

fn store_families(store: &StoreFigures) -> Vec<MetricFamily> {
    let StoreFigures { is_working, events_bytes, counts_bytes, stored, withheld } = *store;
    let bytes = [("events", events_bytes), ("counts", counts_bytes)];
    vec![
        family(
            "rstmon_store_up",
            "1 while the store can write.",
            MetricType::GAUGE,
            [gauge(i64::from(is_working), NO_LABELS)],
        ),
        family(
            "rstmon_store_bytes",
            "Bytes on disk of the store.",
            MetricType::GAUGE,
            bytes.map(|(kind, bytes)| gauge(i64::try_from(bytes).unwrap_or(i64::MAX), [("kind", kind)])),
        ),
        family(
            "rstmon_store_events_total",
            "Events written to the store.",
            MetricType::COUNTER,
            [counter(stored, NO_LABELS)],
        ),
        family(
            "rstmon_store_withheld_total",
            "Events counted and not stored, because resets of their kind had their share of the minute.",
            MetricType::COUNTER,
            [counter(withheld, NO_LABELS)],
        ),
    ]
}
