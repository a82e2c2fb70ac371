//! The configuration: flags > environment > file > defaults. Unknown keys are errors that name the line.

use super::cli::{ConfigArguments, RunArguments};
use crate::{
    metrics::{LabelSet, fold},
    model::text::safe,
    probe,
};
use serde::Deserialize;
use std::{
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    time::Duration,
};

/// Read when it exists and no other is named.
pub const DEFAULT_FILE: &str = "/etc/rstmon/rstmon.toml";

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}; check --config", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file does not parse.
    #[error("{}:{line}: {message} (in `{content}`); packaging/rstmon.toml has every key", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// That line.
        content: String,
        /// What is wrong there.
        message: String,
    },
    /// A value is out of range.
    #[error("{key} is {value}: {rule}")]
    Value {
        /// Which key, as in the file.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it has to be.
        rule: &'static str,
    },
    /// A value has an error of its own.
    #[error("{key}: {reason}")]
    Invalid {
        /// Which key, as in the file.
        key: &'static str,
        /// Why.
        reason: String,
    },
}

/// Everything that can be configured, as in the file.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// HTTP.
    pub web: Web,
    /// Unix socket.
    pub socket: SocketConfig,
    /// Event path.
    pub events: Events,
    /// Counting path.
    pub counts: CountsConfig,
    /// Memory of closed connections.
    pub tombstones: Tombstones,
    /// Limits that causes are decided by.
    pub thresholds: Thresholds,
    /// Series.
    pub metrics: Metrics,
    /// Memory of events.
    pub history: HistoryConfig,
    /// Log.
    pub log: Log,
    /// What the process forbids itself.
    pub security: Security,
    /// Another BPF object; only by flag.
    #[serde(skip)]
    pub bpf_object: Option<PathBuf>,
    /// Read no evidence; only by flag.
    #[serde(skip)]
    pub bench_without_evidence: bool,
}

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name { $($(#[$field_doc])* pub $field: $ty,)* }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

section! {
    /// `[web]`
    Web {
        /// Addresses to serve /metrics on.
        listen_address: Vec<String> = vec![crate::serve::DEFAULT_LISTEN.to_owned()],
        /// Path of the metrics.
        telemetry_path: String = "/metrics".to_owned(),
        /// TLS and basic authentication, exporter-toolkit format.
        config_file: Option<PathBuf> = None,
    }
}
section! {
    /// `[socket]`
    SocketConfig {
        /// Where.
        path: PathBuf = "/run/rstmon/rstmon.sock".into(),
        /// Group that may connect.
        group: Option<String> = None,
    }
}
section! {
    /// `[events]`
    Events {
        /// Size of the ring buffer in bytes: a power of two, at least a page.
        ring_bytes: u32 = 256 * 1024,
        /// Events that a key may offer a second and CPU; 0 = unlimited.
        rate_per_second: u32 = 100,
    }
}
section! {
    /// `[counts]`
    CountsConfig {
        /// Keys counted apart between two readings.
        entries: u32 = 4096,
    }
}
section! {
    /// `[tombstones]`
    Tombstones {
        /// Closed connections remembered; 0 turns it off.
        entries: u32 = 16384,
    }
}
section! {
    /// `[thresholds]`
    Thresholds {
        /// Silence that counts as idle.
        idle_seconds: f64 = 60.0,
        /// Idle time before a close that makes a late segment a keep-alive race.
        keepalive_idle_seconds: f64 = 0.5,
        /// How long after a close a segment may have crossed it.
        race_window_seconds: f64 = 1.0,
    }
}
section! {
    /// `[metrics]`
    Metrics {
        /// Most series of `rstmon_resets_total`.
        max_series: usize = 2000,
        /// Its labels.
        labels: Vec<String> = LabelSet::NAMES.iter().map(|&name| name.to_owned()).collect(),
        /// Have the kernel account the run time of BPF programs.
        probe_runtime: bool = false,
    }
}
section! {
    /// `[history]`
    HistoryConfig {
        /// Events remembered for `why`.
        events: usize = 10_000,
    }
}
section! {
    /// `[security]`
    Security {
        /// Forbid all files and system calls that are not needed once the hooks are attached.
        sandbox: bool = true,
    }
}
section! {
    /// `[log]`
    Log {
        /// Least severe level: error, warn, info, debug or trace.
        level: String = "info".to_owned(),
        /// text or json.
        format: String = "text".to_owned(),
    }
}

impl Config {
    /// The configuration of a command that has only the common flags. Without `--config`, a file that this user may not
    /// read is as one that is not there: all that is wanted of it is where the daemon is.
    pub fn load(arguments: &ConfigArguments) -> Result<Self, ConfigError> {
        Self::load_unless(arguments, &[ErrorKind::NotFound, ErrorKind::PermissionDenied])
    }

    /// `defaults`: ways to fail to read the file that mean that there is none, unless it was named.
    fn load_unless(arguments: &ConfigArguments, defaults: &[ErrorKind]) -> Result<Self, ConfigError> {
        let mut config = match Self::read(arguments.file()) {
            Err(ConfigError::Read { source, .. })
                if arguments.config.is_none() && defaults.contains(&source.kind()) =>
            {
                Self::default()
            }
            result => result?,
        };
        if let Some(path) = &arguments.socket {
            config.socket.path.clone_from(path);
        }
        config.bpf_object.clone_from(&arguments.bpf_object);
        config.bench_without_evidence = arguments.bench_without_evidence;
        config.validate()?;
        Ok(config)
    }

    /// The configuration of `run`. A file that is there has to be read: without it, the daemon would serve everybody
    /// what the file may say is for few.
    pub fn load_for_run(arguments: &RunArguments) -> Result<Self, ConfigError> {
        let mut config = Self::load_unless(&arguments.config, &[ErrorKind::NotFound])?;
        if !arguments.listen_address.is_empty() {
            config.web.listen_address.clone_from(&arguments.listen_address);
        }
        if let Some(path) = &arguments.telemetry_path {
            config.web.telemetry_path.clone_from(path);
        }
        if arguments.web_config.is_some() {
            config.web.config_file.clone_from(&arguments.web_config);
        }
        if let Some(level) = &arguments.log_level {
            config.log.level.clone_from(level);
        }
        if let Some(format) = &arguments.log_format {
            config.log.format.clone_from(format);
        }
        config.validate()?;
        Ok(config)
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
        Self::parse(&text, path)
    }

    /// Parses the file's text; `path` is for the message.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
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
    pub fn validate(&self) -> Result<(), ConfigError> {
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
    pub fn labels(&self) -> Result<LabelSet, ConfigError> {
        LabelSet::from_names(self.metrics.labels.iter().map(String::as_str))
            .map_err(|error| ConfigError::Invalid { key: "metrics.labels", reason: error.to_string() })
    }

    /// How the probe is to work.
    #[must_use]
    pub fn probe_options(&self) -> probe::Options {
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
            #[cfg(feature = "test-switches")]
            without_evidence: self.bench_without_evidence,
            account_run_time: self.metrics.probe_runtime,
            verifier_log: tracing::enabled!(tracing::Level::DEBUG),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, ConfigError};
    use std::path::Path;

    fn error(text: &str) -> String {
        match Config::parse(text, Path::new("rstmon.toml")).and_then(|config| config.validate()) {
            Ok(()) => panic!("{text:?} was accepted"),
            Err(error @ (ConfigError::Parse { .. } | ConfigError::Value { .. } | ConfigError::Invalid { .. })) => {
                error.to_string()
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_empty_file_is_the_defaults() {
        let config = Config::parse("", Path::new("x")).expect("an empty file parses");
        assert_eq!(config, Config::default());
        config.validate().expect("the defaults are valid");
    }

    #[test]
    fn an_unknown_key_names_the_line_and_the_known_ones() {
        let message = error("[events]\nring_bytes = 4096\nring_size = 1\n");
        assert!(message.starts_with("rstmon.toml:3: unknown field `ring_size`"), "{message}");
        assert!(message.contains("rate_per_second"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }

    #[test]
    fn values_out_of_range_say_the_range() {
        assert!(error("[events]\nring_bytes = 5000").contains("power of two"));
        assert!(error("[metrics]\nmax_series = 1").contains("at least 256"));
        assert!(error("[metrics]\nlabels = [\"prcess\"]").contains("the labels are"));
        assert!(error("[thresholds]\nidle_seconds = -1.0").contains("from 0 to"));
        assert!(error("[thresholds]\nidle_seconds = nan").contains("from 0 to"));
        assert!(error("[log]\nlevel = \"loud\"").contains("error, warn"));
    }

    #[test]
    fn what_a_file_says_cannot_steer_the_terminal_that_shows_the_error() {
        for text in ["[log]\nlevel = \"\\u001b[2J\"", "\"\\u202e\" = 1", "[log\u{1b}[2J", "a\rb = 1"] {
            let message = error(text);
            assert!(!message.contains(crate::model::text::is_unsafe), "{message:?}");
        }
    }

    #[test]
    fn broken_toml_names_the_line() {
        assert!(error("[events]\nring_bytes = \n").starts_with("rstmon.toml:2:"));
    }
}
