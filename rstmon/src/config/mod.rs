//! The configuration: flags > environment > file > defaults. Unknown keys are errors that name the line.

mod error;
pub(crate) mod logging;
pub(crate) mod reload;
mod sections;

use crate::{
    metrics::{LabelSet, fold},
    model::text::safe,
    monitor, probe,
};
pub(crate) use error::ConfigError;
pub(crate) use sections::{
    CountsConfig, Events, HistoryConfig, Log, Metrics, Security, SocketConfig, Thresholds, Tombstones, Web,
};
use serde::Deserialize;
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

/// The file that is read when it exists and no other is named.
pub(crate) const DEFAULT_FILE: &str = "/etc/rstmon/rstmon.toml";

/// The address of the exporter unless told otherwise: reachable from this host only.
///
/// The port is from the range above 10000 that Prometheus' list of default port allocations continues in since 9100 to
/// 9999 are taken, far above the entries that are handed out one after the other.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:10474";

/// The path of the Unix socket unless told otherwise.
pub(crate) const DEFAULT_SOCKET: &str = "/run/rstmon/rstmon.sock";

/// What the command line and the environment set in place of the file's values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// The configuration file, which then has to exist.
    pub(crate) file: Option<PathBuf>,
    /// `socket.path`
    pub(crate) socket: Option<PathBuf>,
    /// `web.listen_address`; none given leaves the file's.
    pub(crate) listen_address: Vec<String>,
    /// `web.telemetry_path`
    pub(crate) telemetry_path: Option<String>,
    /// `web.config_file`
    pub(crate) web_config: Option<PathBuf>,
    /// `log.level`
    pub(crate) log_level: Option<String>,
    /// `log.format`
    pub(crate) log_format: Option<String>,
    /// The BPF object to load in place of the one built in.
    #[cfg(feature = "test-switches")]
    pub(crate) bpf_object: Option<PathBuf>,
}

impl Overrides {
    /// The configuration file, which need not exist unless it was named.
    #[must_use]
    pub(crate) fn file(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE))
    }
}

/// Everything that can be configured, as in the file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// HTTP.
    pub(crate) web: Web,
    /// Unix socket.
    pub(crate) socket: SocketConfig,
    /// Event path.
    pub(crate) events: Events,
    /// Counting path.
    pub(crate) counts: CountsConfig,
    /// Memory of closed connections.
    pub(crate) tombstones: Tombstones,
    /// Limits that causes are decided by.
    pub(crate) thresholds: Thresholds,
    /// Series.
    pub(crate) metrics: Metrics,
    /// Memory of events.
    pub(crate) history: HistoryConfig,
    /// Log.
    pub(crate) log: Log,
    /// What the process forbids itself.
    pub(crate) security: Security,
    /// Another BPF object; set by a flag only.
    #[cfg(feature = "test-switches")]
    #[serde(skip)]
    pub(crate) bpf_object: Option<PathBuf>,
}

