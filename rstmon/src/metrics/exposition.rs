//! The sums of all resets, and everything that `/metrics` shows of them.

use super::{
    Fold, Format, Health, LabelSet, Series,
    family::{counter, family},
    health::events_lost,
    histograms::Histograms,
    series::is_reserved,
    snapshot_counts::series_count,
};
use crate::{
    event::{expect::Expectations, snapshot::Count},
    explain::{Cause, Facts, Severity, rules},
    model::{Direction, Family, Reasons, Reset, text},
    probe::{Counts, HookStatus},
};
use prometheus::{
    Registry,
    process_collector::ProcessCollector,
    proto::{MetricFamily, MetricType},
};
use rstmon_common::{CountKey, limits::lost};
use std::{sync::Arc, time::Duration};

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
        events_lost(&self.lost)
    }

    pub(crate) fn render(&self, health: &Health, format: Format) -> Result<String, prometheus::Error> {
        let mut families = vec![self.resets()];
        families.extend(health.families(&self.hooks, &self.lost));
        families.extend(self.registry.gather());
        families.retain(|family| !family.get_metric().is_empty());
        format.encode(&families)
    }

    fn resets(&self) -> MetricFamily {
        let metrics = self.fold.sums().map(|(series, sum)| counter(sum, labels_of(series)));
        family("rstmon_resets_total", "TCP resets, each counted once.", MetricType::COUNTER, metrics)
    }
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
