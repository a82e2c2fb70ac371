//! Families of samples, as the crate `prometheus` has them.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};

pub(super) const NO_LABELS: [(&str, &str); 0] = [];

pub(super) fn family(
    name: &str,
    help: &str,
    kind: MetricType,
    metrics: impl IntoIterator<Item = Metric>,
) -> MetricFamily {
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

pub(super) fn counter<N: Into<String>, V: Into<String>, L: IntoIterator<Item = (N, V)>>(
    count: u64,
    labels: L,
) -> Metric {
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' values are doubles, exact up to 2^53")]
    counter_of(count as f64, labels)
}

pub(super) fn counter_of<N: Into<String>, V: Into<String>>(
    value: f64,
    labels: impl IntoIterator<Item = (N, V)>,
) -> Metric {
    let mut metric = labelled(labels);
    let mut counter = Counter::default();
    counter.set_value(value);
    metric.set_counter(counter);
    metric
}

pub(super) fn gauge<N: Into<String>, V: Into<String>>(value: i64, labels: impl IntoIterator<Item = (N, V)>) -> Metric {
    let mut metric = labelled(labels);
    let mut gauge = Gauge::default();
    #[expect(clippy::cast_precision_loss, reason = "Prometheus' values are doubles, exact up to 2^53")]
    gauge.set_value(value as f64);
    metric.set_gauge(gauge);
    metric
}
