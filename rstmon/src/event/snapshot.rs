//! The state of a host in one document: exact totals, how they grew lately, and what is hidden. docs/events.md documents
//! the schema; fields are only ever added under one number.

use crate::{
    explain::Cause,
    model::{Direction, Family},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Version of the document.
pub(crate) const SNAPSHOT_SCHEMA: u32 = 1;

/// What `GET /v1/snapshot` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// [`SNAPSHOT_SCHEMA`].
    pub(crate) schema: u32,
    /// When it was taken, RFC 3339 in UTC.
    pub(crate) time: Timestamp,
    /// When counting began: another value is another count, from zero.
    pub(crate) started: Timestamp,
    /// Version of rstmon.
    pub(crate) version: String,
    /// Name of the host.
    pub(crate) host: String,
    /// Release of its kernel.
    pub(crate) kernel: String,
    /// Seconds since the host was booted.
    pub(crate) uptime_seconds: u64,
    /// Seconds a number of a trend stands for.
    pub(crate) trend_step_seconds: u64,
    /// Resets sent.
    pub(crate) sent: Count,
    /// Resets received.
    pub(crate) received: Count,
    /// Events that reached no reader; the resets themselves are counted all the same.
    pub(crate) events_lost: EventsLost,
    /// Resets that are counted by direction and reason only.
    pub(crate) count_overflow: u64,
    /// Resets that the kernel counts and rstmon does not; absent where the kernel cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) uncounted: Option<i64>,
    /// What this host's kernel cannot show, one entry a degradation.
    pub(crate) degraded: Vec<Degraded>,
    /// Every series, in no particular order.
    pub(crate) series: Vec<SeriesCount>,
}

/// An exact number of resets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    /// Since counting began.
    pub(crate) total: u64,
    /// How much it grew in each of the last steps, oldest first; the last step is still running. Steps before the
    /// first growth are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) trend: Vec<u32>,
}

/// Events that reached no reader, by where they were lost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventsLost {
    /// The ring buffer had no room.
    pub(crate) ring_full: u64,
    /// The rate limit of a kind of reset was reached.
    pub(crate) rate_limited: u64,
    /// Lost by a sink, by its name: `slow_subscriber`.
    #[serde(flatten)]
    pub(crate) sinks: BTreeMap<String, u64>,
}

impl EventsLost {
    /// The sum over all ways to lose an event.
    #[must_use]
    pub(crate) fn sum(&self) -> u64 {
        let Self { ring_full, rate_limited, sinks } = self;
        sinks.values().fold(ring_full.saturating_add(*rate_limited), |sum, lost| sum.saturating_add(*lost))
    }
}

/// Something that this host cannot show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Degraded {
    /// The hook or the kernel field that is missing.
    pub(crate) what: String,
    /// What stays hidden because of it.
    pub(crate) hides: String,
}

/// The resets of one owner and cause, with all labels, whatever `metrics.labels` says. One that is not known is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeriesCount {
    /// Which way.
    pub(crate) direction: Direction,
    /// Absent for counts that kept only direction and reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<Cause>,
    /// The kernel's reason.
    pub(crate) reason: String,
    /// Comm of the owner; `_other` for what was folded away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<String>,
    /// systemd unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<String>,
    /// Container, short id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
    /// Service port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<u16>,
    /// IP version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) family: Option<Family>,
    /// How many.
    #[serde(flatten)]
    pub(crate) count: Count,
}
