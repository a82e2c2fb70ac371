//! What of a new configuration takes effect at a reload, and what waits for a restart. Pure.

use super::{
    Config, CountsConfig, Events, HistoryConfig, Log, Metrics, Security, SocketConfig, Thresholds, Tombstones, Web,
};

/// What a new configuration means for a daemon that runs with an old one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    /// What is in force afterwards: the old configuration with what can change.
    pub(crate) config: Config,
    /// What changes now, by key.
    pub(crate) applied: Vec<&'static str>,
    /// What needs a restart, by key.
    pub(crate) restart: Vec<&'static str>,
}

impl Plan {
    /// Compares the two. Each key is either applied or named as needing a restart: a new one does not compile here
    /// before that is decided.
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
            history,
            log,
            security,
            // A flag, which stays the same.
            #[cfg(feature = "test-switches")]
                bpf_object: _,
        } = new;

        let Log { level, format } = log;
        plan.apply("log.level", |config| &mut config.log.level, level);
        plan.apply("log.format", |config| &mut config.log.format, format);
        let HistoryConfig { events: remembered } = history;
        plan.apply("history.events", |config| &mut config.history.events, remembered);
        let Metrics { max_series, labels, probe_runtime } = metrics;
        // A series that was shown once stays: fewer would be a counter that goes away.
        if *max_series > old.metrics.max_series {
            plan.apply("metrics.max_series", |config| &mut config.metrics.max_series, max_series);
        } else {
            plan.wait("metrics.max_series", &old.metrics.max_series, max_series);
        }
        plan.wait("metrics.labels", &old.metrics.labels, labels);
        // Asked for with privileges that were given up.
        plan.wait("metrics.probe_runtime", &old.metrics.probe_runtime, probe_runtime);

        // Listeners are bound with privileges that were given up.
        let Web { listen_address, telemetry_path, config_file } = web;
        plan.wait("web.listen_address", &old.web.listen_address, listen_address);
        plan.wait("web.telemetry_path", &old.web.telemetry_path, telemetry_path);
        plan.wait("web.config_file", &old.web.config_file, config_file);
        let SocketConfig { path, group } = socket;
        plan.wait("socket.path", &old.socket.path, path);
        plan.wait("socket.group", &old.socket.group, group);

        // Sizes of maps, and constants that the verifier has folded into the programs.
        let Events { ring_bytes, rate_per_second } = events;
        plan.wait("events.ring_bytes", &old.events.ring_bytes, ring_bytes);
        plan.wait("events.rate_per_second", &old.events.rate_per_second, rate_per_second);
        let CountsConfig { entries } = counts;
        plan.wait("counts.entries", &old.counts.entries, entries);
        let Tombstones { entries } = tombstones;
        plan.wait("tombstones.entries", &old.tombstones.entries, entries);
        let Thresholds { idle_seconds, keepalive_idle_seconds, race_window_seconds } = thresholds;
        let before = &old.thresholds;
        plan.wait("thresholds.idle_seconds", &before.idle_seconds, idle_seconds);
        plan.wait("thresholds.keepalive_idle_seconds", &before.keepalive_idle_seconds, keepalive_idle_seconds);
        plan.wait("thresholds.race_window_seconds", &before.race_window_seconds, race_window_seconds);

        // For good.
        let Security { sandbox } = security;
        plan.wait("security.sandbox", &old.security.sandbox, sandbox);
        plan
    }

    /// Whether a key is among those that change now.
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
    use super::Plan;
    use crate::config::Config;
    use std::path::Path;

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("rstmon.toml")).expect("it parses")
    }

    /// One changed value for each key, as in the file.
    const CHANGES: [(&str, &str, &str); 20] = [
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
        ("metrics", "labels", "[\"direction\"]"),
        ("history", "events", "7"),
        ("log", "level", "\"debug\""),
        ("log", "format", "\"json\""),
        ("security", "sandbox", "false"),
        // The default, written out.
        ("log", "level", "\"info\""),
    ];

    #[test]
    fn each_key_is_applied_or_named() {
        let old = Config::default();
        let mut outcomes = Vec::new();
        for (section, key, value) in CHANGES {
            let new = config(&format!("[{section}]\n{key} = {value}\n"));
            let Plan { config, applied, restart } = Plan::new(&old, &new);
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
            "history.events = 7: applied",
            "log.level = \"debug\": applied",
            "log.format = \"json\": applied",
        ];
        assert_eq!(applied, expected.iter().collect::<Vec<_>>());
        assert_eq!(outcomes.iter().filter(|outcome| outcome.ends_with(": restart")).count(), 15, "{outcomes:#?}");
    }

    #[test]
    fn what_waits_for_a_restart_is_named_at_each_reload() {
        let new = config("[events]\nring_bytes = 8192\n[history]\nevents = 7\n");
        let first = Plan::new(&Config::default(), &new);
        assert_eq!(
            (first.applied.as_slice(), first.restart.as_slice()),
            (&["history.events"][..], &["events.ring_bytes"][..])
        );
        let second = Plan::new(&first.config, &new);
        assert_eq!((second.applied.as_slice(), second.restart.as_slice()), (&[][..], &["events.ring_bytes"][..]));
        assert_eq!(second.config, first.config);
    }

    #[test]
    fn fewer_series_wait_and_are_not_forgotten() {
        let raised = Plan::new(&Config::default(), &config("[metrics]\nmax_series = 4000\n")).config;
        let lowered = Plan::new(&raised, &config("[metrics]\nmax_series = 3000\n"));
        assert_eq!(lowered.restart, ["metrics.max_series"]);
        assert_eq!(lowered.config.metrics.max_series, 4000);
    }
}
