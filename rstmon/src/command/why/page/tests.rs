use super::{PageLayout, page};
use crate::{
    command::why::{
        report::{
            WhyReport,
            testing::{counted, report, seen},
        },
        source::OverloadedPort,
        testing::{event, received_from},
    },
    event::{Event, filter::Filter, span::TimeSpan},
    explain::{Cause, render::style::strip},
    query::{Origin, RecordingNames, covered::CoveredSpan},
    sink::history::HistoryExtent,
};
use jiff::tz::TimeZone;
use serde_json::json;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr as _;

const UTC: &TimeZone = &TimeZone::UTC;

fn layout(colour: bool, width: usize) -> PageLayout<'static> {
    PageLayout { zone: UTC, colour, width, explain: false }
}

fn laid_out(report: &WhyReport) -> String {
    page(report, layout(false, 80))
}

fn of(events: Vec<Arc<Event>>) -> String {
    laid_out(&report(events, &[]))
}

/// Without the line breaks, so that a phrase can be looked for.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn assert_says(text: &str, parts: &[&str]) {
    let flat = flat(text);
    for part in parts {
        assert!(flat.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn no_resets_is_said_with_what_would_have_been_seen() {
    let text = of(Vec::new());
    assert!(
        text.starts_with(
            "No resets in the last 10.0 min, since 02:51:00.\nFrom 02:51:00 to 03:01:00 (2026-11-21, UTC+00:00);"
        ),
        "{text}"
    );
    assert_says(&text, &["Every RST that this host's kernel sent or accepted since the daemon started would be here"]);
    assert!(!text.contains("see below"), "{text}");
    let mut hiding = seen(Vec::new());
    hiding.hidden = vec!["received resets".to_owned()];
    let text = laid_out(&WhyReport::new(hiding, &Filter::default()));
    assert_says(&text, &["but for what is hidden (see below)", "On this host is hidden: received resets."]);
}

#[test]
fn a_filter_that_leaves_nothing_says_how_much_it_left_out() {
    let events = vec![event(Some("java"), "peer_reset", "received", 1, &json!({}))];
    let text = laid_out(&report(events, &["process=nginx"]));
    assert!(
        text.starts_with("No resets in the last 10.0 min, since 02:51:00. The filter left out 1 reset.\n"),
        "{text}"
    );
    assert!(!text.contains("would be here"), "{text}");
}

#[test]
fn a_finding_has_owner_count_evidence_and_remedies() {
    let state = json!({"state": "established", "role": "accepted"});
    let events = (1..=3).map(|s| event(Some("java"), "closed_with_unread_data", "sent", s, &state)).collect();
    let text = of(events);
    let expected = "\
3 resets in the last 10.0 min, since 02:51:00: 3 harmful.
From 02:51:00 to 03:01:00 (2026-11-21, UTC+00:00); seen by the daemon at
/run/test.sock.

1. Closed with received data still unread
   cause    closed_with_unread_data (harmful, certain)
   who      java[7], port 8080
   how many 3 resets since 03:00:01, the last at 03:00:03 (57.0 s ago)
   with     10.0.0.2
   evidence the evidence
            (03:00:03, 10.0.0.1:8080 -> 10.0.0.2:4000, kernel reason tcp_state,
            state established)
   here     No error
   peer     Connection reset, while reading (ECONNRESET)
              Java    java.net.SocketException: Connection reset
";
    assert!(text.starts_with(expected), "found:\n{text}\nexpected:\n{expected}");
    assert_says(
        &text,
        &[
            "or Broken pipe, while writing (EPIPE)",
            "do 1. Read the request to its end",
            "Tomcat: maxSwallowSize",
            "More: rstmon causes closed_with_unread_data",
            "Where a number is not said to be counted, it is of remembered events.",
        ],
    );
}

#[test]
fn the_rule_and_its_facts_are_explained_on_request() {
    let verdict = json!({"verdict": {"rule": "closed_with_unread_data", "facts": ["role=accepted", "unread"]}});
    let explained = |more| {
        let report = report(vec![event(Some("java"), "closed_with_unread_data", "sent", 1, more)], &[]);
        page(&report, PageLayout { explain: true, ..layout(false, 80) })
    };
    assert_says(&explained(&verdict), &["rule closed_with_unread_data", "facts role=accepted, unread"]);
    assert_says(&explained(&json!({})), &["rule not recorded"]);
    assert!(!of(vec![event(Some("java"), "refused", "sent", 1, &verdict)]).contains("facts"));
}

#[test]
fn a_cause_of_a_newer_version_is_shown_as_it_is() {
    let newer = json!({"cause": "eaten_by_a_grue", "sentence": "web[7] was eaten"});
    let text = of(vec![event(Some("web"), "refused", "received", 1, &newer)]);
    assert_says(&text, &["cause eaten_by_a_grue (notice", "evidence web[7] was eaten"]);
}

#[test]
fn both_ends_are_named_in_one_finding() {
    let sent = event(Some("web"), "closed_with_unread_data", "sent", 1, &json!({}));
    let received = received_from(&sent, Some("curl"), "peer_reset", 1);
    let text = of(vec![received, sent]);
    assert_says(
        &text,
        &["1 reset in the last 10.0 min, since 02:51:00: 1 harmful.", "received on this host by curl[7]"],
    );
    assert!(!text.contains("\n2. "), "{text}");
}

#[test]
fn the_same_cause_and_the_same_words_are_shown_once() {
    let events = vec![
        event(Some("java"), "closed_with_unread_data", "sent", 1, &json!({})),
        event(Some("web"), "closed_with_unread_data", "sent", 2, &json!({})),
        event(Some("job"), "linger_abort", "sent", 3, &json!({})),
    ];
    let text = of(events);
    assert_eq!(text.matches("java.net.SocketException: Connection reset\n").count(), 1, "{text}");
    assert_says(&text, &["do as in 1", "peer Connection reset, while reading (ECONNRESET), as in 1"]);
}

#[test]
fn many_findings_end_in_short_lines() {
    let of_port = |port: u16| event(Some("java"), "linger_abort", "sent", 1, &json!({"service_port": port}));
    let text = of((1..=40).map(of_port).collect());
    assert_says(&text, &["30 more findings", "- 1 linger_abort: java[7], port 30", "and 10 more"]);
    assert!(!text.contains("\n11. "), "{text}");
}

#[test]
fn noise_gets_a_line_a_cause() {
    let events = (1..=3).map(|s| event(Some("lb"), "reset_while_closing", "received", s, &json!({}))).collect();
    let text = of(events);
    assert_says(
        &text,
        &[
            "3 resets in the last 10.0 min, since 02:51:00: 3 benign.",
            "- 3 reset_while_closing:",
            "(benign); port 8080; from 1 address",
        ],
    );
    assert!(!text.contains("\n1. "), "{text}");
}

#[test]
fn full_queues_and_losses_are_said() {
    let mut seen = seen(vec![event(Some("java"), "linger_abort", "sent", 1, &json!({}))]);
    seen.origin = Origin::Local;
    seen.lost = Some(12);
    seen.memory_full = true;
    seen.overflows.insert("ListenOverflows", 4);
    seen.listeners.push(OverloadedPort { port: 8080, backlog: 129, limit: 128, drops: 9 });
    let text = laid_out(&WhyReport::new(seen, &Filter::default()));
    assert_says(
        &text,
        &[
            "(ListenOverflows grew by 4)",
            "- port 8080: 9 dropped, 129 waiting now, limit 128",
            "12 events came too fast and are missing",
            "Its oldest event is of 03:00:01.",
        ],
    );
    assert!(!text.contains("/metrics"), "no daemon serves metrics here: {text}");
}

#[test]
fn a_span_that_has_passed_is_not_called_the_last_minutes() {
    let mut seen = seen(vec![event(Some("java"), "linger_abort", "sent", 1, &json!({}))]);
    seen.ends_now = false;
    let at = |time: &str| time.parse().expect("a time");
    let extent = HistoryExtent { complete_since: at("2026-11-21T02:55:00Z"), has_forgotten: true };
    seen.covered = Some(CoveredSpan::of_memory(extent, at("2026-11-22T00:00:00Z")));
    seen.memory_full = true;
    let text = laid_out(&WhyReport::new(seen, &Filter::default()));
    assert_says(
        &text,
        &[
            "1 reset in 10.0 min: 1 notice.",
            "how many 1 reset, at 03:00:01 with 10.0.0.2",
            "Before 02:55:00 no events are kept: the memory has no room for them",
        ],
    );
    assert!(!text.contains("The memory of events is full"), "it is said once: {text}");
}

#[test]
fn counts_from_the_start_of_the_daemon_leave_no_gap() {
    let at = |time: &str| time.parse().expect("a time");
    let series = json!([{"direction": "sent", "cause": "linger_abort", "severity": "notice", "reason": "tcp_state",
        "process": "java", "port": 8080, "total": 1}]);
    let mut seen = counted(vec![event(Some("java"), "linger_abort", "sent", 1, &json!({}))], &series);
    // The memory began a moment after the counts.
    let extent = HistoryExtent { complete_since: at("2026-11-21T02:55:00.1Z"), has_forgotten: false };
    let mut covered = CoveredSpan::of_memory(extent, seen.until);
    covered.begin_with(seen.since);
    seen.covered = Some(covered);
    let text = laid_out(&WhyReport::new(seen, &Filter::default()));
    assert_says(&text, &["1 reset counted since 02:55:00, when the daemon started, all remembered"]);
    assert!(!text.contains("nothing is kept"), "{text}");
}

#[test]
fn a_recording_is_called_one_where_all_of_it_is_shown() {
    let page = |since: &str| {
        let mut seen = seen(vec![event(Some("java"), "linger_abort", "sent", 1, &json!({}))]);
        (seen.origin, seen.ends_now) = (Origin::Recording(RecordingNames(vec!["night.json".into()])), false);
        let since = since.parse().expect("a time");
        seen.covered = Some(CoveredSpan::of_recording(TimeSpan { since, until: seen.until }));
        laid_out(&WhyReport::new(seen, &Filter::default()))
    };
    assert_says(&page("2026-11-21T02:51:00Z"), &["1 reset in the 10.0 min of the recording: 1 notice."]);
    assert_says(&page("2026-11-21T02:00:00Z"), &["1 reset in 10.0 min: 1 notice."]);
}

#[test]
fn nothing_before_the_start_of_the_daemon_is_no_answer() {
    let seen = |complete_since: &str| {
        let complete_since = complete_since.parse().expect("a time");
        let mut seen = seen(Vec::new());
        let extent = HistoryExtent { complete_since, has_forgotten: false };
        seen.covered = Some(CoveredSpan::of_memory(extent, seen.until));
        laid_out(&WhyReport::new(seen, &Filter::default()))
    };
    let (whole, part, none) =
        (seen("2026-11-21T02:51:00Z"), seen("2026-11-21T02:52:00Z"), seen("2026-11-21T03:02:00Z"));
    assert_says(&whole, &["accepted in this time would be here"]);
    assert_says(&part, &["accepted since the daemon started would be here", "Before 02:52:00 nothing is kept"]);
    assert_says(&none, &["Before 03:02:00 nothing is kept: the daemon started then."]);
    assert!(!none.contains("would be here") && !whole.contains("nothing is kept"), "{none}{whole}");
}

#[test]
fn a_memory_of_nothing_does_not_say_that_nothing_happened() {
    let mut seen = seen(Vec::new());
    seen.memory_full = true;
    let text = laid_out(&WhyReport::new(seen, &Filter::default()));
    assert_says(&text, &["No events are remembered (history.events is 0)"]);
    assert!(!text.contains("would be here"), "{text}");
}

#[test]
fn hostile_names_cannot_touch_the_terminal() {
    let hostile = "a\u{1b}[2Jb\u{202e}`c`\n9. d";
    let owner = json!({
        "owner": {"process": hostile, "pid": 7, "provenance": "current", "unit": hostile, "container": hostile},
        "sentence": format!("{hostile}[7] closed"),
    });
    let sent = event(Some(hostile), "closed_with_unread_data", "sent", 1, &owner);
    let received = received_from(&sent, Some(hostile), "peer_reset", 1);
    let text = of(vec![sent, received]);
    assert!(!text.contains(['\u{1b}', '\u{202e}', '`']), "{text:?}");
    assert!(!text.contains("\n9."), "a name must not begin a line: {text}");
    assert_says(&text, &["a?[2Jb?'c'?9. d[7]"]);
}

#[test]
fn no_line_is_wider_than_the_terminal_or_ends_in_white_space() {
    for direction in ["sent", "received"] {
        for width in [60, 80, 140] {
            for cause in Cause::ALL {
                let report = report(vec![event(Some("nginx"), cause.id(), direction, 1, &json!({}))], &[]);
                let text = page(&report, layout(false, width));
                assert_eq!(strip(&page(&report, layout(true, width))), text, "colour changes only the colour");
                for line in text.lines() {
                    let one_word = line.trim().split(' ').count() == 1;
                    assert!(line.width() <= width || one_word, "{width}: {line:?}");
                    assert_eq!(line, line.trim_end());
                }
            }
        }
    }
}

#[test]
fn wide_names_stay_within_the_width() {
    let wide = "プロセスの名前🦀".repeat(12);
    let spaced = "日本語の 単位 ".repeat(12);
    let owner = json!({
        "owner": {"process": wide, "pid": 7, "provenance": "current", "unit": spaced, "container": wide},
        "sentence": format!("{wide}[7] closed the connection of {spaced}"),
    });
    let sent = event(Some("web"), "closed_with_unread_data", "sent", 1, &owner);
    let received = received_from(&sent, Some(&wide), "peer_reset", 1);
    let mut seen = seen(vec![sent, received]);
    seen.hidden = vec![wide.clone()];
    let report = WhyReport::new(seen, &Filter::default());
    for width in [60, 61, 80, 100, 140] {
        let text = page(&report, layout(false, width));
        for line in text.lines() {
            let one_narrow_word = line.is_ascii() && line.trim().split(' ').count() == 1;
            assert!(line.width() <= width || one_narrow_word, "{} columns at {width}: {line}", line.width());
        }
        let kept: String = text.split_whitespace().collect();
        assert!(kept.contains(&format!("{wide}[7],unit")), "a broken name loses nothing: {text}");
    }
}

/// Aborts of java at port 8080, of which so many were counted.
fn aborts(remembered: u8, counted_aborts: u64) -> WhyReport {
    let events = (1..=remembered).map(|s| event(Some("java"), "linger_abort", "sent", s, &json!({}))).collect();
    let series = json!([{"direction": "sent", "cause": "linger_abort", "severity": "notice", "reason": "tcp_state",
        "process": "java", "port": 8080, "total": counted_aborts}]);
    WhyReport::new(counted(events, &series), &Filter::default())
}

#[test]
fn the_first_line_says_what_was_covered_counted_and_remembered() {
    let text = laid_out(&aborts(2, 756_772));
    let first =
        "756772 resets counted since 02:55:00, when the daemon started, 2 of them remembered and explained: 2 notice.";
    assert!(flat(&text).starts_with(first), "{text}");
    assert_says(&text, &["how many 756772 counted, 2 remembered since 03:00:01, the last at 03:00:02"]);
    assert!(!text.contains("it is of remembered events"), "{text}");
    let text = laid_out(&aborts(2, 2));
    assert_says(
        &text,
        &["2 resets counted since 02:55:00, when the daemon started, all remembered and explained: 2 notice."],
    );
    assert_says(&text, &["how many 2 resets since 03:00:01"]);
    let text = laid_out(&aborts(0, 7));
    assert_says(&text, &["7 resets counted since 02:55:00, when the daemon started; none of them is remembered."]);
    assert!(!text.contains("would be here"), "{text}");
}

#[test]
fn a_reset_between_two_processes_counts_at_both_ends() {
    let sent = event(Some("web"), "closed_with_unread_data", "sent", 1, &json!({}));
    let received = received_from(&sent, Some("curl"), "peer_reset", 1);
    let series = |direction| json!({"direction": direction, "reason": "tcp_state", "total": 1});
    let counted = counted(vec![sent, received], &json!([series("sent"), series("received")]));
    let text = laid_out(&WhyReport::new(counted, &Filter::default()));
    assert_says(&text, &["2 resets counted", "all remembered and explained: 1 harmful. A reset between two processes"]);
}

#[test]
fn what_the_counts_do_not_cover_is_said() {
    let mut seen = counted(vec![event(Some("java"), "linger_abort", "sent", 1, &json!({}))], &json!([]));
    seen.lost = Some(3);
    if let Some(counts) = &mut seen.counts {
        counts.since = "2026-11-21T02:59:00Z".parse().expect("a time");
        counts.network_namespaces = 3;
    }
    let text = laid_out(&WhyReport::new(seen, &Filter::default()));
    assert_says(
        &text,
        &[
            "The counts go back to 02:59:00 only.",
            "3 events came too fast and are not remembered; their resets are counted.",
            "Listeners of 2 other network namespaces are not looked at.",
        ],
    );
}
