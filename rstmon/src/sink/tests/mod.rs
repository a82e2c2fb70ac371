//! Behaviour that all sinks share.

mod third;

use super::{History, Hub, Sink as _, Sinks};
use crate::{
    event::{filter::Filter, snapshot::EventsLost, testing::event},
    metrics::{Format, Health, LabelSet, MetricsRegistry},
    model::Reasons,
};
use std::{sync::Arc, time::Duration};
use third::Third;

/// The sinks of the daemon and one more. It shows that a further sink needs one file and one line.
fn sinks() -> Sinks {
    Sinks::new(vec![Arc::new(Hub::default()), Arc::new(History::new(8)), Arc::new(Third::default())])
}

#[test]
fn the_losses_of_a_further_sink_are_exported_by_its_name() {
    let sinks = sinks();
    for _ in 0..5 {
        sinks.take(&Arc::new(event()));
    }
    let losses = sinks.losses();
    assert_eq!(losses, [("slow_subscriber", 0), ("third", 3)].into());

    let exporter =
        MetricsRegistry::new(256, Duration::MAX, LabelSet::default(), Reasons::from_variants([]), Vec::new())
            .expect("an exporter");
    let health = Health { sink_losses: losses.clone(), ..Health::default() };
    let text = exporter.render(&health, Format::default()).expect("the text format");
    assert!(text.contains(r#"rstmon_events_lost_total{why="third"} 3"#), "{text}");

    let lost = EventsLost {
        sinks: losses.into_iter().map(|(name, lost)| (name.to_owned(), lost)).collect(),
        ..EventsLost::default()
    };
    let json = serde_json::to_string(&lost).expect("JSON");
    assert_eq!(json, r#"{"ring_full":0,"rate_limited":0,"slow_subscriber":0,"third":3}"#);
    assert_eq!(serde_json::from_str::<EventsLost>(&json).expect("it is read back"), lost);
}

#[test]
fn a_new_subscriber_gets_each_event_once_from_history_or_live() {
    let (hub, history) = (Arc::new(Hub::default()), Arc::new(History::new(8)));
    let sinks = Sinks::new(vec![Arc::clone(&hub) as _, Arc::clone(&history) as _]);
    sinks.take(&Arc::new(event()));
    let mut subscription = sinks
        .between_events(|| hub.subscribe(Filter::default(), history.last(usize::MAX)))
        .expect("room for a subscriber");
    sinks.take(&Arc::new(event()));
    assert_eq!(std::iter::from_fn(|| subscription.next_queued()).count(), 2);
    assert_eq!(history.lost(), None);
}
