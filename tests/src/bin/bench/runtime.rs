//! Run time of rstmon's hooks, from its own /metrics.

use rstmon_tests::metrics::Metrics;
use std::collections::BTreeMap;

/// Run time and runs of one hook, or of several together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct HookRuntime {
    pub(crate) seconds: f64,
    pub(crate) runs: f64,
}

/// By hook, since the daemon's start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct HookRuntimes(BTreeMap<String, HookRuntime>);

impl HookRuntimes {
    /// From a scrape. A hook that never ran is absent.
    pub(crate) fn of(metrics: &Metrics) -> Self {
        let mut runtimes = Self::default();
        let mut read = |family, set: fn(&mut HookRuntime, f64)| {
            for sample in metrics.select(family, &[]) {
                if let Some(hook) = sample.labels.get("hook") {
                    set(runtimes.0.entry(hook.clone()).or_default(), sample.value);
                }
            }
        };
        read("rstmon_probe_runtime_seconds_total", |runtime, seconds| runtime.seconds = seconds);
        read("rstmon_probe_runs_total", |runtime, runs| runtime.runs = runs);
        runtimes
    }

    /// What has been added since `before`, by hook that ran.
    pub(crate) fn since(&self, before: &Self) -> BTreeMap<String, HookRuntime> {
        let since = |(hook, now): (&String, &HookRuntime)| {
            let before = before.0.get(hook).copied().unwrap_or_default();
            let added = HookRuntime { seconds: now.seconds - before.seconds, runs: now.runs - before.runs };
            (added.runs > 0.0).then(|| (hook.clone(), added))
        };
        self.0.iter().filter_map(since).collect()
    }
}

impl HookRuntime {
    pub(crate) fn ns_per_run(self) -> f64 {
        self.seconds * 1e9 / self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "# TYPE rstmon_probe_runs_total counter
rstmon_probe_runs_total{hook=\"tcp_send_reset\"} 10
rstmon_probe_runtime_seconds_total{hook=\"tcp_send_reset\"} 0.00001
";
    const AFTER: &str = "rstmon_probe_runs_total{hook=\"tcp_send_reset\"} 30
rstmon_probe_runs_total{hook=\"tcp_receive_reset\"} 2
rstmon_probe_runtime_seconds_total{hook=\"tcp_send_reset\"} 0.00003
rstmon_probe_runtime_seconds_total{hook=\"tcp_receive_reset\"} 0.000001
";

    #[test]
    fn cost_is_that_of_the_runs_in_between() {
        let parse = |text| HookRuntimes::of(&Metrics::parse(text).expect("well-formed"));
        let (before, after) = (parse(BEFORE), parse(AFTER));
        let found = after.since(&before);
        let hooks: Vec<(&str, f64)> =
            found.iter().map(|(hook, runtime)| (hook.as_str(), runtime.ns_per_run().round())).collect();
        assert_eq!(hooks, [("tcp_receive_reset", 500.0), ("tcp_send_reset", 1000.0)]);
        assert!(after.since(&after).is_empty(), "nothing ran in between");
    }
}
