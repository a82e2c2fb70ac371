//! OpenMetrics 1.0 text out of the `prometheus` crate's families; that crate writes format 0.0.4 only. Pure.
//!
//! What differs from 0.0.4 (the specification's sections in brackets): a counter's family is named without `_total`
//! (Counter), a family whose name ends in a base unit has a `UNIT` line (`MetricFamily`), `HELP` escapes quotes
//! (Escaping), bounds of buckets are written canonically (Numbers), and a line `# EOF` marks the end of a complete
//! answer. `_created` samples, which are optional, are left out as in Prometheus' own client libraries: a server that
//! does not expect them stores each as one more series.

use prometheus::proto::{Histogram, LabelPair, Metric, MetricFamily, MetricType, Summary};
use std::fmt::{self, Write as _};

const TOTAL: &str = "_total";
/// Base units of the specification that a family's name may end in.
const UNITS: [&str; 3] = ["seconds", "bytes", "ratio"];

#[must_use]
pub(crate) fn encode(families: &[MetricFamily]) -> String {
    let mut text = String::new();
    for family in families {
        // Writing to a String does not fail.
        let _ = write_family(&mut text, family);
    }
    text.push_str("# EOF\n");
    text
}

fn write_family(out: &mut String, family: &MetricFamily) -> fmt::Result {
    let full = family.name();
    let (name, kind) = match family.get_field_type() {
        // A counter's samples have to end in `_total`; a counter of another name is exported with type `unknown`.
        MetricType::COUNTER => match full.strip_suffix(TOTAL) {
            Some(name) => (name, "counter"),
            None => (full, "unknown"),
        },
        MetricType::GAUGE => (full, "gauge"),
        MetricType::HISTOGRAM => (full, "histogram"),
        MetricType::SUMMARY => (full, "summary"),
        MetricType::UNTYPED => (full, "unknown"),
    };
    writeln!(out, "# TYPE {name} {kind}")?;
    if let Some(unit) = UNITS.iter().find(|unit| name.strip_suffix(**unit).is_some_and(|rest| rest.ends_with('_'))) {
        writeln!(out, "# UNIT {name} {unit}")?;
    }
    if !family.help().is_empty() {
        write!(out, "# HELP {name} ")?;
        escape(out, family.help());
        out.push('\n');
    }
    for metric in family.get_metric() {
        write_metric(out, full, family.get_field_type(), metric)?;
    }
    Ok(())
}

fn write_metric(out: &mut String, name: &str, kind: MetricType, metric: &Metric) -> fmt::Result {
    let labels = metric.get_label();
    let mut plain = |value| sample(out, (name, ""), labels, None, SampleValue(value));
    match kind {
        MetricType::COUNTER => plain(metric.get_counter().get_value()),
        MetricType::GAUGE => plain(metric.get_gauge().get_value()),
        // rstmon has no such metric, and the crate has no value for it.
        MetricType::UNTYPED => Ok(()),
        MetricType::HISTOGRAM => write_histogram(out, name, labels, metric.get_histogram()),
        MetricType::SUMMARY => write_summary(out, name, labels, metric.get_summary()),
    }
}

fn write_histogram(out: &mut String, name: &str, labels: &[LabelPair], histogram: &Histogram) -> fmt::Result {
    let count = histogram.get_sample_count();
    for bucket in histogram.get_bucket().iter().filter(|bucket| bucket.upper_bound() < f64::INFINITY) {
        let bound = Some(("le", Canonical(bucket.upper_bound())));
        sample(out, (name, "_bucket"), labels, bound, bucket.cumulative_count())?;
    }
    sample(out, (name, "_bucket"), labels, Some(("le", Canonical(f64::INFINITY))), count)?;
    sample(out, (name, "_count"), labels, None, count)?;
    sample(out, (name, "_sum"), labels, None, SampleValue(histogram.get_sample_sum()))
}

fn write_summary(out: &mut String, name: &str, labels: &[LabelPair], summary: &Summary) -> fmt::Result {
    for quantile in summary.get_quantile() {
        let rank = Some(("quantile", Canonical(quantile.quantile())));
        sample(out, (name, ""), labels, rank, SampleValue(quantile.value()))?;
    }
    sample(out, (name, "_count"), labels, None, summary.sample_count())?;
    sample(out, (name, "_sum"), labels, None, SampleValue(summary.sample_sum()))
}

fn sample(
    out: &mut String,
    (name, suffix): (&str, &str),
    labels: &[LabelPair],
    more: Option<(&str, Canonical)>,
    value: impl fmt::Display,
) -> fmt::Result {
    write!(out, "{name}{suffix}")?;
    let mut separator = '{';
    for label in labels {
        write!(out, "{separator}{}=\"", label.name())?;
        escape(out, label.value());
        out.push('"');
        separator = ',';
    }
    if let Some((name, value)) = more {
        write!(out, "{separator}{name}=\"{value}\"")?;
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    writeln!(out, " {value}")
}

/// Escapes label values and `HELP` texts; OpenMetrics has the same escapes for both, unlike 0.0.4.
fn escape(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

/// A sample's value; whole numbers are written without a point.
struct SampleValue(f64);

impl fmt::Display for SampleValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => formatter.write_str("+Inf"),
            f64::NEG_INFINITY => formatter.write_str("-Inf"),
            value => write!(formatter, "{value}"),
        }
    }
}

