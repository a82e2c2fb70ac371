//! Lists the cgroups of a hierarchy with their ids.
//!
//! Contract: read-only, iterative, bounded in directories and depth. Breadth first, so that a bound leaves out the
//! deepest cgroups: an owner of a delegated subtree cannot hide the host's services by filling it with cgroups.
//!
//! An id is the directory's inode number: `kernfs_fop_readdir` and `kernfs_iop_getattr` (`fs/kernfs/dir.c`, `inode.c`)
//! both report `kernfs_ino()`, the whole id where `ino_t` has 64 bits. So one `readdir` gives the ids of all children
//! and a child without children of its own (link count 2, `kernfs_refresh_inode`) need not be opened at all; on a usual
//! host that is most of them, and each would show some 40 control files.

use std::{
    collections::VecDeque,
    fs, io,
    ops::ControlFlow,
    os::unix::fs::{DirEntryExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

/// The link count of a directory without subdirectories: its own `.` and its name. File systems that do not count
/// subdirectories (btrfs) report 1.
const LEAF_LINKS: u64 = 2;

/// Where a walk stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WalkBounds {
    /// At most this many directories are visited.
    pub(crate) directories: usize,
    /// At most this many levels below the root are visited.
    pub(crate) depth: usize,
}

impl Default for WalkBounds {
    fn default() -> Self {
        // A large Kubernetes node has some thousand cgroups; systemd and runtimes nest less than ten levels.
        Self { directories: 200_000, depth: 64 }
    }
}

/// The result of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Walked {
    /// Number of directories visited, including the root.
    pub(crate) directories: usize,
    /// Whether every directory was visited: no bound was reached, every directory was readable, and the visitor did not
    /// stop the walk. A cgroup that existed before a complete walk and was not visited does not exist any more.
    pub(crate) complete: bool,
}

/// Calls `visit` with the id and the path below `root` of each cgroup until it breaks. Fails only if `root` itself
/// cannot be read; a directory that is removed during the walk is no error.
pub(crate) fn walk(
    root: &Path,
    bounds: WalkBounds,
    mut visit: impl FnMut(u64, &Path) -> ControlFlow<()>,
) -> io::Result<Walked> {
    let mut walked = Walked { directories: 1, complete: true };
    let metadata = fs::metadata(root)?;
    if visit(metadata.ino(), Path::new("")).is_break() {
        return Ok(Walked { complete: false, ..walked });
    }
    let mut queue = VecDeque::from([(PathBuf::new(), 1)]);
    while let Some((parent, depth)) = queue.pop_front() {
        let directory = root.join(&parent);
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if parent.as_os_str().is_empty() => return Err(error),
            Err(error) => {
                walked.complete &= vanished(&error);
                continue;
            }
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    walked.complete &= vanished(&error);
                    break;
                }
            };
            // `readdir` returned the type: no system call.
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if walked.directories >= bounds.directories || depth > bounds.depth {
                walked.complete = false;
                break;
            }
            walked.directories += 1;
            let below = parent.join(entry.file_name());
            if visit(entry.ino(), &below).is_break() {
                return Ok(Walked { complete: false, ..walked });
            }
            if !entry.metadata().is_ok_and(|metadata| metadata.nlink() == LEAF_LINKS) {
                queue.push_back((below, depth + 1));
            }
        }
    }
    Ok(walked)
}

/// Whether a directory was removed before it was opened or while it was read.
fn vanished(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn tree(paths: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary directory");
        for path in paths {
            fs::create_dir_all(root.path().join(path)).expect("a directory");
        }
        root
    }

    fn visited(root: &Path, bounds: WalkBounds) -> (BTreeMap<PathBuf, u64>, Walked) {
        let mut seen = BTreeMap::new();
        let walked = walk(root, bounds, |id, path| {
            assert_eq!(seen.insert(path.to_owned(), id), None, "visited twice");
            ControlFlow::Continue(())
        })
        .expect("a readable root");
        (seen, walked)
    }

    #[test]
    fn every_directory_is_visited_once_with_its_inode_number() {
        let root = tree(&["a/b/c", "a/d", "e"]);
        fs::write(root.path().join("a/cgroup.procs"), "").expect("a file");
        std::os::unix::fs::symlink("a", root.path().join("link")).expect("a link");
        let (seen, walked) = visited(root.path(), WalkBounds::default());
        assert_eq!(walked, Walked { directories: 6, complete: true });
        let names: Vec<&str> = seen.keys().filter_map(|path| path.to_str()).collect();
        assert_eq!(names, ["", "a", "a/b", "a/b/c", "a/d", "e"]);
        for (path, id) in seen {
            let expected = fs::metadata(root.path().join(&path)).expect("still there").ino();
            assert_eq!(id, expected, "{}", path.display());
        }
    }

    #[test]
    fn a_bound_ends_the_walk_and_costs_the_deepest_first() {
        let root = tree(&["bomb/1/2/3/4/5", "service"]);
        let (seen, walked) = visited(root.path(), WalkBounds { directories: 3, depth: 64 });
        assert_eq!(walked, Walked { directories: 3, complete: false });
        assert!(seen.contains_key(Path::new("service")));

        let (seen, walked) = visited(root.path(), WalkBounds { directories: 100, depth: 2 });
        assert_eq!(walked, Walked { directories: 4, complete: false });
        assert!(!seen.contains_key(Path::new("bomb/1/2")));

        let (_, walked) = visited(root.path(), WalkBounds { directories: 8, depth: 6 });
        assert_eq!(walked, Walked { directories: 8, complete: true });
    }

    #[test]
    fn the_visitor_may_stop_it() {
        let root = tree(&["a/b/c"]);
        let mut seen = Vec::new();
        let walked = walk(root.path(), WalkBounds::default(), |_, path| {
            seen.push(path.to_owned());
            if path == Path::new("a") { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(walked.expect("a readable root"), Walked { directories: 2, complete: false });
        assert_eq!(seen, [Path::new(""), Path::new("a")]);
    }

    #[test]
    fn what_is_removed_on_the_way_is_no_error() {
        let root = tree(&["a/b/c", "d"]);
        let walked = walk(root.path(), WalkBounds::default(), |_, path| {
            if path == Path::new("a/b") {
                fs::remove_dir_all(root.path().join("a/b")).expect("removable");
            }
            ControlFlow::Continue(())
        });
        assert_eq!(walked.expect("a readable root"), Walked { directories: 4, complete: true });
    }

    #[test]
    fn a_root_that_is_not_there_is_an_error() {
        let root = tree(&[]);
        let missing = walk(&root.path().join("x"), WalkBounds::default(), |_, _| ControlFlow::Continue(()));
        assert_eq!(missing.expect_err("nothing there").kind(), io::ErrorKind::NotFound);
    }
}
