//! Colours and symbols. Only the sixteen colours of the terminal's palette are used, and never black or white, so that
//! the view is readable on light and on dark terminals.

use crate::explain::Severity;
use jiff::tz::TimeZone;
use ratatui::style::{Color, Modifier, Style};

/// Symbols of a sparkline, from zero to eight eighths.
const BARS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII_BARS: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '#', '@'];

/// The style of names and important numbers.
pub(crate) const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
/// The style of less important text.
pub(crate) const FAINT: Style = Style::new().add_modifier(Modifier::DIM);
/// The style of a bar across the screen.
pub(crate) const BAR: Style = Style::new().add_modifier(Modifier::REVERSED);
/// The style of the selected line.
pub(crate) const CHOSEN: Style = BAR;
/// The style of the heading of the column by which the rows are sorted.
pub(crate) const SORTED: Style = BAR.add_modifier(Modifier::BOLD.union(Modifier::UNDERLINED));

/// The capabilities of the terminal and the preferences of the user.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) colour: bool,
    /// Whether the terminal can show more than ASCII.
    pub(crate) unicode: bool,
    /// Time zone of the times of day.
    pub(crate) zone: TimeZone,
}

impl Look {
    /// Reads `NO_COLOR` and the locale (the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set). `ascii` overrides
    /// the locale.
    #[must_use]
    pub(crate) fn of_environment(ascii: bool, zone: TimeZone) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default().to_lowercase();
        // A modifier may follow the encoding, as in `de_DE.UTF-8@euro`.
        let encoding = locale.split('@').next().unwrap_or_default();
        let utf8 = encoding.ends_with("utf-8") || encoding.ends_with("utf8");
        Self { colour: set("NO_COLOR").is_none(), unicode: utf8 && !ascii, zone }
    }

    #[must_use]
    pub(crate) fn severity(&self, severity: Option<Severity>) -> Style {
        let style = Style::new();
        match (severity, self.colour) {
            (Some(Severity::Harmful), true) => style.fg(Color::Red).add_modifier(Modifier::BOLD),
            (Some(Severity::Harmful), false) => style.add_modifier(Modifier::BOLD),
            (Some(Severity::Notice), true) => style.fg(Color::Yellow),
            (Some(Severity::Benign), true) => style.fg(Color::Green),
            (Some(Severity::Notice | Severity::Benign) | None, _) => style,
        }
    }

    /// The style of a warning.
    #[must_use]
    pub(crate) fn warning(&self) -> Style {
        self.severity(Some(Severity::Harmful))
    }

    /// The style of a label before a text.
    #[must_use]
    pub(crate) fn label(&self) -> Style {
        if self.colour { Style::new().fg(Color::Cyan) } else { Style::new() }
    }

    /// The last `width` values, each as a bar in proportion to the greatest of them. If there are fewer values, the
    /// left is blank.
    #[must_use]
    pub(crate) fn sparkline(&self, values: &[u32], width: usize) -> String {
        let bars = if self.unicode { BARS } else { ASCII_BARS };
        let shown = &values[values.len().saturating_sub(width)..];
        let greatest = u64::from(shown.iter().copied().max().unwrap_or(0)).max(1);
        let height = |value: u32| {
            let height = (u64::from(value) * 8).div_ceil(greatest);
            bars[usize::try_from(height).unwrap_or(8).min(8)]
        };
        let blank = std::iter::repeat_n(' ', width - shown.len());
        blank.chain(shown.iter().map(|&value| height(value))).collect()
    }

    /// The separator between two parts of a line.
    #[must_use]
    pub(crate) fn dot(&self) -> &'static str {
        if self.unicode { " · " } else { " | " }
    }

    /// The mark of text that was cut off.
    #[must_use]
    pub(crate) fn ellipsis(&self) -> &'static str {
        if self.unicode { "…" } else { "~" }
    }

    /// One cell of a horizontal line.
    #[must_use]
    pub(crate) fn rule(&self) -> &'static str {
        if self.unicode { "─" } else { "-" }
    }
}

#[cfg(test)]
mod tests {
    use super::{Look, TimeZone};

    fn look(unicode: bool) -> Look {
        Look { colour: false, unicode, zone: TimeZone::UTC }
    }

    #[test]
    fn a_sparkline_ends_now_and_shows_the_smallest_growth() {
        assert_eq!(look(true).sparkline(&[0, 1, 4, 8], 6), "   ▁▄█");
        assert_eq!(look(true).sparkline(&[9, 9, 0, 1_000_000, 1], 3), " █▁");
        assert_eq!(look(false).sparkline(&[0, 8, 4], 3), " @=");
        assert_eq!(look(true).sparkline(&[], 2), "  ");
        assert_eq!(look(true).sparkline(&[0, 0], 2), "  ");
    }
}
