//! Durations in Go's notation: `1s`, `500ms`, `1m30s`, `1.5h`, `0`.

use std::time::Duration;

const UNITS: [(&str, f64); 7] =
    [("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// `None` for text that Go's `time.ParseDuration` refuses, and for a negative duration.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, after) = split(rest, |character| character.is_ascii_digit() || character == '.');
        let (unit, after) = split(after, |character| !character.is_ascii_digit() && character != '.');
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == unit)?;
        seconds += number.parse::<f64>().ok()? * unit;
        rest = after;
    }
    (!text.is_empty()).then(|| Duration::try_from_secs_f64(seconds).ok()).flatten()
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|character| !belongs(character)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_gos_notation_and_nothing_else() {
        assert_eq!(parse("0"), Some(Duration::ZERO));
        assert_eq!(parse("1s"), Some(Duration::from_secs(1)));
        assert_eq!(parse("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(parse("1m30s"), Some(Duration::from_secs(90)));
        assert_eq!(parse("1.5h"), Some(Duration::from_mins(90)));
        for wrong in ["", "1", "s", "-1s", "1d", "1 s", "1s2", "1e9999h", "..s"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
