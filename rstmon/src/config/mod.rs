//! The configuration. Flags take precedence over the environment, the file and the defaults, in this order. An unknown
//! key is an error that names the line.

mod error;
pub(crate) mod logging;
pub(crate) mod reload;
mod sections;
pub(crate) mod store;

use crate::{
    event::expect::{Expectation, Expectations},
    host::regular_file,
    metrics::{LabelSet, fold},
    model::text::safe,
    monitor::MonitorOptions,
    probe,
};
pub(crate) use error::ConfigError;
pub(crate) use sections::{
    CountsSection, EventsSection, ExpectSection, HistorySection, LogSection, MetricsSection, ProbeSection,
    SecuritySection, SocketSection, StoreSection, ThresholdsSection, TombstonesSection, WebSection,
};
use serde::Deserialize;
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

/// The configuration file if none is named. It need not exist.
pub(crate) const DEFAULT_FILE: &str = "/etc/rstmon/rstmon.toml";

/// A configuration with every key and its comments has some kilobytes: a larger file is not the one that was meant.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Default of `web.listen_address`: reachable from this host only.
///
/// Prometheus' list of default port allocations continues above 10000, because 9100 to 9999 are taken. This port is far
/// above those that the list hands out one after the other.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:10474";

/// Default of `socket.path`.
pub(crate) const DEFAULT_SOCKET: &str = "/run/rstmon/rstmon.sock";

/// What the command line and the environment set in place of the file's values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// The configuration file, which has to exist if it is named.
    pub(crate) file: Option<PathBuf>,
    pub(crate) socket: Option<PathBuf>,
    /// An empty list keeps the addresses of the file.
    pub(crate) listen_address: Vec<String>,
    pub(crate) telemetry_path: Option<String>,
    /// The value of `web.config_file`.
    pub(crate) web_config: Option<PathBuf>,
    pub(crate) log_level: Option<String>,
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
    pub(crate) web: WebSection,
    pub(crate) socket: SocketSection,
    pub(crate) events: EventsSection,
    pub(crate) counts: CountsSection,
    pub(crate) tombstones: TombstonesSection,
    pub(crate) thresholds: ThresholdsSection,
    pub(crate) metrics: MetricsSection,
    pub(crate) probe: ProbeSection,
    pub(crate) history: HistorySection,
    pub(crate) store: StoreSection,
    pub(crate) log: LogSection,
    pub(crate) security: SecuritySection,
    pub(crate) expect: Vec<ExpectSection>,
    /// Another BPF object; set by a flag only.
    #[cfg(feature = "test-switches")]
    #[serde(skip)]
    pub(crate) bpf_object: Option<PathBuf>,
}

impl Config {
    /// Loads the configuration of a command in the foreground. A file that this user may not read counts as absent
    /// unless it was named: the command needs only the path of the daemon's socket from it.
    pub(crate) fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_unless(overrides, &[ErrorKind::NotFound, ErrorKind::PermissionDenied])
    }

    /// Loads the configuration of the daemon. A file that exists has to be readable: it may restrict access to the
    /// metrics, and without it the daemon would serve them unrestricted.
    pub(crate) fn load_for_run(overrides: &Overrides) -> Result<Self, ConfigError> {
        Self::load_unless(overrides, &[ErrorKind::NotFound])
    }

    /// Uses the defaults where reading an unnamed file fails with one of the errors in `absent`.
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
        let text = regular_file::read_to_string(path, MAX_FILE_BYTES)
            .map_err(|source| ConfigError::Read { path: path.into(), source })?;
        Self::parse(&text, path)
    }

    /// Parses the text of a file. `path` is for error messages.
    pub(crate) fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..start].split(|&byte| byte == b'\n').count();
            // The parser's message does not name the key, so the error quotes the line.
            let content: String = text.split('\n').nth(line - 1).unwrap_or("").trim().chars().take(80).collect();
            let message = safe(&error.message().replace('\n', " "));
            ConfigError::Parse { path: path.into(), line, content: safe(&content), message }
        })
    }

    /// Checks the range of every value.
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
        let fold_after = self.metrics.fold_after_seconds;
        if !(0.0..=1e9).contains(&fold_after) {
            return value("metrics.fold_after_seconds", &fold_after, "it must be from 0 to 1000000000 seconds");
        }
        if !["error", "warn", "info", "debug", "trace"].contains(&self.log.level.as_str()) {
            return value("log.level", &self.log.level, "it must be error, warn, info, debug or trace");
        }
        if !["text", "json"].contains(&self.log.format.as_str()) {
            return value("log.format", &self.log.format, "it must be text or json");
        }
        self.store_options(None)?;
        self.expectations()?;
        self.labels().map(drop)
    }

    pub(crate) fn labels(&self) -> Result<LabelSet, ConfigError> {
        LabelSet::from_names(self.metrics.labels.iter().map(String::as_str))
            .map_err(|error| ConfigError::Invalid { key: "metrics.labels", reason: error.to_string() })
    }

    /// The resets that the operator expects.
    pub(crate) fn expectations(&self) -> Result<Expectations, ConfigError> {
        let expectations = self.expect.iter().enumerate().map(|(index, ExpectSection { filter, reason })| {
            Expectation::new(filter, reason)
                .map_err(|error| ConfigError::Expectation { number: index + 1, reason: safe(&error.to_string()) })
        });
        Ok(Expectations::new(expectations.collect::<Result<_, _>>()?))
    }

    pub(crate) fn monitor_options(&self) -> Result<MonitorOptions, ConfigError> {
        Ok(MonitorOptions {
            probe: self.probe_options(),
            max_series: self.metrics.max_series,
            fold_after: self.fold_after(),
            labels: self.labels()?,
            expectations: self.expectations()?,
        })
    }

    /// Silence after which a series makes room for others.
    #[must_use]
    pub(crate) fn fold_after(&self) -> Duration {
        seconds(self.metrics.fold_after_seconds)
    }

    #[must_use]
    pub(crate) fn probe_options(&self) -> probe::Options {
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
            follow_writers: self.probe.follow_writers,
            verifier_log: tracing::enabled!(tracing::Level::DEBUG),
        }
    }
}

fn seconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests;
