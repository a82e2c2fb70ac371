//! Colour as ANSI SGR sequences, or none.

use crate::explain::severity::Severity;

/// What a piece of text is, and so how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Plain,
    Heading,
    Label,
    Code,
    Severity(Severity),
}

/// Whether roles are shown by colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) colour: bool,
}

/// Ends whatever a role began.
const RESET: &str = "\u{1b}[0m";

impl Style {
    /// `text` dressed for its role; unchanged without colour.
    pub(crate) fn paint(self, role: Role, text: &str) -> String {
        match self.start(role) {
            "" => text.to_owned(),
            start => format!("{start}{text}{RESET}"),
        }
    }

    const fn start(self, role: Role) -> &'static str {
        if !self.colour {
            return "";
        }
        match role {
            Role::Plain => "",
            Role::Heading => "\u{1b}[1m",
            Role::Label => "\u{1b}[2m",
            Role::Code => "\u{1b}[36m",
            Role::Severity(Severity::Harmful) => "\u{1b}[31m",
            Role::Severity(Severity::Notice) => "\u{1b}[33m",
            Role::Severity(Severity::Benign) => "\u{1b}[32m",
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
        let style = Style { colour: false };
        assert_eq!(style.paint(Role::Heading, "x"), "x");
    }

    #[test]
    fn with_colour_each_piece_ends_its_own_colour() {
        let style = Style { colour: true };
        let painted = style.paint(Role::Severity(Severity::Harmful), "x");
        assert_eq!(painted, "\u{1b}[31mx\u{1b}[0m");
        assert_eq!(strip(&painted), "x");
        assert_eq!(style.paint(Role::Plain, "x"), "x");
    }
}
