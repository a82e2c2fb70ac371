//! Decides which changes of a new configuration take effect at a reload, and which need a restart. Pure.

use super::{
    Config, CountsSection, EventsSection, HistorySection, LogSection, MetricsSection, ProbeSection, SecuritySection,
    SocketSection, StoreSection, ThresholdsSection, TombstonesSection, WebSection,
};

/// What a reload changes in a running daemon.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReloadPlan {
    /// The configuration in force after the reload: the old one with the applied changes.
    pub(crate) config: Config,
    /// Changed keys that take effect at the reload.
    pub(crate) applied: Vec<&'static str>,
    /// Changed keys that need a restart.
    pub(crate) restart: Vec<&'static str>,
}

impl ReloadPlan {
    /// Compares the two configurations. They are destructured, so a new key does not compile before it is decided here
    /// whether a change of it is applied or needs a restart.
    #[must_use]
    pub(crate) fn new(old: &Config, new: &Config) -> Self {
        let mut plan = Self { config: old.clone(), applied: Vec::new(), restart: Vec::new() };
        let Config {
            web,
            socket,
            events,
            counts,
            tombstones,
            thresholds,
            metrics,
            probe,
            history,
            store,
            log,
            security,
            expect,
            // A flag, which does not change while the process lives.
            #[cfg(feature = "test-switches")]
                bpf_object: _,
        } = new;

        let LogSection { level, format } = log;
        plan.apply("log.level", |config| &mut config.log.level, level);
        plan.apply("log.format", |config| &mut config.log.format, format);
        let HistorySection { events: remembered } = history;
        plan.apply("history.events", |config| &mut config.history.events, remembered);
        let MetricsSection { max_series, fold_after_seconds, labels, probe_runtime } = metrics;
        // A series that was exported once stays, because a counter must not disappear: the limit can only grow.
        if *max_series > old.metrics.max_series {
            plan.apply("metrics.max_series", |config| &mut config.metrics.max_series, max_series);
        } else {
            plan.wait("metrics.max_series", &old.metrics.max_series, max_series);
        }
        plan.apply("metrics.fold_after_seconds", |config| &mut config.metrics.fold_after_seconds, fold_after_seconds);
        plan.wait("metrics.labels", &old.metrics.labels, labels);
        // Enabling it needs privileges that the daemon has dropped.
        plan.wait("metrics.probe_runtime", &old.metrics.probe_runtime, probe_runtime);

        // Attaching a hook does, too.
        let ProbeSection { follow_writers } = probe;
        plan.wait("probe.follow_writers", &old.probe.follow_writers, follow_writers);

        // Binding listeners needs privileges that the daemon has dropped.
        let WebSection { listen_address, telemetry_path, config_file } = web;
        plan.wait("web.listen_address", &old.web.listen_address, listen_address);
        plan.wait("web.telemetry_path", &old.web.telemetry_path, telemetry_path);
        plan.wait("web.config_file", &old.web.config_file, config_file);
        let SocketSection { path, group } = socket;
        plan.wait("socket.path", &old.socket.path, path);
        plan.wait("socket.group", &old.socket.group, group);

        // These are sizes of maps, and constants that the verifier has folded into the programs.
        let EventsSection { ring_bytes, rate_per_second } = events;
        plan.wait("events.ring_bytes", &old.events.ring_bytes, ring_bytes);
        plan.wait("events.rate_per_second", &old.events.rate_per_second, rate_per_second);
        let CountsSection { entries } = counts;
        plan.wait("counts.entries", &old.counts.entries, entries);
        let TombstonesSection { entries } = tombstones;
        plan.wait("tombstones.entries", &old.tombstones.entries, entries);
        let ThresholdsSection { idle_seconds, keepalive_idle_seconds, race_window_seconds } = thresholds;
        let before = &old.thresholds;
        plan.wait("thresholds.idle_seconds", &before.idle_seconds, idle_seconds);
        plan.wait("thresholds.keepalive_idle_seconds", &before.keepalive_idle_seconds, keepalive_idle_seconds);
        plan.wait("thresholds.race_window_seconds", &before.race_window_seconds, race_window_seconds);

        // Another directory is out of the sandbox's reach, and the store's thread has its limits.
        let StoreSection { enabled, directory, max_bytes, counts_max_bytes, max_age, min_free, sync_interval, remotes } =
            store;
        let before = &old.store;
        plan.wait("store.enabled", &before.enabled, enabled);
        plan.wait("store.directory", &before.directory, directory);
        plan.wait("store.max_bytes", &before.max_bytes, max_bytes);
        plan.wait("store.counts_max_bytes", &before.counts_max_bytes, counts_max_bytes);
        plan.wait("store.max_age", &before.max_age, max_age);
        plan.wait("store.min_free", &before.min_free, min_free);
        plan.wait("store.sync_interval", &before.sync_interval, sync_interval);
        plan.wait("store.remotes", &before.remotes, remotes);

        // A count keeps the series that it was first given, so that counters never shrink.
        plan.wait("expect", &old.expect, expect);

        // A process cannot leave its sandbox.
        let SecuritySection { sandbox } = security;
        plan.wait("security.sandbox", &old.security.sandbox, sandbox);
        plan
    }

