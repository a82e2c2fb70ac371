//! Makes untrusted text, such as the comm that a process sets itself, safe for labels, lines and JSON.

/// Converts a NUL-padded comm to text. Invalid UTF-8 and [unsafe](is_unsafe) characters become `?`, so that no name can
/// break a line, a terminal or a label, or look like another name. `None` for an empty comm.
#[must_use]
pub(crate) fn comm(bytes: &[u8; 16]) -> Option<String> {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let text = String::from_utf8_lossy(&bytes[..end]);
    let safe: String =
        text.chars().map(|c| if is_unsafe(c) || c == char::REPLACEMENT_CHARACTER { '?' } else { c }).collect();
    (!safe.is_empty()).then_some(safe)
}

/// Untrusted text on one line of a terminal: each [unsafe](is_unsafe) character becomes `?`.
#[must_use]
pub(crate) fn safe(text: &str) -> String {
    text.chars().map(|character| if is_unsafe(character) { '?' } else { character }).collect()
}

/// Whether a character is a control character or an invisible one that reorders or hides text (Unicode's bidirectional
/// controls, zero-width characters, line and paragraph separators, tags).
#[must_use]
pub(crate) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::{comm, safe};

    fn padded(text: &[u8]) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..text.len()].copy_from_slice(text);
        bytes
    }

    #[test]
    fn a_plain_comm_is_kept() {
        assert_eq!(comm(&padded(b"java")).as_deref(), Some("java"));
        assert_eq!(comm(b"sixteen-bytes-xx").as_deref(), Some("sixteen-bytes-xx"));
    }

    #[test]
    fn no_comm_is_no_name() {
        assert_eq!(comm(&[0; 16]), None);
    }

    #[test]
    fn a_hostile_comm_cannot_break_a_line() {
        assert_eq!(comm(&padded(b"a\nb\x1b[31m")).as_deref(), Some("a?b?[31m"));
        assert_eq!(comm(&padded(b"\xff\xfe")).as_deref(), Some("??"));
        assert_eq!(comm(&padded("ü\u{9b}".as_bytes())).as_deref(), Some("ü?"));
    }

    #[test]
    fn a_comm_can_neither_hide_nor_reverse_what_follows() {
        assert_eq!(comm(&padded("a\u{202e}b\u{200b}c".as_bytes())).as_deref(), Some("a?b?c"));
    }

    #[test]
    fn safe_text_is_one_line_that_moves_nothing() {
        assert_eq!(safe("ünï\n\u{1b}[2J\u{202e}"), "ünï??[2J?");
    }

    #[test]
    fn what_lies_behind_the_nul_is_not_read() {
        assert_eq!(comm(&padded(b"sh\0leftover")).as_deref(), Some("sh"));
    }
}
