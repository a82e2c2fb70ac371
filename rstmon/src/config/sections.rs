//! The sections of the configuration file, with every key's default.

use crate::metrics::LabelSet;
use serde::Deserialize;
use std::path::PathBuf;

macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty = $default:expr,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        #[allow(clippy::struct_field_names, reason = "the names are the keys of the file")]
        pub(crate) struct $name { $($(#[$field_doc])* pub(crate) $field: $ty,)* }

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
        listen_address: Vec<String> = vec![super::DEFAULT_LISTEN.to_owned()],
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
        path: PathBuf = super::DEFAULT_SOCKET.into(),
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
