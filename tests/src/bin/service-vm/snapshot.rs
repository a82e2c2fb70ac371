//! Everything that a package could leave behind: files, users, groups.

use anyhow::{Context as _, Result};
use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt as _, path::Path};

/// Directories that change by themselves, or with every package that comes or goes.
const VOLATILE: [&str; 9] = [
    "/var/log",
    "/var/cache",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/systemd/timers",
    "/var/lib/systemd/catalog",
    "/var/lib/systemd/coredump",
    "/var/tmp",
    "/tmp",
];

/// Account databases. Their backups (`passwd-`) are volatile, too.
const ACCOUNTS: [&str; 4] = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"];

/// The system at a moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SystemSnapshot {
    /// Paths on the root file system and in /run, and lines of account databases.
    things: BTreeSet<String>,
}

impl SystemSnapshot {
    pub(crate) fn now() -> Result<Self> {
        let mut things = BTreeSet::new();
        for top in ["/", "/run"] {
            walk(Path::new(top), &mut things)?;
        }
        for file in ACCOUNTS {
            let text = fs::read_to_string(file).with_context(|| file.to_owned())?;
            // Names only: `groupadd` and the like may reorder lines and set dates in other fields.
            things.extend(text.lines().filter_map(|line| Some(format!("{file}: {}", line.split(':').next()?))));
        }
        Ok(Self { things })
    }

    /// The differences from `before`, as one text each.
    pub(crate) fn since(&self, before: &Self) -> Vec<String> {
        let came = self.things.difference(&before.things).map(|thing| format!("left behind: {thing}"));
        let went = before.things.difference(&self.things).map(|thing| format!("taken away: {thing}"));
        came.chain(went).collect()
    }
}

/// Adds every path below `top` that is on the same file system.
fn walk(top: &Path, things: &mut BTreeSet<String>) -> Result<()> {
    let device = top.symlink_metadata().with_context(|| top.display().to_string())?.dev();
    let mut open = vec![top.to_path_buf()];
    while let Some(dir) = open.pop() {
        // A directory that vanishes during the walk belongs to no package.
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if is_volatile(&path) {
                continue;
            }
            let inside = entry.metadata().is_ok_and(|meta| meta.is_dir() && meta.dev() == device);
            things.insert(path.display().to_string());
            if inside {
                open.push(path);
            }
        }
    }
    Ok(())
}

fn is_volatile(path: &Path) -> bool {
    let copy = |account: &str| path.as_os_str() == format!("{account}-").as_str();
    // Runtime state of systemd and udev.
    let runtime = path.starts_with("/run/systemd") || path.starts_with("/run/udev");
    runtime
        || VOLATILE.iter().any(|directory| path.starts_with(directory))
        || ACCOUNTS.iter().any(|account| copy(account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named() {
        let snapshot =
            |things: &[&str]| SystemSnapshot { things: things.iter().map(|&thing| thing.to_owned()).collect() };
        assert_eq!(
            snapshot(&["/a", "/c"]).since(&snapshot(&["/a", "/b"])),
            ["left behind: /c".to_owned(), "taken away: /b".to_owned()]
        );
    }

    #[test]
    fn volatile_paths_are_recognised() {
        for (path, expected) in
            [("/var/log/dpkg.log", true), ("/etc/passwd-", true), ("/etc/passwd", false), ("/run/rstmon", false)]
        {
            assert_eq!(is_volatile(Path::new(path)), expected, "{path}");
        }
    }
}
