//! The file descriptors of this process: how many it may have, and how many it has.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{fs, io};

/// Raises the soft limit of descriptors to `wanted` as far as the hard one allows, and returns the limit in force.
pub(crate) fn raise_limit(wanted: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // Absent is unlimited.
    let Some(soft) = current else { return u64::MAX };
    let possible = maximum.map_or(wanted, |hard| wanted.min(hard));
    if soft >= possible {
        return soft;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(possible), maximum }) {
        Ok(()) => possible,
        Err(error) => {
            tracing::debug!(%error, "cannot raise the soft limit of descriptors");
            soft
        }
    }
}

/// The number of descriptors that are open.
pub(crate) fn in_use() -> io::Result<u64> {
    let open = fs::read_dir("/proc/self/fd")?.count() as u64;
    // One of them is that of the listing itself.
    Ok(open.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    #[test]
    fn an_open_file_is_counted_and_a_limit_is_not_lowered() {
        let before = getrlimit(Resource::Nofile);
        assert_eq!(raise_limit(1), before.current.unwrap_or(u64::MAX));
        assert_eq!(getrlimit(Resource::Nofile), before);
        // Other tests open and close descriptors at the same time.
        let files: Vec<File> = (0..200).map(|_| tempfile::tempfile().expect("a file")).collect();
        assert!(in_use().expect("a listing") > files.len() as u64);
    }
}
