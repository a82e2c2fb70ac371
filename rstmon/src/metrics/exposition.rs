//! Everything that `/metrics` shows, as families of samples.

use super::{
    Fold, Format, LabelSet, Series, histograms::Histograms, series::is_reserved, snapshot_counts::series_count,
};
use crate::{
    event::{expect::Expectations, snapshot::Count},
    explain::{Cause, Facts, Severity, rules},
    model::{Direction, Family, Reasons, Reset, text},
    probe::{Counts, HookOutcome, HookStatus, stats::ProgramStats},
};
use prometheus::{
    Registry,
    process_collector::ProcessCollector,
    proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType},
};
use rstmon_common::{CountKey, limits::lost};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

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

/// The sums and histograms of all resets, rendered at each scrape.
pub(crate) struct MetricsRegistry {
    registry: Registry,
    histograms: Histograms,
    fold: Fold,
    /// The sums with every label; `None` where `fold` has every label.
    whole: Option<Fold>,
    labels: LabelSet,
    reasons: Reasons,
    hooks: Vec<HookStatus>,
    lost: [u64; lost::COUNT as usize],
    expectations: Expectations,
}

const NO_LABELS: [(&str, &str); 0] = [];

/// At most this many ports in `rstmon_listen_drops_total`.
const MAX_LISTENERS: usize = 256;

/// Label values of a cgroup: unit and container, each empty where there is none.
pub(crate) type CgroupLabels = (Arc<str>, Arc<str>);

