//! Checks over several scrapes that no counter falls and no series vanishes.

use anyhow::{Result, ensure};
use rstmon_tests::metrics::{Labels, Metrics};
use std::collections::BTreeMap;

/// The counters of the last scrape.
#[derive(Debug, Default)]
pub(crate) struct Monotone(BTreeMap<(String, Labels), f64>);

impl Monotone {
    /// Compares a scrape with the last one.
    pub(crate) fn observe(&mut self, metrics: &Metrics) -> Result<()> {
        let now: BTreeMap<(String, Labels), f64> = metrics
            .samples
            .iter()
            .filter(|sample| counts(metrics, &sample.name))
            .map(|sample| ((sample.name.clone(), sample.labels.clone()), sample.value))
            .collect();
        for (series, before) in &self.0 {
            let after = now.get(series).copied();
            ensure!(after.is_some_and(|after| after >= *before), "{series:?} was {before} and is {after:?}");
        }
        self.0 = now;
        Ok(())
    }
}

/// Whether a sample may only grow: counters, the process collector's CPU time among them, and parts of histograms.
fn counts(metrics: &Metrics, name: &str) -> bool {
    let kind = |name: &str| metrics.types.get(name).map(String::as_str);
    let of_histogram = ["_bucket", "_count", "_sum"]
        .iter()
        .any(|suffix| name.strip_suffix(suffix).is_some_and(|base| kind(base) == Some("histogram")));
    // OpenMetrics names a counter's family without the suffix.
    of_histogram || kind(name) == Some("counter") || name.strip_suffix("_total").and_then(kind) == Some("counter")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrape(value: u64, gauge: u64) -> Metrics {
        let text = format!(
            "# TYPE a counter\na{{x=\"1\"}} {value}\n# TYPE g gauge\ng {gauge}\n# TYPE h histogram\nh_count {value}\n"
        );
        Metrics::parse(&text).expect("well-formed")
    }

    #[test]
    fn a_counter_that_falls_or_vanishes_is_noticed_and_a_gauge_is_not() {
        let mut monotone = Monotone::default();
        monotone.observe(&scrape(5, 9)).expect("the first");
        monotone.observe(&scrape(6, 2)).expect("it grew");
        assert!(monotone.observe(&scrape(5, 2)).is_err());
        assert!(monotone.observe(&Metrics::default()).is_err());
    }
}
