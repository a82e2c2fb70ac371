//! Names of segment files. Pure.
//!
//! An active segment is `events-0000000043.ndjson`. A closed one names the span of its lines:
//! `events-0000000043-20261128T021000Z-20261128T031000Z.ndjson.gz`; counts whose minutes were added up to ten minutes
//! end in `.10m.ndjson.gz`. Numbers only grow, so they give the order in which the store was written whatever the clock
//! did, and a segment keeps its number when it is compressed.

use crate::event::span::TimeSpan;
use jiff::{Timestamp, fmt::strtime, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SegmentKind {
    Events,
    Counts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentForm {
    Plain,
    Closed {
        /// From the first to the last time in the segment, extended to whole seconds.
        span: TimeSpan,
        /// Whether the lines are sums of ten minutes.
        is_coarse: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentName {
    pub(crate) kind: SegmentKind,
    pub(crate) number: u64,
    pub(crate) form: SegmentForm,
}

const FORMAT: &str = "%Y%m%dT%H%M%SZ";
const PLAIN: &str = ".ndjson";
const GZIP: &str = ".ndjson.gz";
const COARSE: &str = ".10m";

impl SegmentName {
    #[must_use]
    pub(crate) fn plain(kind: SegmentKind, number: u64) -> Self {
        Self { kind, number, form: SegmentForm::Plain }
    }

    /// The name of a closed segment; `span` is extended to whole seconds.
    #[must_use]
    pub(crate) fn closed(kind: SegmentKind, number: u64, span: TimeSpan, is_coarse: bool) -> Self {
        let whole = |second: i64| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
        let since = whole(span.since.as_second());
        let until = whole(span.until.as_second().saturating_add(1));
        Self { kind, number, form: SegmentForm::Closed { span: TimeSpan { since, until }, is_coarse } }
    }

    #[must_use]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = match text.split_once('-')? {
            ("events", rest) => (SegmentKind::Events, rest),
            ("counts", rest) => (SegmentKind::Counts, rest),
            _ => return None,
        };
        let Some(rest) = rest.strip_suffix(GZIP) else {
            return Some(Self::plain(kind, number(rest.strip_suffix(PLAIN)?)?));
        };
        let (rest, is_coarse) = rest.strip_suffix(COARSE).map_or((rest, false), |rest| (rest, true));
        let mut parts = rest.split('-');
        let (first, since, until) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || (is_coarse && kind != SegmentKind::Counts) {
            return None;
        }
        let span = TimeSpan { since: time(since)?, until: time(until)? };
        Some(Self { kind, number: number(first)?, form: SegmentForm::Closed { span, is_coarse } })
    }

    /// Of the files of one segment, the one with the highest rank is complete: it was renamed into place after it had
    /// been written, and the others are removed after that.
    #[must_use]
    pub(crate) fn rank(&self) -> u8 {
        match self.form {
            SegmentForm::Plain => 0,
            SegmentForm::Closed { is_coarse, .. } => 1 + u8::from(is_coarse),
        }
    }

    #[must_use]
    pub(crate) fn is_plain(&self) -> bool {
        self.form == SegmentForm::Plain
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, number, form } = self;
        write!(f, "{}-{number:010}", kind.as_str())?;
        match form {
            SegmentForm::Plain => f.write_str(PLAIN),
            SegmentForm::Closed { span, is_coarse } => {
                let coarse = if *is_coarse { COARSE } else { "" };
                write!(f, "-{}-{}{coarse}{GZIP}", span.since.strftime(FORMAT), span.until.strftime(FORMAT))
            }
        }
    }
}

impl SegmentKind {
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Counts => "counts",
        }
    }
}

fn number(text: &str) -> Option<u64> {
    (text.len() >= 10 && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn time(text: &str) -> Option<Timestamp> {
    let civil = strtime::parse(FORMAT, text).ok()?.to_datetime().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Splits the files of a directory into the segments, in the order in which they were written, and the files that a
/// complete one supersedes.
#[must_use]
pub(crate) fn resolve<T>(mut files: Vec<(SegmentName, T)>) -> (Vec<(SegmentName, T)>, Vec<SegmentName>) {
    files.sort_by_key(|(name, _)| (name.kind, name.number, std::cmp::Reverse(name.rank())));
    let (mut segments, mut superseded) = (Vec::<(SegmentName, T)>::new(), Vec::new());
    for (name, rest) in files {
        match segments.last() {
            Some((last, _)) if (last.kind, last.number) == (name.kind, name.number) => superseded.push(name),
            _ => segments.push((name, rest)),
        }
    }
    (segments, superseded)
}

#[cfg(test)]
mod tests {
    use super::{SegmentForm, SegmentKind, SegmentName, resolve};
    use crate::event::span::TimeSpan;

    fn span(since: &str, until: &str) -> TimeSpan {
        TimeSpan { since: since.parse().expect("a time"), until: until.parse().expect("a time") }
    }

    #[test]
    fn a_name_survives_the_file_system() {
        let night = span("2026-11-28T02:10:00.25Z", "2026-11-28T03:10:00.75Z");
        for name in [
            SegmentName::plain(SegmentKind::Events, 43),
            SegmentName::closed(SegmentKind::Events, 43, night, false),
            SegmentName::closed(SegmentKind::Counts, 12_345_678_901, night, true),
        ] {
            assert_eq!(SegmentName::parse(&name.to_string()), Some(name), "{name}");
        }
        let closed = SegmentName::closed(SegmentKind::Events, 43, night, false);
        assert_eq!(closed.to_string(), "events-0000000043-20261128T021000Z-20261128T031001Z.ndjson.gz");
        let SegmentForm::Closed { span, .. } = closed.form else { panic!("{closed:?}") };
        assert!(span.contains(night.since) && span.contains(night.until), "{span:?}");
    }

    #[test]
    fn other_files_are_no_segments() {
        for text in [
            "",
            "lock",
            "tmp-events-0000000001",
            "events-1.ndjson",
            "events-00000000x1.ndjson",
            "events-0000000001.gz",
            "events-0000000001-20261128T021000Z.ndjson.gz",
            "events-0000000001-20261128T021000Z-20261328T021000Z.ndjson.gz",
            "events-0000000001-20261128T021000Z-20261128T021000Z.10m.ndjson.gz",
            "damaged-events-0000000001",
        ] {
            assert_eq!(SegmentName::parse(text), None, "{text}");
        }
    }

    #[test]
    fn of_two_forms_of_a_segment_the_complete_one_counts() {
        let hour = span("2026-11-28T02:00:00Z", "2026-11-28T03:00:00Z");
        let files = [
            SegmentName::plain(SegmentKind::Counts, 1),
            SegmentName::plain(SegmentKind::Events, 2),
            SegmentName::plain(SegmentKind::Events, 1),
            SegmentName::closed(SegmentKind::Counts, 1, hour, true),
            SegmentName::closed(SegmentKind::Counts, 1, hour, false),
            SegmentName::closed(SegmentKind::Events, 1, hour, false),
        ];
        let (segments, superseded) = resolve(files.iter().map(|&name| (name, ())).collect());
        let segments: Vec<SegmentName> = segments.into_iter().map(|(name, ())| name).collect();
        assert_eq!(segments, [files[5], files[1], files[3]]);
        assert_eq!(superseded, [files[2], files[4], files[0]]);
    }
}
