//! What rstmon's hooks cost so far, as its own /metrics says it.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::numbers::float;

/// The account of one hook.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Account {
    pub(super) seconds: f64,
    pub(super) runs: f64,
}

/// The accounts by hook.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Accounts(BTreeMap<String, Account>);

impl Accounts {
    /// Takes them from a scrape. A hook that never ran has none.
    pub(super) fn parse(metrics: &str) -> anyhow::Result<Self> {
        let mut accounts = Self::default();
        for line in metrics.lines() {
            if let Some((hook, value)) = sample(line, "rstmon_probe_runtime_seconds_total")? {
                accounts.0.entry(hook).or_default().seconds = value;
            } else if let Some((hook, value)) = sample(line, "rstmon_probe_runs_total")? {
                accounts.0.entry(hook).or_default().runs = value;
            }
        }
        Ok(accounts)
    }

    /// Nanoseconds a run since `before`, of each hook that ran.
    pub(super) fn ns_per_run_since(&self, before: &Self) -> BTreeMap<String, f64> {
        let since = |hook: &String, now: &Account| {
            let before = before.0.get(hook).copied().unwrap_or_default();
            let runs = now.runs - before.runs;
            (runs > 0.0).then(|| (hook.clone(), (now.seconds - before.seconds) * 1e9 / runs))
        };
        self.0.iter().filter_map(|(hook, now)| since(hook, now)).collect()
    }
}

/// Resets counted in one direction, all series together.
pub(super) fn resets(metrics: &str, direction: &str) -> anyhow::Result<f64> {
    let label = format!("direction=\"{direction}\"");
    let samples = metrics.lines().filter(|line| line.starts_with("rstmon_resets_total{") && line.contains(&label));
    samples.map(value).sum()
}

/// The value of a hook's sample of `family`.
fn sample(line: &str, family: &str) -> anyhow::Result<Option<(String, f64)>> {
    let Some((hook, _)) =
        line.strip_prefix(family).and_then(|rest| rest.strip_prefix("{hook=\"")).and_then(|rest| rest.split_once('"'))
    else {
        return Ok(None);
    };
    Ok(Some((hook.to_owned(), value(line)?)))
}

fn value(line: &str) -> anyhow::Result<f64> {
    let word = line.rsplit(' ').next().unwrap_or_default();
    word.parse().with_context(|| format!("no number at the end of {line:?}"))
}

/// Whether at least `expected` resets were counted between two scrapes.
pub(super) fn counted(before: &str, after: &str, direction: &str, expected: u64) -> anyhow::Result<bool> {
    Ok(resets(after, direction)? - resets(before, direction)? >= float(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "# TYPE rstmon_probe_runs_total counter
rstmon_probe_runs_total{hook=\"tcp_send_reset\"} 10
rstmon_probe_runtime_seconds_total{hook=\"tcp_send_reset\"} 0.00001
rstmon_resets_total{direction=\"sent\",cause=\"refused\"} 7
rstmon_resets_total{direction=\"received\",cause=\"refused\"} 100
";
    const AFTER: &str = "rstmon_probe_runs_total{hook=\"tcp_send_reset\"} 30
rstmon_probe_runs_total{hook=\"tcp_receive_reset\"} 2
rstmon_probe_runtime_seconds_total{hook=\"tcp_send_reset\"} 0.00003
rstmon_probe_runtime_seconds_total{hook=\"tcp_receive_reset\"} 0.000001
rstmon_resets_total{direction=\"sent\",cause=\"refused\"} 9
rstmon_resets_total{direction=\"sent\",cause=\"linger_abort\"} 1
";

    #[test]
    fn cost_is_that_of_the_runs_in_between() {
        let (before, after) = (Accounts::parse(BEFORE).expect("before"), Accounts::parse(AFTER).expect("after"));
        let found = after.ns_per_run_since(&before);
        let hooks: Vec<(&str, f64)> = found.iter().map(|(hook, ns)| (hook.as_str(), ns.round())).collect();
        assert_eq!(hooks, [("tcp_receive_reset", 500.0), ("tcp_send_reset", 1000.0)]);
        assert!(after.ns_per_run_since(&after).is_empty(), "nothing ran in between");
    }

    #[test]
    fn all_series_of_a_direction_count() {
        assert!(counted(BEFORE, AFTER, "sent", 3).expect("numbers"));
        assert!(!counted(BEFORE, AFTER, "sent", 4).expect("numbers"));
    }

    #[test]
    fn a_sample_without_a_number_is_an_error() {
        assert!(Accounts::parse("rstmon_probe_runs_total{hook=\"x\"} many").is_err());
    }
}