impl MetricsRegistry {
    /// All sums start at zero. `max_series` and `fold_after` are those of [`Fold::new`].
    pub(crate) fn new(
        max_series: usize,
        fold_after: Duration,
        labels: LabelSet,
        reasons: Reasons,
        hooks: Vec<HookStatus>,
    ) -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let histograms = Histograms::register(&registry)?;
        let whole = (labels != LabelSet::default()).then(|| Fold::new(max_series, fold_after));
        Ok(Self {
            registry,
            histograms,
            fold: Fold::new(max_series, fold_after),
            whole,
            labels,
            reasons,
            hooks,
            lost: [0; lost::COUNT as usize],
            expectations: Expectations::default(),
        })
    }

    /// Counts resets that the operator expects as benign. To be called before counts are absorbed: a key keeps the
    /// series that it was first given.
    #[must_use]
    pub(crate) fn expecting(self, expectations: Expectations) -> Self {
        Self { expectations, ..self }
    }

    /// Adds one event to the histograms.
    pub(crate) fn observe(&self, reset: &Reset, cause: Cause) {
        self.histograms.observe(reset, cause);
    }

    /// Adds a reading of the counts, made `now` after counting began. `labels_of` resolves a cgroup id.
    pub(crate) fn absorb(&mut self, counts: &Counts, now: Duration, mut labels_of: impl FnMut(u64) -> CgroupLabels) {
        let Self { fold, whole, labels, reasons, lost, expectations, .. } = self;
        let mut series = |key: &CountKey| expected(series(key, reasons, &mut labels_of), expectations);
        fold.absorb(counts, reasons, now, |key| labels.apply(series(key)));
        if let Some(whole) = whole {
            whole.absorb(counts, reasons, now, series);
        }
        *lost = counts.lost;
    }

    /// Raises the limit of series of `rstmon_resets_total`; a lower limit than before changes nothing.
    pub(crate) fn raise_max_series(&mut self, max_series: usize) {
        self.fold.raise_max_series(max_series);
        if let Some(whole) = &mut self.whole {
            whole.raise_max_series(max_series);
        }
    }

    /// Changes the silence after which a series makes room for others.
    pub(crate) fn fold_after(&mut self, fold_after: Duration) {
        self.fold.fold_after(fold_after);
        if let Some(whole) = &mut self.whole {
            whole.fold_after(fold_after);
        }
    }

    /// The sums with every label, also those that `rstmon_resets_total` leaves out; at most `max_series` of them.
    pub(crate) fn sums(&self) -> impl Iterator<Item = (&Series, u64)> {
        self.whole.as_ref().unwrap_or(&self.fold).sums()
    }

    /// Events and counts that the kernel half lost, indexed by `rstmon_common::limits::lost`.
    #[must_use]
    pub(crate) fn lost(&self) -> [u64; lost::COUNT as usize] {
        self.lost
    }

    /// Events that the kernel half did not send, by cause.
    #[must_use]
    pub(crate) fn events_lost(&self) -> [(&'static str, u64); 2] {
        [("ring_full", self.lost[lost::RING_FULL as usize]), ("rate_limited", self.lost[lost::RATE_LIMITED as usize])]
    }

    pub(crate) fn render(&self, health: &Health, format: Format) -> Result<String, prometheus::Error> {
        let mut families = vec![self.resets()];
        families.extend(self.losses(health));
        families.extend(self.own(health));
        families.extend(health.store.iter().flat_map(store_families));
        families.extend(self.registry.gather());
        families.retain(|family| !family.get_metric().is_empty());
        format.encode(&families)
    }

    fn resets(&self) -> MetricFamily {
        let metrics = self.fold.sums().map(|(series, sum)| counter(sum, labels_of(series)));
        family("rstmon_resets_total", "TCP resets, each counted once.", MetricType::COUNTER, metrics)
    }

    fn losses(&self, health: &Health) -> Vec<MetricFamily> {
        let lost = self.events_lost().into_iter().chain(health.sink_losses.iter().map(|(&name, &count)| (name, count)));
        vec![
            family(
                "rstmon_events_lost_total",
                "Events that reached no reader, by cause; the resets themselves are counted all the same.",
                MetricType::COUNTER,
                lost.map(|(why, count)| counter(count, [("why", why)])),
            ),
            family(
                "rstmon_subscribers_cut_total",
                "Readers of events that were cut off because they took nothing for a minute.",
                MetricType::COUNTER,
                [counter(health.subscribers_cut, NO_LABELS)],
            ),
            family(
                "rstmon_log_lines_dropped_total",
                "Lines of the log that were dropped because standard error was full or closed.",
                MetricType::COUNTER,
                [counter(health.log_lines_dropped, NO_LABELS)],
            ),
            family(
                "rstmon_count_overflow_total",
                "Resets counted by direction and reason only, because the count map was full.",
                MetricType::COUNTER,
                [counter(self.lost[lost::COUNT_OVERFLOW as usize], NO_LABELS)],
            ),
        ]
    }

    fn own(&self, health: &Health) -> Vec<MetricFamily> {
        let build = [("version", env!("CARGO_PKG_VERSION"))];
        vec![
            family(
                "rstmon_hook_attached",
                "1 where a hook of the kernel half is attached (or has run, if it runs once).",
                MetricType::GAUGE,
                self.hooks
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
                health.kernel.iter().map(|(name, count)| counter(*count, [("counter", *name)])),
            ),
            family(
                "rstmon_listen_drops_total",
                "What the listeners of a port dropped, mostly for a full accept queue; ports without drops are left out.",
                MetricType::COUNTER,
                health
                    .listen_drops
                    .iter()
                    .take(MAX_LISTENERS)
                    .map(|(port, drops)| counter(*drops, [("port", port.to_string())])),
            ),
            family(
                "rstmon_uncounted_resets",
                "Resets sent that OutRsts counts and rstmon does not, in all network namespaces that could be compared; 0 when all is well.",
                MetricType::GAUGE,
                health.uncounted.map(|difference| gauge(difference, NO_LABELS)),
            ),
            family(
                "rstmon_network_namespaces",
                "Network namespaces by whether the kernel's own count of the resets sent in them agrees.",
                MetricType::GAUGE,
                health
                    .namespaces
                    .iter()
                    .map(|(state, count)| gauge(i64::try_from(*count).unwrap_or(i64::MAX), [("state", *state)])),
            ),
            family(
                "rstmon_probe_missed_runs_total",
                "Runs of a hook that the kernel left out because the hook was at work on that CPU.",
                MetricType::COUNTER,
                health.programs.iter().map(|program| counter(program.missed, [("hook", program.hook.as_str())])),
            ),
            family(
                "rstmon_probe_runs_total",
                "Runs of a hook, where the kernel keeps BPF statistics (sysctl kernel.bpf_stats_enabled).",
                MetricType::COUNTER,
                health
                    .programs
                    .iter()
                    .filter(|program| program.runs > 0)
                    .map(|program| counter(program.runs, [("hook", program.hook.as_str())])),
            ),
            family(
                "rstmon_probe_runtime_seconds_total",
                "Time spent in a hook, where the kernel keeps BPF statistics (sysctl kernel.bpf_stats_enabled).",
                MetricType::COUNTER,
                health.programs.iter().filter(|program| program.runs > 0).map(|program| {
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

/// The series of a key, with every label.
fn series(key: &CountKey, reasons: &Reasons, labels_of: &mut impl FnMut(u64) -> CgroupLabels) -> Series {
    let judgement = rules::judge(&Facts::from_key(key, reasons));
    let (unit, container) = labels_of(key.cgroup);
    Series {
        direction: Direction::from_record(key.direction).unwrap_or(Direction::Sent),
        cause: judgement.cause.id().into(),
        severity: judgement.severity.word(),
        reason: reasons.get(key.reason).as_str().into(),
        process: process(key).into(),
        unit,
        container,
        port: (key.service_port != 0).then_some(key.service_port),
        family: Family::from_record(key.family),
    }
}

/// The owner's comm. A process chooses its own, and must not pass for several that were folded.
fn process(key: &CountKey) -> String {
    let comm = text::comm(&key.comm).unwrap_or_default();
    if is_reserved(&comm) { comm.replacen('_', "?", 1) } else { comm }
}

/// The series, benign where the operator expects its resets.
fn expected(series: Series, expectations: &Expectations) -> Series {
    // The count that the filters look at is a copy of all texts of the series.
    if !expectations.is_empty() && expectations.expects_count(&series_count(&series, Count::default())) {
        Series { severity: Severity::Benign.word(), ..series }
    } else {
        series
    }
}

fn labels_of(series: &Series) -> Vec<(&'static str, String)> {
    let Series { direction, cause, severity, reason, process, unit, container, port, family } = series;
    let labels = [
        ("direction", direction.as_str().to_owned()),
        ("cause", cause.to_string()),
        ("severity", (*severity).to_owned()),
        ("reason", reason.to_string()),
        ("process", process.to_string()),
        ("unit", unit.to_string()),
        ("container", container.to_string()),
        ("port", port.map(|port| port.to_string()).unwrap_or_default()),
        ("family", family.map_or("", Family::as_str).to_owned()),
    ];
    // Prometheus treats an empty label as an absent one.
    labels.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn family(name: &str, help: &str, kind: MetricType, metrics: impl IntoIterator<Item = Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics.into_iter().collect());
    family
}

fn labelled<N: Into<String>, V: Into<String>>(labels: impl IntoIterator<Item = (N, V)>) -> Metric {
    let pairs = labels.into_iter().map(|(name, value)| {
        let mut pair = LabelPair::default();
        pair.set_name(name.into());
        pair.set_value(value.into());
        pair
    });
    Metric::from_label(pairs.collect())
}

fn counter<N: Into<String>, V: Into<String>, L: IntoIterator<Item = (N, V)>>(count: u64, labels: L) -> Metric {
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' values are doubles, exact up to 2^53")]
    counter_of(count as f64, labels)
}

fn counter_of<N: Into<String>, V: Into<String>>(value: f64, labels: impl IntoIterator<Item = (N, V)>) -> Metric {
    let mut metric = labelled(labels);
    let mut counter = Counter::default();
    counter.set_value(value);
    metric.set_counter(counter);
    metric
}

fn gauge<N: Into<String>, V: Into<String>>(value: i64, labels: impl IntoIterator<Item = (N, V)>) -> Metric {
    let mut metric = labelled(labels);
    let mut gauge = Gauge::default();
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' values are doubles, exact up to 2^53")]
    gauge.set_value(value as f64);
    metric.set_gauge(gauge);
    metric
}

#[cfg(test)]
mod tests {
    use super::{Arc, Counts, Duration, LabelSet, MetricsRegistry, Reasons};
    use crate::event::expect::{Expectation, Expectations};
    use rstmon_common::CountKey;

    const REASON: u8 = 1;

    fn key(comm: &[u8], port: u16, cgroup: u64) -> CountKey {
        let mut key = CountKey { service_port: port, cgroup, reason: REASON, ..CountKey::default() };
        key.comm[..comm.len()].copy_from_slice(comm);
        key
    }

    /// Process, port, severity and count of each series, where the operator expects what this filter matches.
    fn counted(filter: &str) -> Vec<(String, Option<u16>, &'static str, u64)> {
        let reasons = Reasons::from_variants([("SK_RST_REASON_NO_SOCKET", i64::from(REASON))]);
        let expectation = Expectation::new(filter, "health checks").expect("an expectation");
        let mut registry = MetricsRegistry::new(1000, Duration::MAX, LabelSet::default(), reasons, Vec::new())
            .expect("a registry")
            .expecting(Expectations::new(vec![expectation]));
        let keys = [key(b"haproxy", 80, 1), key(b"haproxy", 443, 1), key(b"java", 80, 2)];
        for hits in [1, 4] {
            let counts = Counts { live: keys.iter().map(|key| (*key, hits)).collect(), ..Counts::default() };
            let unit = |cgroup| Arc::from(if cgroup == 1 { "haproxy.service" } else { "tomcat.service" });
            registry.absorb(&counts, Duration::ZERO, |cgroup| (unit(cgroup), "".into()));
        }
        let sums = registry.sums();
        sums.map(|(series, sum)| (series.process.to_string(), series.port, series.severity, sum)).collect()
    }

    #[test]
    fn expected_resets_are_benign_in_counters_by_the_fields_of_the_key() {
        let given = counted("process=nginx");
        let severity = given[0].2;
        assert!(given.iter().all(|series| series.2 == severity && severity != "benign"), "{given:?}");
        for (filter, benign) in [
            ("process=haproxy", &[("haproxy", 80), ("haproxy", 443)][..]),
            ("unit=haproxy.service port=443", &[("haproxy", 443)]),
            ("port=80", &[("haproxy", 80), ("java", 80)]),
            ("direction=sent reason=no_socket process!=haproxy", &[("java", 80)]),
            ("direction=received", &[]),
            // Counts have no addresses: what an expectation says of one never holds for them.
            ("process=haproxy remote=0.0.0.0/0", &[]),
            ("process=haproxy remote!=192.0.2.1", &[]),
        ] {
            let found = counted(filter);
            assert_eq!(found.iter().map(|series| series.3).sum::<u64>(), 12, "{filter}: {found:?}");
            for (process, port, found, _) in &found {
                let is_expected = benign.iter().any(|(name, number)| name == process && Some(*number) == *port);
                let wanted = if is_expected { "benign" } else { severity };
                assert_eq!(*found, wanted, "{filter}: {process} at {port:?}");
            }
        }
    }
}
