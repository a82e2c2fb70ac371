//! Everything that a package could leave behind: files, users, groups.

use anyhow::{Context as _, Result};
use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt as _, path::Path};

/// Where the system keeps its own notes, which change by themselves and whenever any package comes or goes.
const NOTES: [&str; 9] = [
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

/// Account databases, whose copies by an earlier date (`passwd-`) are notes, too.
const ACCOUNTS: [&str; 4] = ["/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow"];

/// The system at a moment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct World {
    /// Paths on the root file system and in /run, and lines of account databases.
    things: BTreeSet<String>,
}

impl World {
    /// Looks at all of it.
    pub(crate) fn now() -> Result<Self> {
        let mut things = BTreeSet::new();
        for top in ["/", "/run"] {
            walk(Path::new(top), &mut things)?;
        }
        for file in ACCOUNTS {
            let text = fs::read_to_string(file).with_context(|| file.to_owned())?;
            // The names: `groupadd` and its like may reorder, and date, other fields.
            things.extend(text.lines().filter_map(|line| Some(format!("{file}: {}", line.split(':').next()?))));
        }
        Ok(Self { things })
    }

    /// What came and went since `before`.
    pub(crate) fn since(&self, before: &Self) -> Vec<String> {
        let came = self.things.difference(&before.things).map(|thing| format!("left behind: {thing}"));
        let went = before.things.difference(&self.things).map(|thing| format!("taken away: {thing}"));
        came.chain(went).collect()
    }
}

/// Notes every path below `top` on its file system.
fn walk(top: &Path, things: &mut BTreeSet<String>) -> Result<()> {
    let device = top.symlink_metadata().with_context(|| top.display().to_string())?.dev();
    let mut open = vec![top.to_path_buf()];
    while let Some(dir) = open.pop() {
        // What vanishes during the walk was no package's.
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if is_note(&path) {
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

fn is_note(path: &Path) -> bool {
    let copy = |account: &str| path.as_os_str() == format!("{account}-").as_str();
    // systemd's and udev's work of the moment.
    let momentary = path.starts_with("/run/systemd") || path.starts_with("/run/udev");
    momentary || NOTES.iter().any(|note| path.starts_with(note)) || ACCOUNTS.iter().any(|account| copy(account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_and_went_is_named() {
        let world = |things: &[&str]| World { things: things.iter().map(|&thing| thing.to_owned()).collect() };
        assert_eq!(
            world(&["/a", "/c"]).since(&world(&["/a", "/b"])),
            ["left behind: /c".to_owned(), "taken away: /b".to_owned()]
        );
    }

    #[test]
    fn notes_are_told_from_the_rest() {
        for (path, expected) in
            [("/var/log/dpkg.log", true), ("/etc/passwd-", true), ("/etc/passwd", false), ("/run/rstmon", false)]
        {
            assert_eq!(is_note(Path::new(path)), expected, "{path}");
        }
    }
}
