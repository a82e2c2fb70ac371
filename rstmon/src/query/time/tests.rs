//! Spans of texts, at ordinary times and where clocks are changed.

use super::{AskedSpan, TimeError, TimeReader, TimeTexts};
use jiff::{Timestamp, tz::TimeZone};
use proptest::prelude::*;

/// Berlin puts its clocks forward on 29 March 2026 at 02:00 (01:00 UTC), and back on 25 October at 03:00 (01:00 UTC).
const BERLIN: &str = "CET-1CEST,M3.5.0,M10.5.0/3";
/// Its clocks are put back over midnight, at 00:01.
const OVER_MIDNIGHT: &str = "NST3:30NDT,M4.1.0/0:01,M10.5.0/0:01";

fn zone(posix: &str) -> TimeZone {
    TimeZone::posix(posix).expect("a zone")
}

fn reader(now: &str, posix: &str) -> TimeReader {
    TimeReader::present(now.parse().expect("a time"), zone(posix))
}

fn texts<'a>(since: &'a str, until: &'a str, at: &'a str) -> TimeTexts<'a> {
    let given = |text: &'a str| (!text.is_empty()).then_some(text);
    TimeTexts { since: given(since), until: given(until), at: given(at) }
}

/// `since..until` in UTC, or the error.
fn span(now: &str, posix: &str, (since, until, at): (&str, &str, &str)) -> String {
    let written = |time: Option<Timestamp>| time.map_or_else(String::new, |time| time.to_string());
    match reader(now, posix).span(texts(since, until, at)) {
        Ok(AskedSpan { since, until }) => format!("{}..{}", written(since), written(until)),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_bare_time_is_the_last_one_that_passed() {
    // 10:00 in Berlin.
    let berlin = |flags| span("2026-11-28T09:00:00Z", BERLIN, flags);
    assert_eq!(berlin(("03:12", "", "")), "2026-11-28T02:12:00Z..");
    assert_eq!(berlin(("10:00", "", "")), "2026-11-28T09:00:00Z..");
    assert_eq!(berlin(("10:00:01", "", "")), "2026-11-27T09:00:01Z..");
    assert_eq!(berlin(("22:00", "03:12", "")), "2026-11-27T21:00:00Z..2026-11-28T02:12:00Z");
    assert_eq!(berlin(("", "", "03:12")), "2026-11-28T02:07:00Z..2026-11-28T02:17:00Z");
    // Seen from the end of the span: at 10:00, 09:00 to 11:00 is yesterday's.
    assert_eq!(berlin(("09:00", "11:00", "")), "2026-11-27T08:00:00Z..2026-11-27T10:00:00Z");
    assert_eq!(berlin(("10m", "5m", "")), "2026-11-28T08:50:00Z..2026-11-28T08:55:00Z");
}

#[test]
fn days_and_dates_are_local() {
    let berlin = |flags| span("2026-11-28T09:00:00Z", BERLIN, flags);
    assert_eq!(berlin(("yesterday 22:00", "now", "")), "2026-11-27T21:00:00Z..2026-11-28T09:00:00Z");
    assert_eq!(berlin(("yesterday", "today", "")), "2026-11-26T23:00:00Z..2026-11-27T23:00:00Z");
    assert_eq!(berlin(("2026-11-20", "2026-11-20 12:00", "")), "2026-11-19T23:00:00Z..2026-11-20T11:00:00Z");
    assert_eq!(berlin(("2026-11-20T12:00:00Z", "", "")), "2026-11-20T12:00:00Z..");
    assert_eq!(berlin(("", "", "yesterday")), "2026-11-26T23:00:00Z..2026-11-27T22:59:59.999999999Z");
    assert_eq!(berlin(("", "", "today 03:12")), "2026-11-28T02:07:00Z..2026-11-28T02:17:00Z");
    // In UTC it is another hour, and near midnight another day.
    assert_eq!(span("2026-11-27T23:30:00Z", "UTC0", ("yesterday", "", "")), "2026-11-26T00:00:00Z..");
    assert_eq!(span("2026-11-27T23:30:00Z", BERLIN, ("yesterday", "", "")), "2026-11-26T23:00:00Z..");
}

#[test]
fn a_time_that_came_twice_is_covered_whole() {
    let berlin = |now, flags| span(now, BERLIN, flags);
    // 02:30 is at 00:30 and at 01:30 UTC.
    let now = "2026-10-25T12:00:00Z";
    assert_eq!(berlin(now, ("02:30", "", "")), "2026-10-25T00:30:00Z..");
    assert_eq!(berlin(now, ("2026-10-25 02:30", "2026-10-25 02:30", "")), "2026-10-25T00:30:00Z..2026-10-25T01:30:00Z");
    assert_eq!(berlin(now, ("", "", "02:30")), "2026-10-25T00:25:00Z..2026-10-25T01:35:00Z");
    assert_eq!(berlin(now, ("2026-10-25T02:30:00+01:00", "", "")), "2026-10-25T01:30:00Z..");
    // Between both, only the first has passed.
    assert_eq!(berlin("2026-10-25T01:10:00Z", ("", "02:30", "")), "..2026-10-25T00:30:00Z");
    // A day of 25 hours.
    assert_eq!(berlin(now, ("", "", "2026-10-25")), "2026-10-24T22:00:00Z..2026-10-25T22:59:59.999999999Z");
}

#[test]
fn a_time_that_was_skipped_is_when_the_clocks_were_put_forward() {
    let berlin = |flags| span("2026-03-29T12:00:00Z", BERLIN, flags);
    assert_eq!(berlin(("02:30", "", "")), "2026-03-29T01:00:00Z..");
    assert_eq!(berlin(("01:59:59", "03:00", "")), "2026-03-29T00:59:59Z..2026-03-29T01:00:00Z");
    assert_eq!(berlin(("", "", "2026-03-29 02:30")), "2026-03-29T00:55:00Z..2026-03-29T01:05:00Z");
    // A day of 23 hours; yesterday's noon is 24 hours before today's eleven.
    assert_eq!(berlin(("", "", "2026-03-29")), "2026-03-28T23:00:00Z..2026-03-29T21:59:59.999999999Z");
    assert_eq!(berlin(("yesterday 12:00", "1d", "")), "2026-03-28T11:00:00Z..2026-03-28T12:00:00Z");
}

#[test]
fn clocks_put_back_over_midnight_have_shown_the_next_day() {
    // At 02:31 UTC it was 00:01 on the 25th and became 23:01 on the 24th again.
    let found = span("2026-10-25T03:00:00Z", OVER_MIDNIGHT, ("00:00:30", "", ""));
    assert_eq!(found, "2026-10-25T02:30:30Z..");
    assert_eq!(span("2026-10-25T03:00:00Z", OVER_MIDNIGHT, ("23:30", "", "")), "2026-10-25T02:00:00Z..");
    assert_eq!(span("2026-10-25T03:00:00Z", OVER_MIDNIGHT, ("", "23:30", "")), "..2026-10-25T03:00:00Z");
}

#[test]
fn spans_that_cannot_be_say_why() {
    let berlin = |flags| span("2026-11-28T09:00:00Z", BERLIN, flags);
    assert_eq!(
        berlin(("2026-11-29", "", "")),
        "--since \"2026-11-29\" begins in the future, at 2026-11-29 00:00:00+01:00; now is 2026-11-28 10:00:00+01:00"
    );
    assert!(berlin(("", "", "today 10:06")).starts_with("--at \"today 10:06\" begins in the future"));
    assert_eq!(
        berlin(("1h", "2h", "")),
        "the span ends before it begins: --since is 2026-11-28 09:00:00+01:00, --until is 2026-11-28 08:00:00+01:00"
    );
    assert_eq!(berlin(("", "", "now")), "2026-11-28T08:55:00Z..2026-11-28T09:05:00Z");
    assert!(berlin(("-9999-01-01", "", "")).contains("is no time"));
    // A recording has no future: what lies beyond its end is said in the answer.
    let end = "2026-11-21T09:00:00Z".parse().expect("a time");
    let recorded = TimeReader::of_recording(end, zone(BERLIN)).span(texts("2026-11-28", "", ""));
    assert!(recorded.is_ok(), "{recorded:?}");
}

#[test]
fn a_duration_longer_than_time_begins_with_it() {
    let found = span("2026-11-28T09:00:00Z", BERLIN, ("99999999999d", "", ""));
    assert_eq!(found, format!("{}..", Timestamp::MIN));
}

#[test]
fn texts_that_need_the_present_are_known() {
    let depends = |since: &str| texts(since, "", "").depend_on_now();
    for text in ["10m", "03:12", "yesterday", "today 03:12", "now"] {
        assert_eq!(depends(text), Ok(true), "{text}");
    }
    assert_eq!((depends("2026-11-27 03:12"), depends("2026-11-27T03:12:00Z")), (Ok(false), Ok(false)));
    assert!(matches!(depends("noon"), Err(TimeError::Form { .. })));
}

/// Texts that have the form of a time, more or less.
fn time_like() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{1,5}[smhdw]",
        "[0-9]{1,2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,10})?)?",
        "(yesterday|today)( [0-9]{2}:[0-9]{2})?",
        "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([tT ][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?(z|[+-][0-9]{2}:?[0-9]{2})?",
        "[-0-9:.tz+ anowdyestr]{0,20}",
        any::<String>(),
    ]
}

