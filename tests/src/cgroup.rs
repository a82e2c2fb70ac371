//! Control groups with names like systemd's, to test the attribution of resets to units.

use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Prefix of the names of slices, followed by the id of the test process and `.slice`.
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
        Self::below(v2_mount()?, unit)
    }

    /// The same in the v1 hierarchy of the `pids` controller; `None` where it is not mounted.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn legacy(unit: &str) -> Result<Option<Self>> {
        Self::below(v1_mount("pids")?, unit)
    }

    /// The same in the hierarchy of the memory controller, v1 or v2; `None` where there is none.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub fn memory(unit: &str) -> Result<Option<Self>> {
        if let Some(root) = v1_mount("memory")? {
            return Self::below(Some(root), unit);
        }
        let Some(group) = Self::new(unit)? else { return Ok(None) };
        for above in group.path.ancestors().skip(1).take(2).collect::<Vec<_>>().into_iter().rev() {
            // Without the controller there is no limit, which the caller sees.
            let _ = fs::write(above.join("cgroup.subtree_control"), "+memory");
        }
        Ok(group.path.join("memory.max").is_file().then_some(group))
    }

    /// Limits the memory of the group.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn limit_memory(&self, bytes: u64) -> Result<()> {
        let files = ["memory.max", "memory.limit_in_bytes"].map(|name| self.path.join(name));
        let file = files.iter().find(|file| file.is_file()).context("no limit of memory")?;
        fs::write(file, bytes.to_string()).with_context(|| format!("writing {bytes} to {}", file.display()))
    }

    fn below(root: Option<PathBuf>, unit: &str) -> Result<Option<Self>> {
        let Some(root) = root else { return Ok(None) };
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
        // A reaped process leaves its group at once. If the group is still in use, the next run removes it.
        let _ = fs::remove_dir(&self.path);
        let _ = self.path.parent().map(fs::remove_dir);
    }
}

fn v2_mount() -> Result<Option<PathBuf>> {
    mount(|kind, _| kind == "cgroup2")
}

fn v1_mount(controller: &str) -> Result<Option<PathBuf>> {
    mount(|kind, options| kind == "cgroup" && options.split(',').any(|option| option == controller))
}

/// The mount point of the first file system with a matching type and options.
fn mount(fits: impl Fn(&str, &str) -> bool) -> Result<Option<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("reading /proc/self/mounts")?;
    Ok(mounts.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, place, kind, options, ..] = fields.as_slice() else { return None };
        fits(kind, options).then(|| PathBuf::from(place))
    }))
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
