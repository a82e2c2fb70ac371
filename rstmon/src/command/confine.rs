//! What a command that loads the probe gives up once the hooks are attached: privileges, files, system calls.

use super::{Failure, config::Config};
use crate::{
    attribute::Mounts,
    probe::privileges,
    sandbox::{self, Reach, Sandbox},
};
use std::path::{Path, PathBuf};

/// Read all the time: the kernel's counters, processes, cgroups, the number of CPUs.
const KERNEL: [&str; 2] = ["/proc", "/sys"];
/// Read by a command that talks to people: time zone, terminal.
const TERMINAL: [&str; 5] =
    ["/etc/localtime", "/usr/share/zoneinfo", "/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"];

/// Gives up everything but `reach`, for good. To be called before other threads are started.
pub fn confine(config: &Config, reach: &Reach) -> Result<Sandbox, Failure> {
    privileges::drop_privileges()?;
    let sandbox = sandbox(config, reach);
    for (protection, state) in sandbox.protections() {
        tracing::debug!(protection, %state, "sandbox");
    }
    Ok(sandbox)
}

/// Forbids everything but `reach`, unless the configuration says not to.
#[must_use]
pub fn sandbox(config: &Config, reach: &Reach) -> Sandbox {
    if config.security.sandbox { sandbox::enter(reach) } else { sandbox::enter_nothing() }
}

/// What a command needs that watches alone and writes to a terminal.
#[must_use]
pub fn watching() -> Reach {
    let mut reach = kernel();
    reach.read.extend(TERMINAL.map(PathBuf::from));
    reach.write.push("/dev/tty".into());
    reach
}

/// What the daemon needs: the kernel's files, and those that it reads again. Directories rather than files, because
/// whoever replaces a file makes a new one; of a link, its target's directory, too.
#[must_use]
pub fn serving<'a>(
    read_again: impl IntoIterator<Item = &'a Path>,
    socket: Option<&Path>,
    notify: Option<&Path>,
) -> Reach {
    let mut reach = kernel();
    for file in read_again {
        reach.read.extend(directory(file));
        reach.read.extend(file.canonicalize().ok().as_deref().and_then(directory));
    }
    // Its socket file goes with the daemon.
    reach.remove.extend(socket.and_then(directory));
    reach.connect.extend(notify.map(Path::to_path_buf));
    reach
}

fn kernel() -> Reach {
    let mut read: Vec<PathBuf> = KERNEL.map(PathBuf::from).into();
    // Nearly always below /sys.
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
        let reach = serving([live.join("cert.pem").as_path()], Some(Path::new("/run/rstmon/s")), None);
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
