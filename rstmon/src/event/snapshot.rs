//! The state of a host in one document: exact totals, how they grew lately, and what this host cannot show.
//! docs/events.md documents the schema; under one schema number, fields are only added.

use crate::{
    explain::{CauseId, Severity},
    model::{Direction, Family},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the document's JSON form.
pub(crate) const SNAPSHOT_SCHEMA: u32 = 1;

/// The process of the series of names that had no room.
pub(crate) const NO_ROOM: &str = "_other";
/// The process of the series that silent ones fold away into. Its growth is of no new resets.
pub(crate) const FOLDED_AWAY: &str = "_folded";

/// The answer to `GET /v1/snapshot`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// The number is [`SNAPSHOT_SCHEMA`].
    pub(crate) schema: u32,
    /// When the snapshot was taken, RFC 3339 in UTC.
    pub(crate) time: Timestamp,
    /// When counting began, RFC 3339 in UTC. A different value means that all counts started from zero again.
    pub(crate) started: Timestamp,
    /// Version of rstmon.
    pub(crate) version: String,
    pub(crate) host: String,
    /// Release of the kernel, as `uname -r` prints it.
    pub(crate) kernel: String,
    /// Seconds since the host was booted.
    pub(crate) uptime_seconds: u64,
    /// Seconds that one number of a trend covers.
    pub(crate) trend_step_seconds: u64,
    pub(crate) sent: Count,
    pub(crate) received: Count,
    /// Events that reached no reader. Their resets are counted nevertheless.
    pub(crate) events_lost: EventsLost,
    /// Resets that are counted by direction and reason only.
    pub(crate) count_overflow: u64,
    /// Resets that the kernel counts and rstmon does not; absent where the kernel's counters cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uncounted: Option<i64>,
    /// What this host's kernel cannot show.
    pub(crate) degraded: Vec<Degraded>,
    /// Every series, in no particular order.
    pub(crate) series: Vec<SeriesCount>,
}

/// An exact number of resets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    /// Resets since counting began.
    pub(crate) total: u64,
    /// Growth in each of the last steps, oldest first; the last step is still running. Steps before the first growth
    /// are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) trend: Vec<u32>,
}

/// Events that reached no reader, by where they were lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventsLost {
    /// Lost because the ring buffer had no room.
    pub(crate) ring_full: u64,
    /// Not sent by the kernel half because the rate limit of a key was reached.
    pub(crate) rate_limited: u64,
    /// Lost by sinks, by name, such as `slow_subscriber`.
    #[serde(flatten)]
    pub(crate) sinks: BTreeMap<String, u64>,
}

impl EventsLost {
    #[must_use]
    pub(crate) fn sum(&self) -> u64 {
        let Self { ring_full, rate_limited, sinks } = self;
        sinks.values().fold(ring_full.saturating_add(*rate_limited), |sum, lost| sum.saturating_add(*lost))
    }
}

/// Something that this host cannot show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Degraded {
    /// The missing hook or kernel field.
    pub(crate) what: String,
    /// What cannot be seen without it.
    pub(crate) hides: String,
}

/// The resets of one owner and cause, with all labels regardless of `metrics.labels`. An unknown label is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeriesCount {
    pub(crate) direction: Direction,
    /// Absent for counts by direction and reason only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<CauseId>,
    /// Absent for counts by direction and reason only, and in documents of version 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) severity: Option<Severity>,
    /// The kernel's `enum sk_rst_reason` in lower case.
    pub(crate) reason: String,
    /// Comm of the owner; `_other` for folded series, [`FOLDED_AWAY`] for those of silent names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<String>,
    /// Short form of the container's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
    /// The port that names the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) family: Option<Family>,
    #[serde(flatten)]
    pub(crate) count: Count,
}

impl SeriesCount {
    /// Whether it holds counts of several names.
    #[must_use]
    pub(crate) fn is_of_several(&self) -> bool {
        self.process.as_deref() == Some(NO_ROOM) || self.is_folded_away()
    }

    /// Whether it holds the counts of series that have folded away.
    #[must_use]
    pub(crate) fn is_folded_away(&self) -> bool {
        self.process.as_deref() == Some(FOLDED_AWAY)
    }
}
