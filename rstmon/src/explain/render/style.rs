//! Colour as ANSI SGR sequences, or none: for `rstmon causes`, `rstmon why` and the lines of `rstmon tail`.

use crate::explain::severity::Severity;

/// What a piece of text is. Its colour follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextRole {
    Plain,
    Heading,
    Label,
    Code,
    Severity(Severity),
}

/// Whether roles are shown by colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnsiStyle {
    pub(crate) colour: bool,
}

/// Ends the colour that a role began.
const END_OF_COLOUR: &str = "\u{1b}[0m";

impl AnsiStyle {
    /// `text` in the colour of its role; unchanged without colour.
    pub(crate) fn paint(self, role: TextRole, text: &str) -> String {
        match self.start(role) {
            "" => text.to_owned(),
            start => format!("{start}{text}{END_OF_COLOUR}"),
        }
    }

    const fn start(self, role: TextRole) -> &'static str {
        if !self.colour {
            return "";
        }
        match role {
            TextRole::Plain => "",
            TextRole::Heading => "\u{1b}[1m",
            TextRole::Label => "\u{1b}[2m",
            TextRole::Code => "\u{1b}[36m",
            TextRole::Severity(Severity::Harmful) => "\u{1b}[31m",
            TextRole::Severity(Severity::Notice) => "\u{1b}[33m",
            TextRole::Severity(Severity::Benign) => "\u{1b}[32m",
        }
    }
}

/// `text` without SGR sequences, as a terminal shows it.
#[cfg(test)]
pub(crate) fn strip(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, tail)| tail);
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colour_text_stays_as_it_is() {
        let style = AnsiStyle { colour: false };
        assert_eq!(style.paint(TextRole::Heading, "x"), "x");
    }

    #[test]
    fn with_colour_each_piece_ends_its_own_colour() {
        let style = AnsiStyle { colour: true };
        let painted = style.paint(TextRole::Severity(Severity::Harmful), "x");
        assert_eq!(painted, "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(strip(&painted), "x");
        assert_eq!(style.paint(TextRole::Plain, "x"), "x");
    }
}