impl Config {
    /// The configuration of a command in the foreground. A file that this user may not read counts as absent unless it was
    /// named: the command needs no more of it than the path of the daemon's socket.
    pub(crate) fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_unless(overrides, &[ErrorKind::NotFound, ErrorKind::PermissionDenied])
    }

    /// The configuration of the daemon. A file that exists has to be readable: it may restrict access to the metrics, and
    /// the daemon must not serve them unrestricted for want of it.
    pub(crate) fn load_for_run(overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_unless(overrides, &[ErrorKind::NotFound])
    }

    /// `absent`: the errors of reading the file that mean that there is none, unless it was named.
    fn load_unless(overrides: &Overrides, absent: &[ErrorKind]) -> Result<Self, ConfigError> {
        let mut config = match Self::read(overrides.file()) {
            Err(ConfigError::Read { source, .. }) if overrides.file.is_none() && absent.contains(&source.kind()) => {
                Self::default()
            }
            result => result?,
        };
        config.apply(overrides);
        config.validate()?;
        Ok(config)
    }

    fn apply(&mut self, overrides: &Overrides) {
        let Overrides {
            file: _,
            socket,
            listen_address,
            telemetry_path,
            web_config,
            log_level,
            log_format,
            #[cfg(feature = "test-switches")]
            bpf_object,
        } = overrides.clone();
        let Self { web, socket: unix, log, .. } = self;
        if !listen_address.is_empty() {
            web.listen_address = listen_address;
        }
        unix.path = socket.unwrap_or(std::mem::take(&mut unix.path));
        web.telemetry_path = telemetry_path.unwrap_or(std::mem::take(&mut web.telemetry_path));
        web.config_file = web_config.or(web.config_file.take());
        log.level = log_level.unwrap_or(std::mem::take(&mut log.level));
        log.format = log_format.unwrap_or(std::mem::take(&mut log.format));
        #[cfg(feature = "test-switches")]
        {
            self.bpf_object = bpf_object;
        }
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        Self::parse(&text, path)
    }

    /// Parses the file's text; `path` is for the message.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..start].split(|&byte| byte == b'\n').count();
            // The parser's message does not name the key: the line does.
            let content: String = text.split('\n').nth(line - 1).unwrap_or("").trim().chars().take(80).collect();
            let message = safe(&error.message().replace('\n', " "));
            ConfigError::Parse { path: path.into(), line, content: safe(&content), message }
        })
    }

    /// Whether every value is one that the daemon can work with.
    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let value =
            |key, value: &dyn ToString, rule| Err(ConfigError::Value { key, value: safe(&value.to_string()), rule });
        let page = u32::try_from(rustix::param::page_size()).unwrap_or(4096);
        let ring = self.events.ring_bytes;
        if !ring.is_power_of_two() || ring < page || ring > 1 << 30 {
            return value(
                "events.ring_bytes",
                &ring,
                "it must be a power of two, at least a page (4096) and at most 1 GiB",
            );
        }
        if self.counts.entries == 0 || self.counts.entries > 1 << 20 {
            return value("counts.entries", &self.counts.entries, "it must be from 1 to 1048576");
        }
        if self.tombstones.entries > 1 << 24 {
            return value("tombstones.entries", &self.tombstones.entries, "it must be at most 16777216");
        }
        if self.metrics.max_series < fold::MIN_SERIES {
            return value("metrics.max_series", &self.metrics.max_series, "it must be at least 256");
        }
        if self.history.events > 1_000_000 {
            return value("history.events", &self.history.events, "it must be at most 1000000");
        }
        let seconds = [
            ("thresholds.idle_seconds", self.thresholds.idle_seconds),
            ("thresholds.keepalive_idle_seconds", self.thresholds.keepalive_idle_seconds),
            ("thresholds.race_window_seconds", self.thresholds.race_window_seconds),
        ];
        for (key, number) in seconds {
            if !(0.0..=1e6).contains(&number) {
                return value(key, &number, "it must be from 0 to 1000000 seconds");
            }
        }
        if !["error", "warn", "info", "debug", "trace"].contains(&self.log.level.as_str()) {
            return value("log.level", &self.log.level, "it must be error, warn, info, debug or trace");
        }
        if !["text", "json"].contains(&self.log.format.as_str()) {
            return value("log.format", &self.log.format, "it must be text or json");
        }
        self.labels().map(drop)
    }

    /// The labels of `rstmon_resets_total`.
    pub(crate) fn labels(&self) -> Result<LabelSet, ConfigError> {
        LabelSet::from_names(self.metrics.labels.iter().map(String::as_str))
            .map_err(|error| ConfigError::Invalid { key: "metrics.labels", reason: error.to_string() })
    }

    /// How the monitor is to work.
    pub(crate) fn monitor_options(&self) -> Result<monitor::Options, ConfigError> {
        Ok(monitor::Options {
            probe: self.probe_options(),
            max_series: self.metrics.max_series,
            labels: self.labels()?,
        })
    }

    /// How the probe is to work.
    #[must_use]
    pub(crate) fn probe_options(&self) -> probe::Options {
        let seconds = |number: f64| Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX);
        probe::Options {
            ring_bytes: self.events.ring_bytes,
            count_entries: self.counts.entries,
            tombstones: self.tombstones.entries,
            events_per_second: self.events.rate_per_second,
            idle: seconds(self.thresholds.idle_seconds),
            keepalive_idle: seconds(self.thresholds.keepalive_idle_seconds),
            race_window: seconds(self.thresholds.race_window_seconds),
            #[cfg(feature = "test-switches")]
            object: self.bpf_object.clone(),
            account_run_time: self.metrics.probe_runtime,
            verifier_log: tracing::enabled!(tracing::Level::DEBUG),
        }
    }
}

#[cfg(test)]
mod tests;