fn any_now() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_second()..=Timestamp::MAX.as_second())
        .prop_map(|second| Timestamp::from_second(second).expect("within the range"))
}

/// Presents around the changes of the clocks, in half minutes.
fn near_a_change() -> impl Strategy<Value = Timestamp> {
    let changes = ["2026-03-29T01:00:00Z", "2026-10-25T01:00:00Z", "2026-04-05T03:31:00Z", "2026-10-25T02:31:00Z"];
    (prop::sample::select(changes.to_vec()), -6000..6000_i64).prop_map(|(change, half_minutes)| {
        let change: Timestamp = change.parse().expect("a time");
        Timestamp::from_second(change.as_second() + half_minutes * 30).expect("within the range")
    })
}

proptest! {
    /// Any text, at any time, in any of the zones: an answer or a harmless error, and the same one twice.
    #[test]
    fn no_text_panics(since in time_like(), until in time_like(), at in time_like(), now in any_now(), posix in
        prop::sample::select(vec![BERLIN, OVER_MIDNIGHT, "UTC0", "XXX-14", "XXX12"]))
    {
        let reader = TimeReader::present(now, zone(posix));
        for flags in [texts(&since, "", ""), texts("", &until, ""), texts(&since, &until, ""), texts("", "", &at)] {
            let found = reader.span(flags);
            prop_assert_eq!(&reader.span(flags), &found);
            match found {
                Ok(AskedSpan { since, until }) => {
                    prop_assert!(since.is_none_or(|since| since <= now));
                    prop_assert!(since.zip(until).is_none_or(|(since, until)| since <= until));
                }
                Err(error) => prop_assert!(!error.to_string().contains(crate::model::text::is_unsafe), "{error}"),
            }
        }
    }

    /// A bare time is at most now, shows on the clock that it names (unless it was skipped), and did not show since.
    #[test]
    fn the_last_one_that_passed_is_the_last(now in near_a_change(), minute in 0..24 * 60_i32, posix in
        prop::sample::select(vec![BERLIN, OVER_MIDNIGHT]))
    {
        let (zone, text) = (zone(posix), format!("{:02}:{:02}", minute / 60, minute % 60));
        let found = TimeReader::present(now, zone.clone()).span(texts("", &text, "")).expect("a time");
        let found = found.until.expect("it was given");
        prop_assert!(found <= now);
        let shown = |time: Timestamp| time.to_zoned(zone.clone()).strftime("%H:%M:%S").to_string();
        let wanted = format!("{text}:00");
        let before = Timestamp::from_second(found.as_second() - 1).expect("within the range");
        let skipped = shown(before) < wanted && shown(found) > wanted;
        prop_assert!(shown(found) == wanted || skipped, "{} for {wanted}", shown(found));
        for second in (found.as_second() + 1..=now.as_second()).step_by(1).filter(|second| second % 30 == 0) {
            let time = Timestamp::from_second(second).expect("within the range");
            prop_assert_ne!(shown(time), wanted.clone(), "shown again at {}", time);
        }
    }

    /// A time that was printed is read back.
    #[test]
    fn what_is_printed_is_read_back(now in near_a_change(), ago in 0..1_000_000_i64) {
        let time = Timestamp::from_second(now.as_second() - ago).expect("within the range");
        let zone = zone(BERLIN);
        let reader = TimeReader::present(now, zone.clone());
        let read = |text: &str| reader.span(texts(text, text, "")).map(|span| span.span());
        let exact = super::error::written(time, &zone);
        let found = read(&exact).expect("a time");
        prop_assert_eq!((found.since, found.until), (time, time));
        let local = time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
        prop_assert!(read(&local).expect("a time").contains(time), "{}", local);
    }
}