/// A number in a label value, where `1` and `1.0` would be two series: always has a point or an exponent.
struct Canonical(f64);

impl fmt::Display for Canonical {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() { SampleValue(self.0).fmt(formatter) } else { write!(formatter, "{:?}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::encode;
    use prometheus::{
        Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts,
        core::Collector,
        proto::{Counter, Metric, MetricFamily, MetricType, Quantile, Summary},
    };

    fn family(name: &str, kind: MetricType, metric: Metric) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_field_type(kind);
        family.set_metric(vec![metric]);
        family
    }

    #[test]
    fn nothing_is_only_its_end() {
        assert_eq!(encode(&[]), "# EOF\n");
    }

    #[test]
    fn a_counters_family_has_no_total_and_its_samples_have() {
        let resets = IntCounterVec::new(Opts::new("resets_total", "All."), &["cause"]).expect("a counter");
        resets.with_label_values(&["refused"]).inc_by(7);
        let expected = "# TYPE resets counter\n# HELP resets All.\nresets_total{cause=\"refused\"} 7\n# EOF\n";
        assert_eq!(encode(&resets.collect()), expected);
    }

    #[test]
    fn a_counter_of_another_name_is_of_unknown_type() {
        let mut metric = Metric::default();
        let mut counter = Counter::default();
        counter.set_value(0.5);
        metric.set_counter(counter);
        let text = encode(&[family("resets", MetricType::COUNTER, metric)]);
        assert_eq!(text, "# TYPE resets unknown\nresets 0.5\n# EOF\n");
    }

    #[test]
    fn units_are_shown_where_the_name_has_them() {
        let unit = |name: &str| {
            let text = encode(&IntGauge::new(name, "x").expect("a gauge").collect());
            text.lines().find(|line| line.starts_with("# UNIT")).map(str::to_owned)
        };
        assert_eq!(unit("cpu_seconds").as_deref(), Some("# UNIT cpu_seconds seconds"));
        assert_eq!(unit("resident_memory_bytes").as_deref(), Some("# UNIT resident_memory_bytes bytes"));
        assert_eq!(unit("milliseconds"), None);
        assert_eq!(unit("seconds"), None, "a name has to be more than its unit");
        assert_eq!(unit("threads"), None);
    }

    #[test]
    fn untrusted_text_cannot_leave_its_quotes() {
        let names = IntCounterVec::new(Opts::new("x_total", "a \"b\"\\\nc"), &["process"]).expect("a counter");
        names.with_label_values(&["\"} 1\n# EOF\n\\"]).inc();
        names.with_label_values(&["ü\u{202e}"]).inc();
        let mut families = names.collect();
        families[0].mut_metric().sort_by(|a, b| a.get_label()[0].value().cmp(b.get_label()[0].value()));
        let expected = "# TYPE x counter\n# HELP x a \\\"b\\\"\\\\\\nc\n\
                        x_total{process=\"\\\"} 1\\n# EOF\\n\\\\\"} 1\nx_total{process=\"ü\u{202e}\"} 1\n# EOF\n";
        assert_eq!(encode(&families), expected);
    }

    #[test]
    fn histograms_have_canonical_bounds_and_an_infinite_one() {
        let idle = Histogram::with_opts(HistogramOpts::new("idle_seconds", "Idle.").buckets(vec![0.001, 1.0, 86400.0]))
            .expect("a histogram");
        idle.observe(0.5);
        idle.observe(1e9);
        let expected = "# TYPE idle_seconds histogram\n# UNIT idle_seconds seconds\n# HELP idle_seconds Idle.\n\
                        idle_seconds_bucket{le=\"0.001\"} 0\nidle_seconds_bucket{le=\"1.0\"} 1\n\
                        idle_seconds_bucket{le=\"86400.0\"} 1\nidle_seconds_bucket{le=\"+Inf\"} 2\n\
                        idle_seconds_count 2\nidle_seconds_sum 1000000000.5\n# EOF\n";
        assert_eq!(encode(&idle.collect()), expected);
    }

    #[test]
    fn summaries_and_odd_numbers() {
        let mut summary = Summary::default();
        let mut quantile = Quantile::default();
        quantile.set_quantile(1.0);
        quantile.set_value(f64::NAN);
        summary.set_quantile(vec![quantile]);
        summary.set_sample_sum(f64::NEG_INFINITY);
        let mut metric = Metric::default();
        metric.set_summary(summary);
        let text = encode(&[family("s", MetricType::SUMMARY, metric)]);
        assert_eq!(text, "# TYPE s summary\ns{quantile=\"1.0\"} NaN\ns_count 0\ns_sum -Inf\n# EOF\n");
    }
}
