//! What rstmon's hooks cost so far, as its own /metrics says it.

use anyhow::Context as _;
use std::collections::BTreeMap;

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

    /// What was spent since `before`, by hook that ran.
    pub(super) fn since(&self, before: &Self) -> BTreeMap<String, Account> {
        let since = |(hook, now): (&String, &Account)| {
            let before = before.0.get(hook).copied().unwrap_or_default();
            let spent = Account { seconds: now.seconds - before.seconds, runs: now.runs - before.runs };
            (spent.runs > 0.0).then(|| (hook.clone(), spent))
        };
        self.0.iter().filter_map(since).collect()
    }
}

impl Account {
    /// Nanoseconds a run.
    pub(super) fn ns_per_run(self) -> f64 {
        self.seconds * 1e9 / self.runs
    }
}

/// The sum of the samples of `family` that have all of `labels`.
pub(super) fn sum(metrics: &str, family: &str, labels: &[&str]) -> anyhow::Result<f64> {
    samples(metrics, family).filter(|line| labels.iter().all(|label| line.contains(label))).map(value).sum()
}

/// The samples of `family`, which has labels.
pub(super) fn samples<'a>(metrics: &'a str, family: &str) -> impl Iterator<Item = &'a str> {
    metrics.lines().filter(move |line| line.strip_prefix(family).is_some_and(|rest| rest.starts_with('{')))
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
        let found = after.since(&before);
        let hooks: Vec<(&str, f64)> =
            found.iter().map(|(hook, account)| (hook.as_str(), account.ns_per_run().round())).collect();
        assert_eq!(hooks, [("tcp_receive_reset", 500.0), ("tcp_send_reset", 1000.0)]);
        assert!(after.since(&after).is_empty(), "nothing ran in between");
    }

    #[test]
    fn series_with_all_of_the_labels_are_added_up() {
        let found = |labels: &[&str]| sum(AFTER, "rstmon_resets_total", labels).expect("numbers");
        assert_eq!(found(&["direction=\"sent\""]).to_string(), "10");
        assert_eq!(found(&["direction=\"sent\"", "cause=\"refused\""]).to_string(), "9");
        assert_eq!(samples(AFTER, "rstmon_resets_total").count(), 2);
    }

    #[test]
    fn a_sample_without_a_number_is_an_error() {
        assert!(Accounts::parse("rstmon_probe_runs_total{hook=\"x\"} many").is_err());
    }
}
