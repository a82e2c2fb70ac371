//! The state of a host in one document: exact totals, how they grew lately, and what is hidden. docs/events.md documents
//! the schema; fields are only ever added under one number.

use crate::{
    explain::Cause,
    metrics::{Series, trend::Trend},
    model::{Direction, Family},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Version of the document.
pub const SNAPSHOT_SCHEMA: u32 = 1;

/// What `GET /v1/snapshot` answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`SNAPSHOT_SCHEMA`].
    pub schema: u32,
    /// When it was taken, RFC 3339 in UTC.
    pub time: Timestamp,
    /// When counting began: another value is another count, from zero.
    pub started: Timestamp,
    /// Version of rstmon.
    pub version: String,
    /// Name of the host.
    pub host: String,
    /// Release of its kernel.
    pub kernel: String,
    /// Seconds since the host was booted.
    pub uptime_seconds: u64,
    /// Seconds a number of a trend stands for.
    pub trend_step_seconds: u64,
    /// Resets sent.
    pub sent: Count,
    /// Resets received.
    pub received: Count,
    /// Events that nobody saw; the resets themselves are counted all the same.
    pub events_lost: EventsLost,
    /// Resets that are counted by direction and reason only.
    pub count_overflow: u64,
    /// Resets that the kernel counts and rstmon does not; absent where the kernel cannot tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncounted: Option<i64>,
    /// What this host's kernel cannot show, one entry a degradation.
    pub degraded: Vec<Degraded>,
    /// Every series, in no particular order.
    pub series: Vec<SeriesCount>,
}

/// An exact number of resets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Since counting began.
    pub total: u64,
    /// How much it grew in each of the last steps, oldest first; the last step is still running. Steps before the
    /// first growth are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trend: Vec<u32>,
}

/// Events that nobody saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsLost {
    /// No room in the ring buffer.
    pub ring_full: u64,
    /// More of a kind than the rate limit lets through.
    pub rate_limited: u64,
    /// Not taken by a reader in time.
    pub slow_subscriber: u64,
}

impl EventsLost {
    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        let Self { ring_full, rate_limited, slow_subscriber } = self;
        ring_full.saturating_add(*rate_limited).saturating_add(*slow_subscriber)
    }
}

/// Something that this host cannot show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degraded {
    /// The hook or the kernel field that is missing.
    pub what: String,
    /// What stays hidden because of it.
    pub hides: String,
}

/// The resets of one owner and cause, with all labels, whatever `metrics.labels` says. One that is not known is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesCount {
    /// Which way.
    pub direction: Direction,
    /// Absent for counts that kept only direction and reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The kernel's reason.
    pub reason: String,
    /// Comm of the owner; `_other` for what was folded away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<String>,
    /// systemd unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Container, short id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// Service port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// IP version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// How many.
    #[serde(flatten)]
    pub count: Count,
}

/// Every series with its trend, and the counts of both directions, as of `elapsed` since counting began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Resets sent.
    pub sent: Count,
    /// Resets received.
    pub received: Count,
    /// Every series.
    pub series: Vec<SeriesCount>,
}

impl Tally {
    /// Of the sums that `trend` has just taken in.
    pub fn new<'a>(sums: impl Iterator<Item = (&'a Series, u64)>, trend: &Trend, elapsed: Duration) -> Self {
        let series: Vec<SeriesCount> = sums
            .map(|(series, total)| SeriesCount::new(series, Count { total, trend: trend.of(series, elapsed) }))
            .collect();
        let direction = |direction| Count {
            total: series.iter().filter(|series| series.direction == direction).map(|series| series.count.total).sum(),
            trend: trend.of_direction(direction, elapsed),
        };
        Self { sent: direction(Direction::Sent), received: direction(Direction::Received), series }
    }
}

impl SeriesCount {
    /// A series and its count.
    #[must_use]
    pub fn new(series: &Series, count: Count) -> Self {
        let Series { direction, cause, reason, process, unit, container, port, family } = series;
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            direction: *direction,
            cause: cause.parse().ok(),
            reason: reason.to_string(),
            process: known(process),
            unit: known(unit),
            container: known(container),
            port: *port,
            family: *family,
            count,
        }
    }
}
