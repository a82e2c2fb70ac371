//! Gives up privileges once the hooks are attached, and decides which files each command keeps.

use super::{Reach, Sandbox, enter, enter_nothing};
use crate::{attribute::Mounts, probe::privileges};
use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
};

#[derive(Debug, thiserror::Error)]
#[error("cannot give up privileges: {0}; run rstmon with CAP_BPF and CAP_PERFMON only")]
pub(crate) struct ConfineError(#[from] caps::errors::CapsError);

/// Read by every command: the kernel's counters, processes, cgroups, the number of CPUs.
const KERNEL: [&str; 2] = ["/proc", "/sys"];
/// Read by a command that writes to a terminal: time zone, terminfo.
const TERMINAL: [&str; 5] =
    ["/etc/localtime", "/usr/share/zoneinfo", "/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"];

/// Gives up privileges, and access to everything but `reach` unless the sandbox is turned off. This cannot be undone;
/// it must be called before other threads are started, but that of the log.
pub(crate) fn confine(is_enabled: bool, reach: &Reach) -> Result<Sandbox, ConfineError> {
    privileges::drop_privileges()?;
    let sandbox = sandbox(is_enabled, reach);
    for (protection, state) in sandbox.protections() {
        tracing::debug!(protection, %state, "sandbox");
    }
    Ok(sandbox)
}

/// The same for the thread of the log, which is started before all of this: it keeps no file. System calls are
/// restricted together with those of the main thread.
pub(crate) fn confine_log_thread(is_enabled: bool) -> Result<(), ConfineError> {
    privileges::drop_privileges()?;
    super::enter_early(is_enabled);
    Ok(())
}

/// Enters the sandbox with `reach`, unless it is turned off.
#[must_use]
pub(crate) fn sandbox(is_enabled: bool, reach: &Reach) -> Sandbox {
    if is_enabled { enter(reach) } else { enter_nothing() }
}

/// The reach of a command that watches without a daemon and writes to a terminal.
#[must_use]
pub(crate) fn watching() -> Reach {
    let mut reach = kernel();
    reach.read.extend(TERMINAL.map(PathBuf::from));
    reach.write.push("/dev/tty".into());
    reach
}

/// The reach of a command that reads a store and writes to a terminal.
#[must_use]
pub(crate) fn reading(store: &Path) -> Reach {
    let mut reach = Reach { read: vec![store.into()], ..Reach::default() };
    reach.read.extend(TERMINAL.map(PathBuf::from));
    reach
}

/// The reach of the daemon: the kernel's files, and those that a reload reads again. The latter by directory, because a
/// file that is replaced is a new file; for a link, its target's directory as well.
#[must_use]
pub(crate) fn serving<'a>(
    read_again: impl IntoIterator<Item = &'a Path>,
    socket: Option<&Path>,
    notify: Option<&Path>,
    store: Option<Arc<OwnedFd>>,
) -> Reach {
    let mut reach = kernel();
    for file in read_again {
        reach.read.extend(directory(file));
        reach.read.extend(file.canonicalize().ok().as_deref().and_then(directory));
    }
    // The daemon removes its socket file when it ends.
    reach.remove.extend(socket.and_then(directory));
    reach.connect.extend(notify.map(Path::to_path_buf));
    reach.keep = store;
    reach
}

fn kernel() -> Reach {
    let mut read: Vec<PathBuf> = KERNEL.map(PathBuf::from).into();
    // Usually below /sys, but they can be mounted anywhere.
    if let Ok(mounts) = Mounts::discover(Path::new(KERNEL[0])) {
        let v1 = mounts.preferred_v1().and_then(|controller| mounts.v1(controller));
        read.extend(mounts.v2().into_iter().chain(v1).map(|hierarchy| hierarchy.point.clone()));
    }
    Reach { read, ..Reach::default() }
}

fn directory(file: &Path) -> Option<PathBuf> {
    match file.parent()? {
        here if here.as_os_str().is_empty() => Some(".".into()),
        parent => Some(parent.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{directory, serving};
    use std::{os::unix::fs::symlink, path::Path};

    #[test]
    fn a_linked_file_is_within_reach_with_its_target() {
        let place = tempfile::tempdir().expect("a directory");
        let (live, archive) = (place.path().join("live"), place.path().join("archive"));
        for directory in [&live, &archive] {
            std::fs::create_dir(directory).expect("a directory");
        }
        std::fs::write(archive.join("cert1.pem"), "").expect("a file");
        symlink("../archive/cert1.pem", live.join("cert.pem")).expect("a link");
        let reach = serving([live.join("cert.pem").as_path()], Some(Path::new("/run/rstmon/s")), None, None);
        let archive = archive.canonicalize().expect("it exists");
        assert!(reach.read.contains(&live) && reach.read.contains(&archive), "{reach:?}");
        assert!(reach.read.contains(&"/proc".into()), "{reach:?}");
        assert_eq!((reach.remove, reach.write), (vec!["/run/rstmon".into()], vec![]));
    }

    #[test]
    fn a_file_without_a_directory_is_here() {
        assert_eq!(directory(Path::new("rstmon.toml")), Some(".".into()));
    }
}
