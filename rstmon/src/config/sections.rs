//! The sections of the configuration file, with every key's default.

use crate::metrics::LabelSet;
use serde::Deserialize;
use std::path::PathBuf;

macro_rules! section {
    ($name:ident { $($(#[$field_doc:meta])* $field:ident: $ty:ty = $default:expr,)* }) => {
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
    WebSection {
        /// Addresses to serve /metrics on.
        listen_address: Vec<String> = vec![super::DEFAULT_LISTEN.to_owned()],
        /// URL path of the metrics.
        telemetry_path: String = "/metrics".to_owned(),
        /// File with TLS and basic authentication, in the format of Prometheus' exporter-toolkit.
        config_file: Option<PathBuf> = None,
    }
}
section! {
    SocketSection {
        path: PathBuf = super::DEFAULT_SOCKET.into(),
        /// Group whose members may connect.
        group: Option<String> = None,
    }
}
section! {
    EventsSection {
        /// Size of the ring buffer in bytes: a power of two, at least a page.
        ring_bytes: u32 = 256 * 1024,
        /// Events that one key may send per second and CPU; 0 = unlimited.
        rate_per_second: u32 = 100,
    }
}
section! {
    CountsSection {
        /// Keys that are counted separately between two readings.
        entries: u32 = 4096,
    }
}
section! {
    TombstonesSection {
        /// Closed connections that the kernel half remembers; 0 = none.
        entries: u32 = 16384,
    }
}
section! {
    ThresholdsSection {
        /// Silence that counts as idle.
        idle_seconds: f64 = 60.0,
        /// Idle time before a close that makes a late segment a keep-alive race.
        keepalive_idle_seconds: f64 = 0.5,
        /// How long after a close a segment may have crossed it.
        race_window_seconds: f64 = 1.0,
    }
}
section! {
    MetricsSection {
        /// Upper limit of the series of `rstmon_resets_total`.
        max_series: usize = 2000,
        /// Silence after which a series makes room for others.
        fold_after_seconds: f64 = 86400.0,
        /// Labels of `rstmon_resets_total`.
        labels: Vec<String> = LabelSet::NAMES.iter().map(|&name| name.to_owned()).collect(),
        /// Have the kernel account the run time of BPF programs.
        probe_runtime: bool = false,
    }
}
section! {
    ProbeSection {
        /// Follow the processes that write to sockets.
        follow_writers: bool = false,
    }
}
section! {
    HistorySection {
        /// Events kept in memory for `why` and for subscribers.
        events: usize = 10_000,
    }
}
section! {
    StoreSection {
        /// Keep events and counts on disk.
        enabled: bool = true,
        /// Where; the service manager's directory, or the default one, if not set.
        directory: Option<PathBuf> = None,
        /// Limit of the events on disk.
        max_bytes: u64 = 256 * 1024 * 1024,
        /// Limit of the counts on disk.
        counts_max_bytes: u64 = 64 * 1024 * 1024,
        /// Age at which events and counts are removed.
        max_age: String = "14d".to_owned(),
        /// Free space of the file system below which the store does not grow.
        min_free: String = "5%".to_owned(),
        /// Longest time that a power loss may take.
        sync_interval: String = "30s".to_owned(),
        /// How much of a remote address is stored: `full`, `network` or `none`.
        remotes: String = "full".to_owned(),
    }
}
section! {
    SecuritySection {
        /// Forbid all files and system calls that are not needed once the hooks are attached.
        sandbox: bool = true,
    }
}
/// An element of the list `[[expect]]`: a class of resets that the operator expects.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectSection {
    /// A line of the filter grammar.
    pub(crate) filter: String,
    /// Why they are expected, in the operator's words.
    pub(crate) reason: String,
}

section! {
    LogSection {
        /// Least severe level that is logged: error, warn, info, debug or trace.
        level: String = "info".to_owned(),
        /// Either `text` or `json`.
        format: String = "text".to_owned(),
    }
}
