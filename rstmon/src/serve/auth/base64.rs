//! Base64 (RFC 4648 section 4), as used in the `Authorization` header.

/// `None` for text that is not canonical base64 with its padding.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let mut bytes = Vec::with_capacity(groups.len() * 3);
    let last = groups.len().checked_sub(1);
    for (index, group) in groups.iter().enumerate() {
        let padding = match group {
            [_, _, b'=', b'='] if Some(index) == last => 2,
            [_, _, _, b'='] if Some(index) == last => 1,
            _ => 0,
        };
        let mut bits = 0_u32;
        for (position, digit) in group.iter().enumerate() {
            let value = if position >= 4 - padding { 0 } else { value(*digit)? };
            bits = bits << 6 | u32::from(value);
        }
        let [_, decoded @ ..] = bits.to_be_bytes();
        let (kept, spare) = decoded.split_at(3 - padding);
        if spare.iter().any(|byte| *byte != 0) {
            return None;
        }
        bytes.extend_from_slice(kept);
    }
    Some(bytes)
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_the_vectors_of_the_rfc() {
        for (text, bytes) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9vYg==", "foob"), ("Zm9vYmFy", "foobar")]
        {
            assert_eq!(decode(text).as_deref(), Some(bytes.as_bytes()), "{text:?}");
        }
        assert_eq!(decode("/+8="), Some(vec![0xff, 0xef]));
    }

    #[test]
    fn refuses_everything_else() {
        for text in ["Z", "Zg", "Zg=", "Zh==", "Zg==Zg==", "=Zg=", "Z===", "====", "Zm 9", "Zm9-", "Zm9vé"] {
            assert_eq!(decode(text), None, "{text:?}");
        }
    }
}
