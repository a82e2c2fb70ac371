//! The settings of the store, and how they are written.

use std::{path::PathBuf, str::FromStr, time::Duration};

/// The directory of the store if neither the configuration nor the service manager names one.
pub(crate) const DEFAULT_DIRECTORY: &str = "/var/lib/rstmon";

/// Free space that a share of the file system never means less than, and never more than.
const LEAST_FREE: u64 = 256 << 20;
const MOST_FREE: u64 = 4 << 30;

/// The limits of a store and what it keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoreOptions {
    pub(crate) directory: PathBuf,
    /// Limit of the events' segments, in bytes on disk.
    pub(crate) max_bytes: u64,
    /// Limit of the counts' segments, in bytes on disk.
    pub(crate) counts_max_bytes: u64,
    /// Age at which a segment is removed.
    pub(crate) max_age: Duration,
    pub(crate) min_free: MinFree,
    /// Longest time between a write and its `fdatasync(2)`.
    pub(crate) sync_interval: Duration,
    pub(crate) remotes: Remotes,
}

/// Free space of the file system, below which the store does not grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MinFree {
    /// A share of the file system in percent, from 256 MiB to 4 GiB.
    Percent(u8),
    Bytes(u64),
}

/// How much of a remote address is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remotes {
    Full,
    /// The network only: /24 or /64.
    Network,
    None,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionError {
    #[error("write a share of the file system such as 5%, or a size such as 512MiB, 1GiB or a number of bytes")]
    MinFree,
    #[error("it must be full, network or none")]
    Remotes,
}

impl MinFree {
    /// The limit in bytes on a file system of `total` bytes.
    #[must_use]
    pub(crate) fn bytes(self, total: u64) -> u64 {
        match self {
            Self::Percent(percent) => {
                let share = u128::from(total) * u128::from(percent) / 100;
                u64::try_from(share).unwrap_or(u64::MAX).clamp(LEAST_FREE, MOST_FREE)
            }
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl FromStr for MinFree {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.parse().ok().filter(|percent| *percent < 100);
            return percent.map(Self::Percent).ok_or(OptionError::MinFree);
        }
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let shift = match &text[digits..] {
            "" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            _ => return Err(OptionError::MinFree),
        };
        let number: u64 = text[..digits].parse().map_err(|_| OptionError::MinFree)?;
        number.checked_mul(1 << shift).map(Self::Bytes).ok_or(OptionError::MinFree)
    }
}

impl FromStr for Remotes {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        match text {
            "full" => Ok(Self::Full),
            "network" => Ok(Self::Network),
            "none" => Ok(Self::None),
            _ => Err(OptionError::Remotes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MinFree, OptionError};

    #[test]
    fn free_space_is_a_share_or_a_size() {
        let parse = |text: &str| text.parse::<MinFree>();
        assert_eq!(parse("5%").map(|free| free.bytes(20 << 30)), Ok(1 << 30));
        assert_eq!(parse("5%").map(|free| free.bytes(1 << 40)), Ok(4 << 30), "a large file system");
        assert_eq!(parse("5%").map(|free| free.bytes(1 << 30)), Ok(256 << 20), "a small file system");
        assert_eq!(parse("512MiB").map(|free| free.bytes(1 << 30)), Ok(512 << 20));
        assert_eq!(parse("0"), Ok(MinFree::Bytes(0)));
        for wrong in ["", "5 %", "100%", "-1", "5MB", "99999999999999999999", "99999999999GiB"] {
            assert_eq!(parse(wrong), Err(OptionError::MinFree), "{wrong}");
        }
    }
}
