//! Makes untrusted names safe to print, log and export.
//!
//! Contract: for any bytes, the result is valid UTF-8 of at most [`MAX_NAME`] bytes without characters that move a
//! terminal's cursor, break a line or reorder the text around them. Never panics.

use crate::model::text::is_unsafe;

/// The longest name that this module returns, in bytes. Longer than any name that systemd or a container runtime makes
/// by itself (`libpod-conmon-<64 hex>.scope` has 84) and short enough for a metric label.
pub(crate) const MAX_NAME: usize = 128;

/// Written in place of an unsafe character.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// `raw` as printable text of at most [`MAX_NAME`] bytes, cut at a character boundary.
#[must_use]
pub(crate) fn printable(raw: &[u8]) -> String {
    // Decoding shortens nothing: an invalid sequence has at most three bytes and becomes a character of three.
    let head = &raw[..raw.len().min(MAX_NAME + char::MAX_LEN_UTF8)];
    let mut safe = String::with_capacity(head.len().min(MAX_NAME));
    for character in String::from_utf8_lossy(head).chars() {
        let character = if is_unsafe(character) { REPLACEMENT } else { character };
        if safe.len() + character.len_utf8() > MAX_NAME {
            break;
        }
        safe.push(character);
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_pass_unchanged() {
        for name in ["", "nginx", "web server", "Überwachung", "名前"] {
            assert_eq!(printable(name.as_bytes()), name);
        }
    }

    #[test]
    fn what_could_steer_a_terminal_is_replaced() {
        assert_eq!(printable(b"a\x1b[2Jb\nc\x7f\x00"), "a\u{fffd}[2Jb\u{fffd}c\u{fffd}\u{fffd}");
        assert_eq!(printable("a\u{202e}b\u{9b}".as_bytes()), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(printable(b"a\xff\xc3b"), "a\u{fffd}\u{fffd}b");
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        assert_eq!(printable(&[b'x'; 4096]), "x".repeat(MAX_NAME));
        let wide = "名".repeat(1000);
        assert_eq!(printable(wide.as_bytes()), "名".repeat(MAX_NAME / 3));
        let growing = [0xff_u8; 4096];
        assert_eq!(printable(&growing), "\u{fffd}".repeat(MAX_NAME / 3));
    }
}
