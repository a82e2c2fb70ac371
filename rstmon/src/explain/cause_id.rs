//! The cause in data of any version: one of the catalogue, or an id that only a newer version knows, which is kept and
//! shown as it is.

use super::{Cause, catalogue::CauseEntry};
use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// The longest id that is kept, in bytes.
const LONGEST: usize = 47;

/// A cause of the catalogue, or the id of one that this version does not know. Known causes come first in the order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum CauseId {
    Known(Cause),
    Newer(NewerId),
}

/// An id in place, so that [`CauseId`] is `Copy`. Bytes after the length are zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NewerId {
    bytes: [u8; LONGEST],
    length: u8,
}

/// A text that no version of rstmon writes as a cause.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no id of a cause: lower-case letters, digits and _, at most {LONGEST}")]
pub(crate) struct NotAnId {
    given: String,
}

impl CauseId {
    #[must_use]
    pub(crate) const fn known(self) -> Option<Cause> {
        match self {
            Self::Known(cause) => Some(cause),
            Self::Newer(_) => None,
        }
    }

    #[must_use]
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Known(cause) => cause.id(),
            // All bytes are ASCII.
            Self::Newer(NewerId { bytes, length }) => {
                std::str::from_utf8(&bytes[..usize::from(*length)]).unwrap_or_default()
            }
        }
    }

    /// What the catalogue says; of a newer cause, that this version does not know it.
    #[must_use]
    pub(crate) const fn entry(self) -> &'static CauseEntry {
        match self {
            Self::Known(cause) => cause.entry(),
            Self::Newer(_) => CauseEntry::of_newer(),
        }
    }
}

impl From<Cause> for CauseId {
    fn from(cause: Cause) -> Self {
        Self::Known(cause)
    }
}

impl PartialEq<Cause> for CauseId {
    fn eq(&self, other: &Cause) -> bool {
        *self == Self::Known(*other)
    }
}

impl TryFrom<String> for CauseId {
    type Error = NotAnId;

    fn try_from(given: String) -> Result<Self, Self::Error> {
        if let Ok(cause) = given.parse() {
            return Ok(Self::Known(cause));
        }
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        match u8::try_from(given.len()) {
            Ok(length @ 1..) if given.len() <= LONGEST && given.bytes().all(fits) => {
                let mut bytes = [0; LONGEST];
                bytes[..given.len()].copy_from_slice(given.as_bytes());
                Ok(Self::Newer(NewerId { bytes, length }))
            }
            _ => Err(NotAnId { given }),
        }
    }
}

impl fmt::Display for CauseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl fmt::Debug for CauseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

impl Serialize for CauseId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, CauseId};

    #[test]
    fn an_id_of_a_newer_version_survives_a_round_trip() -> Result<(), serde_json::Error> {
        let json = "\"eaten_by_a_grue\"";
        let newer: CauseId = serde_json::from_str(json)?;
        assert_eq!((newer.known(), newer.id()), (None, "eaten_by_a_grue"));
        assert_eq!(serde_json::to_string(&newer)?, json);
        assert!(newer.entry().title.contains("does not know"));
        Ok(())
    }

    #[test]
    fn a_known_id_is_a_cause() -> Result<(), serde_json::Error> {
        let known: CauseId = serde_json::from_str("\"refused\"")?;
        assert_eq!(known, Cause::Refused);
        assert_eq!(known.entry(), Cause::Refused.entry());
        Ok(())
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for wrong in ["", "Refused!", "a b", "\u{1b}[2J", &"x".repeat(48)] {
            assert!(CauseId::try_from(wrong.to_owned()).is_err(), "{wrong:?}");
        }
        assert!(CauseId::try_from("x".repeat(47)).is_ok());
    }
}
