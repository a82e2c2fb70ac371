//! The times of a command line: the input is the texts of `--since`, `--until` and `--at`, one a line.
//!
//! Holds, in zones whose clocks change at different times and seen from around these changes: a refusal is one harmless
//! line; a span begins at the present at the latest, and does not end before it begins; a time that is printed with its
//! offset is read back.

use super::harmless::assert_harmless;
use crate::query::time::{AskedSpan, TimeReader, TimeTexts};
use jiff::{Timestamp, tz::TimeZone};

/// One without changes, one that changes at night, and one that is put back over midnight.
const ZONES: [&str; 3] = ["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "NST3:30NDT,M4.1.0/0:01,M10.5.0/0:01"];
/// Within the hours that come twice or not at all, beside them, and at the ends of time.
const PRESENTS: [&str; 7] = [
    "2026-03-29T01:30:00Z",
    "2026-10-25T00:59:59Z",
    "2026-10-25T01:30:00Z",
    "2026-10-25T02:45:00Z",
    "2026-11-28T09:00:00.5Z",
    "-009999-01-02T01:59:59Z",
    "9999-12-30T22:00:00Z",
];

/// Reads each text alone, and the first two as a span.
pub(crate) fn run(bytes: &[u8]) {
    // The arguments of a command contain no NUL.
    let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0')) else { return };
    let mut lines = text.lines();
    let [since, until, at] = [lines.next(), lines.next(), lines.next()];
    for zone in ZONES {
        let zone = TimeZone::posix(zone).expect("a zone");
        for now in PRESENTS {
            let now: Timestamp = now.parse().expect("a time");
            let reader = TimeReader::present(now, zone.clone());
            for texts in [
                TimeTexts { since, ..TimeTexts::default() },
                TimeTexts { until, ..TimeTexts::default() },
                TimeTexts { since, until, at: None },
                TimeTexts { at, ..TimeTexts::default() },
            ] {
                check(&reader, texts, now, &zone);
            }
        }
    }
}

fn check(reader: &TimeReader, texts: TimeTexts<'_>, now: Timestamp, zone: &TimeZone) {
    let found = reader.span(texts);
    assert_eq!(reader.span(texts), found, "the same texts, another span: {texts:?}");
    assert!(texts.depend_on_now().is_ok() || found.is_err(), "{texts:?} is refused only once");
    match found {
        Err(error) => assert_harmless("the error", &error.to_string()),
        Ok(AskedSpan { since, until }) => {
            assert!(since.is_none_or(|since| since <= now), "{texts:?} begins at {since:?}, after {now}");
            let is_ordered = since.zip(until).is_none_or(|(since, until)| since <= until);
            assert!(is_ordered, "{texts:?} is from {since:?} to {until:?}");
            for time in [since, until].into_iter().flatten().filter(|time| time.as_second() > 0) {
                let written = time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%.f%:z").to_string();
                let texts = TimeTexts { until: Some(&written), ..TimeTexts::default() };
                assert_eq!(reader.span(texts).map(|span| span.until), Ok(Some(time)), "written as {written}");
            }
        }
    }
}
