//! Scrapes of the service, as Prometheus makes them.

use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{
    http,
    metrics::{Labels, Metrics},
};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
};

/// Address of the metrics in the package's configuration.
pub(crate) const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 10474);

/// Distinguishes a restart from a counter that fell.
const START: &str = "process_start_time_seconds";

/// Every scrape so far.
#[derive(Default)]
pub(crate) struct Scrapes(Vec<Metrics>);

/// When the process that answered a scrape was started: seconds since 1970.
pub(crate) fn start_time(metrics: &Metrics) -> Result<f64> {
    Ok(metrics.select(START, &[]).next().with_context(|| format!("no {START}"))?.value)
}

impl Scrapes {
    pub(crate) fn take(&mut self) -> Result<Metrics> {
        let answer = http::get(SERVER, "/metrics")?;
        ensure!(answer.status == 200, "/metrics answered {}: {}", answer.status, answer.body);
        let metrics = Metrics::parse(&answer.body)?;
        self.0.push(metrics.clone());
        Ok(metrics)
    }

    /// No counter fell, and no series of a counter went away, between two scrapes of one process. Returns how many
    /// processes there were.
    pub(crate) fn monotonic(&self) -> Result<usize> {
        let mut processes = 1;
        for pair in self.0.windows(2) {
            let [before, after] = pair else { continue };
            let (started, restarted) = (start_time(before)?, start_time(after)?);
            if restarted > started {
                processes += 1;
                continue;
            }
            ensure!(restarted.total_cmp(&started).is_eq(), "{START} went back from {started} to {restarted}");
            let now = counters(after);
            for (series, value) in counters(before) {
                let next = now.get(&series).with_context(|| format!("{series:?} went away"))?;
                ensure!(*next >= value, "{series:?} fell from {value} to {next}");
            }
        }
        Ok(processes)
    }
}

fn counters(metrics: &Metrics) -> BTreeMap<(&str, &Labels), f64> {
    let counters =
        metrics.samples.iter().filter(|sample| metrics.types.get(&sample.name).is_some_and(|t| t == "counter"));
    counters.map(|sample| ((sample.name.as_str(), &sample.labels), sample.value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrapes(texts: &[(u32, u32)]) -> Scrapes {
        let text = |(start, value)| format!("# TYPE a counter\na{{x=\"1\"}} {value}\n{START} {start}\n");
        Scrapes(texts.iter().map(|&pair| Metrics::parse(&text(pair)).expect("well-formed")).collect())
    }

    #[test]
    fn a_counter_may_fall_only_where_the_process_is_new() {
        assert_eq!(scrapes(&[(10, 1), (10, 4), (20, 0), (20, 0)]).monotonic().expect("monotonic"), 2);
        assert!(scrapes(&[(10, 4), (10, 3)]).monotonic().is_err());
        assert!(scrapes(&[(10, 4), (9, 5)]).monotonic().is_err());
    }

    #[test]
    fn a_series_may_not_vanish() {
        let mut scrapes = scrapes(&[(10, 4), (10, 4)]);
        scrapes.0[1].samples.retain(|sample| sample.name != "a");
        assert!(scrapes.monotonic().is_err());
    }
}
