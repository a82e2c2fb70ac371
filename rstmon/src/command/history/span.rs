//! `--since` and `--until` of `rstmon history`: a time, or how long ago.

use crate::{
    command::UsageError,
    event::span::TimeSpan,
    query::{DurationError, duration},
};
use jiff::{SignedDuration, Timestamp};

/// The span from `since` to `until`; without them, all of time.
pub(super) fn parse(since: Option<&str>, until: Option<&str>, now: Timestamp) -> Result<TimeSpan, UsageError> {
    let time = |text: Option<&str>, otherwise| text.map_or(Ok(otherwise), |text| time(text, now));
    let span = TimeSpan { since: time(since, Timestamp::MIN)?, until: time(until, Timestamp::MAX)? };
    Ok(span)
}

fn time(text: &str, now: Timestamp) -> Result<Timestamp, DurationError> {
    if text == "now" {
        return Ok(now);
    }
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let ago = duration::parse(text)?;
    Ok(SignedDuration::try_from(ago).ok().and_then(|ago| now.checked_sub(ago).ok()).unwrap_or(Timestamp::MIN))
}

#[cfg(test)]
mod tests {
    use super::{Timestamp, parse};

    #[test]
    fn a_time_or_how_long_ago() {
        let now: Timestamp = "2026-11-28T03:00:00Z".parse().expect("a time");
        let span = parse(Some("2h"), Some("now"), now).expect("a span");
        assert_eq!((span.since.to_string().as_str(), span.until), ("2026-11-28T01:00:00Z", now));
        let span = parse(Some("2026-11-27T00:00:00+01:00"), None, now).expect("a span");
        assert_eq!((span.since.to_string().as_str(), span.until), ("2026-11-26T23:00:00Z", Timestamp::MAX));
        assert!(parse(Some("soon"), None, now).is_err());
    }
}
