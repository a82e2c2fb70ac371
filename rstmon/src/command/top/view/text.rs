//! Text and numbers made fit for a column. Names are chosen by others: nothing in them may steer the terminal, and a
//! wide character counts as the two columns that it takes.

use super::look::Look;
pub(crate) use crate::model::text::safe;
use jiff::Timestamp;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that a text takes.
#[must_use]
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// A text in exactly `columns` columns, cut or padded; made [`safe`].
#[must_use]
pub(crate) fn fit(text: &str, columns: usize, look: &Look) -> String {
    let mut text = cut(text, columns, look);
    text.extend(std::iter::repeat_n(' ', columns - width(&text)));
    text
}

/// The same, at the right end of the columns.
#[must_use]
pub(crate) fn fit_right(text: &str, columns: usize, look: &Look) -> String {
    let text = cut(text, columns, look);
    let padding = columns - width(&text);
    format!("{}{text}", " ".repeat(padding))
}

/// A text in at most `columns` columns, with a mark where it was cut; made [`safe`].
#[must_use]
pub(crate) fn cut(text: &str, columns: usize, look: &Look) -> String {
    let text = safe(text);
    if width(&text) <= columns {
        return text;
    }
    let mark = look.ellipsis();
    let Some(room) = columns.checked_sub(width(mark)) else { return String::new() };
    let mut taken = 0;
    let kept = text.chars().take_while(|character| {
        taken += character.width().unwrap_or(0);
        taken <= room
    });
    kept.collect::<String>() + mark
}

/// Resets a second, in at most six columns.
#[must_use]
pub(crate) fn rate(rate: Option<f64>) -> String {
    match rate {
        None => "-".to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(rate) if rate < 9.95 => format!("{rate:.1}"),
        Some(rate) if rate < 9999.5 => format!("{rate:.0}"),
        Some(rate) if rate < 999_500.0 => format!("{:.0}k", rate / 1e3),
        Some(rate) => format!("{:.1}M", rate / 1e6),
    }
}

/// A count: exact while it fits in `columns`, else rounded.
#[must_use]
pub(crate) fn count(count: u64, columns: usize) -> String {
    let exact = count.to_string();
    if exact.len() <= columns {
        return exact;
    }
    #[expect(clippy::cast_precision_loss, reason = "it is rounded anyway")]
    let count = count as f64;
    [(1e3, 'k'), (1e6, 'M'), (1e9, 'G'), (1e12, 'T')]
        .into_iter()
        .flat_map(|(unit, letter)| [format!("{:.1}{letter}", count / unit), format!("{:.0}{letter}", count / unit)])
        .find(|text| text.len() <= columns)
        .unwrap_or(exact)
}

/// A number with separators between thousands.
#[must_use]
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let first = (digits.len() + 2) % 3 + 1;
    let mut text = digits[..first].to_owned();
    for at in (first..digits.len()).step_by(3) {
        text.push(',');
        text.push_str(&digits[at..at + 3]);
    }
    text
}

/// The two greatest units of a span.
#[must_use]
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

/// The time of day, with `digits` digits of the second's fraction.
#[must_use]
pub(crate) fn time(time: Timestamp, digits: usize, look: &Look) -> String {
    let zoned = time.to_zoned(look.zone.clone());
    let format = match digits {
        0 => "%H:%M:%S",
        3 => "%H:%M:%S%.3f",
        _ => "%H:%M:%S%.6f",
    };
    zoned.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::text::is_unsafe;
    use jiff::tz::TimeZone;

    fn look() -> Look {
        Look { colour: false, unicode: true, zone: TimeZone::UTC }
    }

    #[test]
    fn every_text_fits_its_columns_exactly() {
        let hostile =
            ["java", "", "a\x1b[31mb\n", "日本語のプロセス名", "\u{202e}evil", "שלום עולם", "é\u{301}x", "🦀🦀🦀"];
        for text in hostile {
            for columns in 0..20 {
                for fitted in [fit(text, columns, &look()), fit_right(text, columns, &look())] {
                    assert_eq!(width(&fitted), columns, "{text:?} in {columns}: {fitted:?}");
                    assert!(!fitted.chars().any(is_unsafe), "{fitted:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(fit("closed_with_unread_data", 12, &look()), "closed_with…");
        assert_eq!(fit("日本語", 5, &look()), "日本…");
        assert_eq!(fit("日本語", 4, &look()), "日… ");
    }

    #[test]
    fn numbers_fit_and_keep_what_matters() {
        assert_eq!([None, Some(0.0), Some(0.5), Some(12.34), Some(10_000.0)].map(rate), ["-", "0", "0.5", "12", "10k"]);
        assert_eq!(
            [(99_999, 5), (100_000, 5), (1_234_567, 5), (99_999_999, 4)].map(|(n, c)| count(n, c)),
            ["99999", "100k", "1235k", "100M"]
        );
        assert_eq!([0, 999, 1000, 12_345, 1_234_567].map(thousands), ["0", "999", "1,000", "12,345", "1,234,567"]);
        let spans = [3, 75, 3700, 93_784].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(spans, ["3s", "1m 15s", "1h 1m", "1d 2h"]);
    }
}
