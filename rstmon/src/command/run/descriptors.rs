//! How many connections the daemon accepts, by the descriptors that it may have (`RLIMIT_NOFILE`).
//!
//! What the daemon needs itself comes first: what it has open, and a reserve. Clients share the rest, so that no number
//! of them can keep it from reading counters, processes or its configuration.

use crate::{host::descriptors, sink::hub::DEFAULT_MAX_SUBSCRIBERS};
use std::io;

/// Enough for the usual number of connections, with room for what the process was started with.
const WANTED: u64 = 1024;
/// Opened for a moment by the threads of the pool and of the event path: counters and processes in `/proc`, cgroups,
/// netlink, the configuration and the certificates.
const RESERVE: u64 = 32;
/// The fewest connections that each of the two servers has to have. Below, one silent client for each collector,
/// follower and command would be a crowd.
const LEAST_CONNECTIONS: u64 = 4;
/// What the probe and the listeners take; a start below it would fail at a call that does not name the reason.
const OWN: u64 = 64;
/// What one server has besides its connections: the one that waits for a slot.
const WAITING: u64 = 1;
const SERVERS: u64 = 2;

/// Too few descriptors.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DescriptorError {
    #[error(
        "{limit} file descriptors are too few, rstmon needs {needed}: raise the limit by LimitNOFILE= in the unit or \
         `ulimit -n`"
    )]
    TooFew { limit: u64, needed: u64 },
    #[error("cannot count the open file descriptors: {0}")]
    Count(#[from] io::Error),
}

/// Connections that the servers accept at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ConnectionShares {
    pub(super) each: usize,
    /// Of those on the socket, followers of the events.
    pub(super) followers: usize,
}

/// Raises the soft limit, and returns the one in force. To be called before the probe is loaded.
pub(super) fn raise_limit() -> Result<u64, DescriptorError> {
    let (limit, needed) = (descriptors::raise_limit(WANTED), needed(OWN));
    if limit < needed { Err(DescriptorError::TooFew { limit, needed }) } else { Ok(limit) }
}

/// The shares of the descriptors that are left, at most `most` for each server. To be called once the probe is loaded
/// and the listeners are bound.
pub(super) fn shares(limit: u64, most: usize) -> Result<ConnectionShares, DescriptorError> {
    divide(limit, descriptors::in_use()?, most)
}

fn divide(limit: u64, in_use: u64, most: usize) -> Result<ConnectionShares, DescriptorError> {
    let needed = needed(in_use);
    if limit < needed {
        return Err(DescriptorError::TooFew { limit, needed });
    }
    let each = (limit - in_use - RESERVE) / SERVERS - WAITING;
    let each = usize::try_from(each).unwrap_or(usize::MAX).min(most);
    // A follower keeps its connection; the other half remains for commands that end.
    Ok(ConnectionShares { each, followers: DEFAULT_MAX_SUBSCRIBERS.min(each / 2) })
}

fn needed(own: u64) -> u64 {
    own + RESERVE + SERVERS * (LEAST_CONNECTIONS + WAITING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_never_given_away() {
        for limit in 90..600 {
            let Ok(shares) = divide(limit, 48, 128) else {
                assert!(limit < 90, "refused with {limit}");
                continue;
            };
            let taken = 48 + 2 * (shares.each as u64 + 1);
            assert!(limit - taken >= RESERVE, "with {limit}: {shares:?}");
            assert!(shares.followers <= shares.each / 2, "with {limit}: {shares:?}");
        }
        assert_eq!(divide(u64::MAX, 48, 128).expect("plenty"), ConnectionShares { each: 128, followers: 64 });
    }

    #[test]
    fn too_few_are_refused_with_the_number_needed() {
        let error = divide(89, 48, 128).expect_err("too few").to_string();
        assert!(error.contains("89 file descriptors are too few, rstmon needs 90"), "found {error:?}");
    }
}
