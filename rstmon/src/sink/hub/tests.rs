//! Tests of the hub's contract.

use super::*;
use crate::event::testing::event_with;
use futures_util::StreamExt;
use serde_json::json;

fn publish_at(hub: &Hub, now: Instant, text: &str) {
    hub.offer(now, |_| true, || Some(Arc::from(text)));
}

fn publish(hub: &Hub, text: &str) {
    publish_at(hub, Instant::now(), text);
}

fn event(process: &str) -> Arc<Event> {
    Arc::new(event_with(json!({"owner": {"process": process}})))
}

fn drain(subscription: &mut Subscription) -> Vec<String> {
    std::iter::from_fn(|| subscription.next_queued()).map(|line| line.to_string()).collect()
}

#[tokio::test]
async fn every_subscriber_gets_every_line_in_order() {
    let hub = Hub::default();
    let (mut first, mut second) = (
        hub.subscribe(Filter::default(), Vec::new()).expect("room"),
        hub.subscribe(Filter::default(), Vec::new()).expect("room"),
    );
    publish(&hub, "1");
    publish(&hub, "2");
    for subscription in [&mut first, &mut second] {
        assert_eq!(subscription.next().await.as_deref(), Some("1"));
        assert_eq!(subscription.next().await.as_deref(), Some("2"));
    }
}

#[test]
fn a_slow_subscriber_gets_a_line_in_place_of_its_gap() {
    let hub = Hub::new(2, 2);
    let mut slow = hub.subscribe(Filter::default(), Vec::new()).expect("room");
    let mut quick = hub.subscribe(Filter::default(), Vec::new()).expect("room");
    let mut seen = Vec::new();
    for number in 1..=5 {
        publish(&hub, &number.to_string());
        seen.extend(drain(&mut quick));
    }
    assert_eq!(seen, ["1", "2", "3", "4", "5"], "the quick one must not suffer");
    assert_eq!(hub.lost().unwrap_or(0), 3);
    assert_eq!(drain(&mut slow), ["1", "2"]);
    publish(&hub, "6");
    publish(&hub, "7");
    assert_eq!(drain(&mut slow), [r#"{"schema":1,"lost":3}"#, "6", "7"]);
}

#[test]
fn subscribers_are_bounded_and_unregister_on_drop() {
    let hub = Hub::new(1, 1);
    assert!(!hub.has_subscribers());
    let subscription = hub.subscribe(Filter::default(), Vec::new()).expect("room");
    assert!(hub.has_subscribers());
    assert_eq!(hub.subscribe(Filter::default(), Vec::new()).err(), Some(TooManySubscribers { max: 1 }));
    drop(subscription);
    assert!(!hub.has_subscribers());
    assert!(hub.subscribe(Filter::default(), Vec::new()).is_ok());
}

#[test]
fn lines_without_a_subscriber_are_not_lost() {
    let hub = Hub::new(1, 1);
    publish(&hub, "unheard");
    let mut late = hub.subscribe(Filter::default(), Vec::new()).expect("room");
    assert_eq!(drain(&mut late), Vec::<String>::new());
    assert_eq!(hub.lost().unwrap_or(0), 0);
}

#[test]
fn history_comes_first_and_both_pass_the_filter() {
    let hub = Hub::new(1, 8);
    let filter = Filter::parse(&["process=java"]).expect("a valid filter");
    let past = ["java", "curl", "java"].map(event).to_vec();
    let mut reader = hub.subscribe(filter, past).expect("room");
    for process in ["curl", "java"] {
        hub.take(&event(process));
    }
    let lines = drain(&mut reader);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().all(|line| line.contains(r#""process":"java""#)), "{lines:?}");
}

#[test]
fn a_subscriber_that_caught_up_is_not_cut_off_by_lines_for_others() {
    let hub = Hub::new(2, 1);
    let java = Filter::parse(&["process=java"]).expect("a valid filter");
    let mut reader = hub.subscribe(java, Vec::new()).expect("room");
    let start = Instant::now();
    let publish = |now, process| {
        let event = event(process);
        hub.offer(now, |filter| filter.matches(&*event), || event_line(&event));
    };
    publish(start, "java");
    publish(start, "java");
    assert_eq!((drain(&mut reader).len(), hub.lost().unwrap_or(0)), (1, 1));
    publish(start + 2 * STALL, "curl");
    assert_eq!((hub.subscribers_cut(), hub.has_subscribers()), (0, true));
    publish(start + 2 * STALL, "java");
    assert_eq!(drain(&mut reader)[0], r#"{"schema":1,"lost":1}"#);
}

#[test]
fn a_subscriber_that_takes_nothing_for_long_is_cut_off_and_counted() {
    let hub = Hub::new(1, 1);
    let mut stalled = hub.subscribe(Filter::default(), Vec::new()).expect("room");
    let start = Instant::now();
    publish_at(&hub, start, "1");
    publish_at(&hub, start, "2");
    publish_at(&hub, start + STALL / 2, "3");
    assert_eq!((hub.subscribers_cut(), hub.has_subscribers()), (0, true));
    publish_at(&hub, start + STALL, "4");
    assert_eq!((hub.subscribers_cut(), hub.has_subscribers()), (1, false), "it is unregistered");
    assert_eq!(hub.lost().unwrap_or(0), 3);
    assert_eq!(drain(&mut stalled), ["1"]);
    assert!(stalled.lines.is_closed(), "its stream ends");
    stalled.cut_off();
    assert_eq!(hub.subscribers_cut(), 1, "counted once");
}

#[test]
fn a_subscriber_that_is_cut_off_is_counted_and_one_that_leaves_is_not() {
    let hub = Hub::new(2, 1);
    let subscribe = || hub.subscribe(Filter::default(), Vec::new()).expect("room");
    let (stalled, leaving) = (subscribe(), subscribe());
    stalled.cut_off();
    assert_eq!((hub.subscribers_cut(), hub.has_subscribers()), (1, true));
    drop((stalled, leaving));
    assert_eq!((hub.subscribers_cut(), hub.has_subscribers()), (1, false));
}