    /// Whether a change of `key` takes effect at the reload.
    #[must_use]
    pub(crate) fn applies(&self, key: &str) -> bool {
        self.applied.contains(&key)
    }

    fn apply<T: Clone + PartialEq>(&mut self, key: &'static str, slot: fn(&mut Config) -> &mut T, new: &T) {
        let slot = slot(&mut self.config);
        if slot != new {
            slot.clone_from(new);
            self.applied.push(key);
        }
    }

    fn wait<T: PartialEq>(&mut self, key: &'static str, old: &T, new: &T) {
        if old != new {
            self.restart.push(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ReloadPlan;
    use crate::config::Config;
    use std::path::Path;

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("rstmon.toml")).expect("it parses")
    }

    /// One changed value for each key, as in the file.
    const CHANGES: [(&str, &str, &str); 30] = [
        ("web", "listen_address", "[\"[::1]:1\"]"),
        ("web", "telemetry_path", "\"/other\""),
        ("web", "config_file", "\"/etc/rstmon/web.yml\""),
        ("socket", "path", "\"/run/other\""),
        ("socket", "group", "\"adm\""),
        ("events", "ring_bytes", "8192"),
        ("events", "rate_per_second", "7"),
        ("counts", "entries", "7"),
        ("tombstones", "entries", "7"),
        ("thresholds", "idle_seconds", "7.0"),
        ("thresholds", "keepalive_idle_seconds", "7.0"),
        ("thresholds", "race_window_seconds", "7.0"),
        ("metrics", "max_series", "300"),
        ("metrics", "max_series", "4000"),
        ("metrics", "fold_after_seconds", "7.0"),
        ("metrics", "labels", "[\"direction\"]"),
        ("probe", "follow_writers", "true"),
        ("history", "events", "7"),
        ("store", "enabled", "false"),
        ("store", "directory", "\"/srv/rstmon\""),
        ("store", "max_bytes", "7000000"),
        ("store", "counts_max_bytes", "7000000"),
        ("store", "max_age", "\"7d\""),
        ("store", "min_free", "\"7%\""),
        ("store", "sync_interval", "\"7s\""),
        ("store", "remotes", "\"none\""),
        ("log", "level", "\"debug\""),
        ("log", "format", "\"json\""),
        ("security", "sandbox", "false"),
        // The default value, which changes nothing.
        ("log", "level", "\"info\""),
    ];

    #[test]
    fn each_key_is_applied_or_named() {
        let old = Config::default();
        let mut outcomes = Vec::new();
        for (section, key, value) in CHANGES {
            let new = config(&format!("[{section}]\n{key} = {value}\n"));
            let ReloadPlan { config, applied, restart } = ReloadPlan::new(&old, &new);
            let name = format!("{section}.{key}");
            let outcome = match (applied.as_slice(), restart.as_slice()) {
                ([], []) => "nothing",
                ([key], []) if *key == name => "applied",
                ([], [key]) if *key == name => "restart",
                other => panic!("{name}: {other:?}"),
            };
            assert_eq!(config == new, outcome != "restart", "{name}");
            assert_eq!(config == old, outcome != "applied", "{name}");
            outcomes.push(format!("{name} = {value}: {outcome}"));
        }
        let applied: Vec<&String> = outcomes.iter().filter(|outcome| outcome.ends_with(": applied")).collect();
        let expected = [
            "metrics.max_series = 4000: applied",
            "metrics.fold_after_seconds = 7.0: applied",
            "history.events = 7: applied",
            "log.level = \"debug\": applied",
            "log.format = \"json\": applied",
        ];
        assert_eq!(applied, expected.iter().collect::<Vec<_>>());
        assert_eq!(outcomes.iter().filter(|outcome| outcome.ends_with(": restart")).count(), 24, "{outcomes:#?}");
    }

    #[test]
    fn what_waits_for_a_restart_is_named_at_each_reload() {
        let new = config("[events]\nring_bytes = 8192\n[history]\nevents = 7\n");
        let first = ReloadPlan::new(&Config::default(), &new);
        assert_eq!(
            (first.applied.as_slice(), first.restart.as_slice()),
            (&["history.events"][..], &["events.ring_bytes"][..])
        );
        let second = ReloadPlan::new(&first.config, &new);
        assert_eq!((second.applied.as_slice(), second.restart.as_slice()), (&[][..], &["events.ring_bytes"][..]));
        assert_eq!(second.config, first.config);
    }

    #[test]
    fn fewer_series_wait_and_are_not_forgotten() {
        let raised = ReloadPlan::new(&Config::default(), &config("[metrics]\nmax_series = 4000\n")).config;
        let lowered = ReloadPlan::new(&raised, &config("[metrics]\nmax_series = 3000\n"));
        assert_eq!(lowered.restart, ["metrics.max_series"]);
        assert_eq!(lowered.config.metrics.max_series, 4000);
    }
}
