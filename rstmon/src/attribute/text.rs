//! Makes names that other people chose safe to print, log and export.
//!
//! Contract: whatever the bytes, the result is valid UTF-8 of at most the asked length without anything that moves a
//! terminal's cursor, breaks a line or reorders the text around it. Never panics.

use crate::model::text::is_unsafe;

/// The longest name that leaves this module, in bytes. Longer than any name that systemd or a container runtime makes of
/// its own (`libpod-conmon-<64 hex>.scope` is 84) and short enough for a metric label.
pub(crate) const MAX_NAME: usize = 128;

/// Stands for a character that was taken out.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// `raw` as printable text of at most [`MAX_NAME`] bytes; what does not fit is cut off at a character.
#[must_use]
pub(crate) fn printable(raw: &[u8]) -> String {
    // A lossy character is at most three bytes, so this prefix always holds enough of them to fill the result.
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
