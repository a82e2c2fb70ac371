//! Control groups named like systemd's, to show that a reset is attributed to a unit.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// What the slices of this crate are called, followed by the test process' id and `.slice`.
const PREFIX: &str = "rstmon-test-";

/// A cgroup v2 directory `rstmon-test-<pid>.slice/<unit>`, removed on drop once its processes are gone.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// Makes the group of `unit` (`web.service`); `None` where no cgroup v2 hierarchy is mounted.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn new(unit: &str) -> Result<Option<Self>> {
        let Some(root) = v2_mount()? else { return Ok(None) };
        remove_stale(&root);
        let path = root.join(format!("{PREFIX}{}.slice", std::process::id())).join(unit);
        fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Some(Self { path }))
    }

    /// Moves a process into the group.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn add(&self, pid: u32) -> Result<()> {
        let procs = self.path.join("cgroup.procs");
        fs::write(&procs, pid.to_string()).with_context(|| format!("writing {pid} to {}", procs.display()))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A reaped process leaves its group at once; a group that others still use stays for the next sweep.
        let _ = fs::remove_dir(&self.path);
        let _ = self.path.parent().map(fs::remove_dir);
    }
}

fn v2_mount() -> Result<Option<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("reading /proc/self/mounts")?;
    let line =
        mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).find(|fields| fields.get(2) == Some(&"cgroup2"));
    Ok(line.and_then(|fields| fields.get(1).map(PathBuf::from)))
}

fn remove_stale(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for slice in entries.flatten().filter(|entry| crate::stale(&entry.file_name().to_string_lossy(), PREFIX)) {
        for unit in fs::read_dir(slice.path()).into_iter().flatten().flatten() {
            let _ = fs::remove_dir(unit.path());
        }
        let _ = fs::remove_dir(slice.path());
    }
}
