//! The counts of a snapshot.

use super::{Growth, Series, series::OTHER, trend::Trend};
use crate::{
    event::snapshot::{Count, SeriesCount},
    explain::CauseId,
    model::Direction,
};
use std::time::Duration;

/// Every series with its trend, and the counts of both directions, as of `elapsed` since counting began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SnapshotCounts {
    pub(crate) sent: Count,
    pub(crate) received: Count,
    pub(crate) series: Vec<SeriesCount>,
}

impl SnapshotCounts {
    /// The counts of `sums`, which must have been added to `trend` before.
    pub(crate) fn new<'a>(sums: impl Iterator<Item = (&'a Series, u64)>, trend: &Trend, elapsed: Duration) -> Self {
        let series: Vec<SeriesCount> = sums
            .map(|(series, total)| series_count(series, Count { total, trend: trend.of(series, elapsed) }))
            .collect();
        let direction = |direction| Count {
            total: series.iter().filter(|series| series.direction == direction).map(|series| series.count.total).sum(),
            trend: trend.of_direction(direction, elapsed),
        };
        Self { sent: direction(Direction::Sent), received: direction(Direction::Received), series }
    }
}

/// The growth of each series, as its total.
pub(crate) fn growth_counts(growth: &Growth) -> Vec<SeriesCount> {
    growth
        .series
        .iter()
        .map(|(series, total)| series_count(series, Count { total: *total, trend: Vec::new() }))
        .collect()
}

pub(super) fn series_count(series: &Series, count: Count) -> SeriesCount {
    let Series { direction, cause, severity, reason, process, unit, container, port, family } = series;
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    SeriesCount {
        direction: *direction,
        cause: (**cause != *OTHER).then(|| CauseId::try_from(cause.to_string()).ok()).flatten(),
        severity: severity.parse().ok(),
        reason: reason.to_string(),
        process: known(process),
        unit: known(unit),
        container: known(container),
        port: *port,
        family: *family,
        count,
    }
}
