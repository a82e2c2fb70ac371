//! Sample snapshots and events for tests.

use crate::{
    event::{
        Event,
        snapshot::{Count, Degraded, EventsLost, SNAPSHOT_SCHEMA, SeriesCount, Snapshot},
        testing::event_with,
    },
    explain::Cause,
    model::{Direction, Family},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

/// The time `second` seconds after 03:00:00.
pub(super) fn at(second: u32) -> Timestamp {
    let start: Timestamp = "2026-11-21T03:00:00Z".parse().expect("a time");
    start.checked_add(SignedDuration::from_secs(i64::from(second))).expect("a time")
}

/// A snapshot with one series for each `(process, port, total)`, of the cause `closed_with_unread_data`.
pub(super) fn snapshot<'a>(second: u32, series: impl IntoIterator<Item = (&'a str, u16, u64)>) -> Snapshot {
    let series: Vec<SeriesCount> = series
        .into_iter()
        .map(|(process, port, total)| SeriesCount {
            direction: Direction::Sent,
            cause: Some(Cause::ClosedWithUnreadData.into()),
            severity: None,
            reason: "tcp_abort_on_close".to_owned(),
            process: Some(process.to_owned()),
            unit: Some("tomcat.service".to_owned()),
            container: None,
            port: Some(port),
            family: Some(Family::Ipv4),
            count: Count { total, trend: vec![0, 1, 2, 3, 4, 5] },
        })
        .collect();
    Snapshot {
        schema: SNAPSHOT_SCHEMA,
        time: at(second),
        started: at(0),
        version: "0.1.0".to_owned(),
        host: "web-7".to_owned(),
        kernel: "6.18.0".to_owned(),
        uptime_seconds: 93_784,
        trend_step_seconds: 5,
        sent: Count { total: series.iter().map(|series| series.count.total).sum(), trend: vec![12; 13] },
        received: Count { total: 3, trend: vec![0, 3] },
        events_lost: EventsLost {
            rate_limited: 12,
            sinks: [("slow_subscriber".to_owned(), 0)].into(),
            ..EventsLost::default()
        },
        count_overflow: 0,
        uncounted: Some(0),
        degraded: vec![Degraded {
            what: "hook inet_accept".to_owned(),
            hides: "the accepting worker until it reads from the connection".to_owned(),
        }],
        series,
    }
}

/// An event of a series that [`snapshot`] makes.
pub(super) fn event(second: u32, process: &str, port: u16, remote: &str) -> Event {
    event_with(json!({
        "time": at(second), "family": if remote.contains(':') { "ipv6" } else { "ipv4" },
        "local": {"address": "10.0.0.1", "port": port}, "remote": {"address": remote, "port": 50_000 + second},
        "service_port": port, "role": "accepted", "netns": 4_026_531_840_u32, "uid": 1000,
        "owner": {"process": process, "cgroup": 7461},
        "evidence": {
            "age_ms": 1532, "send_idle_ms": 12, "receive_idle_ms": 3, "unread_bytes": 4096, "unacked_bytes": 0,
            "sent_bytes": 210, "received_bytes": 65_536, "rtt_us": 240, "facts": ["active", "process_context"],
        },
        "sentence": format!("{process}[4711] closed the connection with 4096 bytes unread"),
    }))
}
