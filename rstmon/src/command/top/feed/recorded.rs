//! Makes counts from recorded events: the snapshot of a daemon that has counted these resets only. Pure.

use crate::{
    attribute::container,
    event::{
        Event,
        snapshot::{EventsLost, SNAPSHOT_SCHEMA, Snapshot},
    },
    metrics::{
        Series, SnapshotCounts,
        trend::{STEP, Trend},
    },
    sink::SLOW_SUBSCRIBER,
};
use jiff::Timestamp;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// The counts of the events so far.
#[derive(Default)]
pub(super) struct Recorded {
    first: Option<Timestamp>,
    /// The latest time so far. Events are not strictly in order.
    last: Option<Timestamp>,
    sums: HashMap<Series, u64>,
    trend: Trend,
    lost: u64,
}

impl Recorded {
    pub(super) fn push(&mut self, event: &Event) {
        let first = *self.first.get_or_insert(event.time);
        let step = |time: Timestamp| time.duration_since(first).as_secs() / STEP.as_secs().cast_signed();
        // A trend adds growth to the step in which it is read, so it is read before the next step begins.
        if let Some(last) = self.last
            && step(event.time) > step(last)
        {
            self.trend.absorb(self.elapsed(last), self.sums.iter().map(|(series, sum)| (series, *sum)));
        }
        self.last = self.last.max(Some(event.time));
        *self.sums.entry(series(event)).or_default() += 1;
    }

    pub(super) fn lose(&mut self, lost: u64) {
        self.lost = self.lost.saturating_add(lost);
    }

    pub(super) fn first(&self) -> Option<Timestamp> {
        self.first
    }

    fn elapsed(&self, now: Timestamp) -> Duration {
        self.first.map_or(Duration::ZERO, |first| Duration::try_from(now.duration_since(first)).unwrap_or_default())
    }

    /// The counts at `now`, or at the last event if that is later. `None` without an event.
    pub(super) fn snapshot(&mut self, now: Timestamp) -> Option<Snapshot> {
        let (started, now) = (self.first?, self.last.max(Some(now))?);
        let elapsed = self.elapsed(now);
        let sums = || self.sums.iter().map(|(series, sum)| (series, *sum));
        self.trend.absorb(elapsed, sums());
        let SnapshotCounts { sent, received, series } = SnapshotCounts::new(sums(), &self.trend, elapsed);
        Some(Snapshot {
            schema: SNAPSHOT_SCHEMA,
            time: now,
            started,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            host: String::new(),
            kernel: String::new(),
            uptime_seconds: 0,
            trend_step_seconds: STEP.as_secs(),
            sent,
            received,
            events_lost: EventsLost {
                sinks: [(SLOW_SUBSCRIBER.to_owned(), self.lost)].into(),
                ..EventsLost::default()
            },
            count_overflow: 0,
            uncounted: None,
            degraded: Vec::new(),
            series,
        })
    }
}

fn series(event: &Event) -> Series {
    let text = |text: Option<&str>| Arc::from(text.unwrap_or(""));
    Series {
        direction: event.direction,
        cause: event.cause.id().into(),
        severity: event.severity.word(),
        reason: event.reason.as_str().into(),
        process: text(event.process()),
        unit: text(event.unit()),
        container: text(event.container().map(container::short)),
        port: event.service_port,
        family: event.family,
    }
}

#[cfg(test)]
mod tests {
    use super::Recorded;
    use crate::command::top::testing::{at, event};

    #[test]
    fn events_become_counts_with_their_trend() {
        let mut recorded = Recorded::default();
        for second in [0, 1, 6, 6, 7, 21] {
            recorded.push(&event(second, "java", 80, "10.0.0.1"));
        }
        recorded.lose(4);
        let snapshot = recorded.snapshot(at(22)).expect("there were events");
        assert_eq!((snapshot.sent.total, snapshot.received.total), (6, 0));
        assert_eq!(snapshot.series.len(), 1);
        assert_eq!(snapshot.series[0].count.trend, [2, 3, 0, 0, 1]);
        assert_eq!((snapshot.started, snapshot.time), (at(0), at(22)));
        assert_eq!(snapshot.events_lost.sum(), 4);
    }

    #[test]
    fn containers_are_named_as_counts_name_them() {
        let label = |id: &str| {
            let mut event = event(0, "java", 80, "10.0.0.1");
            event.owner.as_mut().expect("an owner").container = Some(id.to_owned());
            super::series(&event).container.to_string()
        };
        assert_eq!(label(&"0123456789abcdef".repeat(4)), "0123456789ab");
        assert_eq!(label("a-name-that-is-long"), "a-name-that-is-long");
    }

    #[test]
    fn time_never_goes_back() {
        let mut recorded = Recorded::default();
        recorded.push(&event(9, "java", 80, "10.0.0.1"));
        recorded.push(&event(8, "java", 80, "10.0.0.1"));
        assert_eq!(recorded.snapshot(at(3)).expect("there were events").time, at(9));
        assert!(Recorded::default().snapshot(at(3)).is_none(), "nothing is known of a recording without events");
    }
}
