//! `cargo xtask vm service`: rstmon as an administrator has it. A Debian system with systemd boots in a virtual machine
//! with the .deb and the program of the checks (`tests/src/bin/service-vm`) on a second disk; the program runs them and
//! says how each went.

mod packages;
mod report;

use self::report::{Said, Tally};
use super::{
    architecture::Architecture,
    cache::Cache,
    guest,
    image::{self, ImageError, Recipe},
    kernels::{self, Kernel, KernelError},
    qemu::{Disk, Machine, Running, Silence},
};
use crate::{
    dist,
    process::ProcessError,
    say,
    target::Target,
    toolchain,
    workspace::{FileError, Workspace},
};
use anyhow::Context as _;
use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Debian's stable release: the system to be tested on.
const SYSTEM: Recipe = Recipe {
    suite: "trixie",
    packages: &["systemd", "systemd-sysv", "kmod", "iproute2", "bpftool"],
    files: &[
        ("/etc/hostname", "guest\n"),
        ("/etc/systemd/system/rstmon-guest.service", include_str!("rstmon-guest.service")),
    ],
    commands: &[
        "systemctl enable rstmon-guest.service",
        // apt's own errands would hold the lock that installing needs.
        "systemctl mask apt-daily.timer apt-daily-upgrade.timer",
        // What the first boot would do, and every run is a first boot.
        "systemd-machine-id-setup",
        "touch /etc/.updated /var/.updated",
    ],
};
const COMMAND_LINE: &str = "root=/dev/nvme0n1 rootfstype=ext4 rw systemd.getty_auto=no";
const MEMORY_MIB: u32 = 1024;
const PAYLOAD_SIZE: &str = "256M";
/// From power on to the last check. On two idle processors it takes two and a half minutes.
const PATIENCE: Duration = Duration::from_mins(10);

/// The guest's programs: the checks, and the processes whose connections are reset.
const PROGRAMS: [&str; 2] = ["service-vm", "actor"];

/// Why rstmon is no good as a service, or why nobody knows.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServiceError {
    #[error("{} of {total} checks failed: {}", .failed.len(), .failed.join("; "))]
    Failed { failed: Vec<String>, total: usize },
    #[error("the checks ended early, after {done}")]
    Silence { done: usize, source: Silence },
    #[error("the program of the checks ended early ({status}), after {done}")]
    Gone { done: usize, status: String },
    #[error("{announced} checks were announced, {done} came")]
    Incomplete { announced: usize, done: usize },
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Boots the system and has it run all checks of `deb`, or of a package made now.
pub(crate) fn test(workspace: &Workspace, deb: Option<&Path>) -> anyhow::Result<()> {
    let started = Instant::now();
    let target = Target::native(toolchain::host(workspace)?);
    // Debian's part is made while cargo is at work on ours.
    let (system, ours) = thread::scope(|scope| {
        let system = scope.spawn(system);
        let ours = programs_and_package(workspace, &target, deb);
        (system.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), ours)
    });
    let ((kernel, root), (programs, deb)) = (system?, ours?);
    let directory = workspace.target.join("vm/service");
    let payload = payload(&directory, &programs, &deb).context("cannot make the disk with the package")?;
    let console = directory.join("console.log");
    let machine = Machine {
        architecture: Architecture::Amd64,
        kernel: kernel.image(),
        command_line: COMMAND_LINE.to_owned(),
        initramfs: None,
        disks: vec![Disk::Nvme(root), Disk::Virtio(payload)],
        processors: 2,
        memory_mib: MEMORY_MIB,
        console: console.clone(),
    };
    let prepared = started.elapsed().as_secs_f64();
    say::line(format_args!("vm: booting Linux {}, prepared in {prepared:.1} s", kernel.release));
    let booted = Instant::now();
    let tally = follow(machine.boot()?, booted + PATIENCE)
        .inspect_err(|_| say::line(format_args!("vm: the guest's console is in {}", console.display())))?;
    let took = booted.elapsed().as_secs_f64();
    say::line(format_args!("vm: all {} checks of the service passed, {took:.1} s after power on", tally.passed));
    Ok(())
}

fn system() -> Result<(Kernel, PathBuf), ServiceError> {
    let cache = Cache::of_user()?;
    let kernel = kernels::newest(&cache, SYSTEM.suite, Architecture::Amd64)?;
    let root = image::image(&cache, "service", &SYSTEM, &kernel)?;
    Ok((kernel, root))
}

fn programs_and_package(
    workspace: &Workspace,
    target: &Target,
    deb: Option<&Path>,
) -> anyhow::Result<(PathBuf, PathBuf)> {
    let programs = guest::build(workspace, target, &PROGRAMS)?;
    let deb = match deb {
        Some(deb) => deb.to_owned(),
        None => dist::deb(workspace, &workspace.target.join("vm/dist-work"), &workspace.target.join("vm/dist"))?,
    };
    Ok((programs, deb))
}

/// The second disk: programs and packages.
fn payload(directory: &Path, programs: &Path, deb: &Path) -> Result<PathBuf, ServiceError> {
    let files = directory.join("payload");
    match fs::remove_dir_all(&files) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(FileError::on("remove", &files)(error).into());
        }
        _ => fs::create_dir_all(&files).map_err(FileError::on("create", &files))?,
    }
    for program in PROGRAMS {
        copy(&programs.join(program), &files.join(program))?;
    }
    copy(deb, &files.join("rstmon.deb"))?;
    packages::successor(deb, &directory.join("successor"), &files.join("rstmon-later.deb"))?;
    let disk = directory.join("payload.img");
    image::disk_of(&files, &disk, PAYLOAD_SIZE)?;
    Ok(disk)
}

fn copy(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::copy(from, to).map(drop).map_err(FileError::on("copy", from))
}

/// Shows what the guest says until it has said all.
fn follow(mut guest: Running, deadline: Instant) -> Result<Tally, ServiceError> {
    let mut tally = Tally::default();
    loop {
        let line = match guest.line(deadline) {
            Ok(line) => line,
            Err(source) => return Err(ServiceError::Silence { done: tally.total(), source }),
        };
        // What is not ours, a panic say, is shown as well.
        let said = Said::read(&line).unwrap_or(Said::Detail(line));
        tally.count(&said);
        if let Some(text) = said.display() {
            say::line(text);
        }
        match said {
            Said::End { checks } => return verdict(tally, checks),
            Said::Gone(status) => return Err(ServiceError::Gone { done: tally.total(), status }),
            Said::Check { .. } | Said::Detail(_) => {}
        }
    }
}

fn verdict(tally: Tally, announced: usize) -> Result<Tally, ServiceError> {
    let done = tally.total();
    if !tally.failed.is_empty() {
        return Err(ServiceError::Failed { failed: tally.failed, total: done });
    }
    if done != announced || announced == 0 {
        return Err(ServiceError::Incomplete { announced, done });
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: usize, failed: &[&str]) -> Tally {
        Tally { passed, failed: failed.iter().map(|&name| name.to_owned()).collect() }
    }

    #[test]
    fn only_all_checks_are_a_success() {
        assert!(verdict(tally(3, &[]), 3).is_ok());
        assert!(matches!(verdict(tally(2, &["x"]), 3), Err(ServiceError::Failed { total: 3, .. })));
        assert!(matches!(verdict(tally(2, &[]), 3), Err(ServiceError::Incomplete { announced: 3, done: 2 })));
        assert!(matches!(verdict(tally(0, &[]), 0), Err(ServiceError::Incomplete { .. })));
    }
}
