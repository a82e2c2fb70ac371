//! Durations as in `30s`, `10m`, `2h`, `1d`, `1m30s`: whole numbers with a unit, the largest unit first.

use std::time::Duration;

#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no duration; write it like 30s, 10m or 2h")]
pub(crate) struct DurationError {
    pub(crate) text: String,
}

/// The units with their seconds, from the largest down.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// Parses a duration; zero is an error.
pub(crate) fn parse(text: &str) -> Result<Duration, DurationError> {
    seconds(text)
        .filter(|&seconds| seconds > 0)
        .map(Duration::from_secs)
        .ok_or_else(|| DurationError { text: text.to_owned() })
}

fn seconds(text: &str) -> Option<u64> {
    let mut units = UNITS.iter();
    let mut rest = text.trim();
    let mut sum: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..end].parse().ok()?;
        let unit = rest[end..].chars().next()?;
        // The search continues after the previous unit, so that none occurs twice or out of order.
        let (_, seconds) = units.find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(number.checked_mul(*seconds)?)?;
        rest = rest[end + unit.len_utf8()..].trim_start();
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::parse;
    use std::time::Duration;

    #[test]
    fn durations_are_written_as_people_write_them() {
        for (text, seconds) in [
            ("90s", 90),
            ("10m", 600),
            ("2h", 7200),
            ("1d", 86_400),
            ("1m30s", 90),
            ("1h 30m", 5400),
            ("1d2h3m4s", 93_784),
        ] {
            assert_eq!(parse(text).ok(), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn other_text_is_refused_with_an_example() {
        for text in
            ["", " ", "soon", "-5m", "0s", "0d0s", "10", "1.5h", "m", "5x", "30s1m", "1m1m", "PT1M", "999999999999999d"]
        {
            let error = parse(text).map_or_else(|error| error.to_string(), |found| format!("accepted as {found:?}"));
            assert_eq!(error, format!("{text:?} is no duration; write it like 30s, 10m or 2h"));
        }
    }
}
