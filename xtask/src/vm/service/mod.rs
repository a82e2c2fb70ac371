//! `cargo xtask vm service`: rstmon as an administrator installs it. A Debian system with systemd boots in a virtual
//! machine with the .deb and the check program (`tests/src/bin/service-vm`) on a second disk. The check program runs
//! the checks and reports the result of each.

mod packages;
mod report;

use self::report::{CheckLine, CheckTally};
use super::{
    architecture::Architecture,
    cache::Cache,
    guest,
    image::{self, ImageError, ImageRecipe},
    kernels::{self, GuestKernel, KernelError},
    qemu::{Disk, RunningMachine, Silence, VirtualMachine},
};
use crate::{
    dist,
    process::CommandError,
    say,
    target::BuildTarget,
    toolchain,
    workspace::{self, FileError, Workspace},
};
use anyhow::Context as _;
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

/// Debian's stable release, the system that the service is tested on.
const SYSTEM: ImageRecipe = ImageRecipe {
    suite: "trixie",
    packages: &["systemd", "systemd-sysv", "kmod", "iproute2", "bpftool"],
    files: &[
        ("/etc/hostname", "guest\n"),
        ("/etc/systemd/system/rstmon-guest.service", include_str!("rstmon-guest.service")),
    ],
    commands: &[
        "systemctl enable rstmon-guest.service",
        // apt's background jobs would hold the lock that an installation needs.
        "systemctl mask apt-daily.timer apt-daily-upgrade.timer",
        // Work of the first boot, done here because every run boots the image for the first time.
        "systemd-machine-id-setup",
        "touch /etc/.updated /var/.updated",
    ],
};
const COMMAND_LINE: &str = "root=/dev/nvme0n1 rootfstype=ext4 rw systemd.getty_auto=no";
const MEMORY_MIB: u32 = 1024;
const PAYLOAD_SIZE: &str = "256M";
/// Time limit from power on to the last check. On two idle processors it takes two and a half minutes.
const PATIENCE: Duration = Duration::from_mins(10);

/// Programs in the guest: the checks, and the processes whose connections are reset.
const PROGRAMS: [&str; 2] = ["service-vm", "actor"];

/// Why the test of the service failed or could not be completed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServiceError {
    #[error("{} of {total} checks failed: {}", .failed.len(), .failed.join("; "))]
    Failed { failed: Vec<String>, total: usize },
    #[error("the checks ended early, after {done}")]
    Silence { done: usize, source: Silence },
    #[error("the check program ended early ({status}), after {done}")]
    Gone { done: usize, status: String },
    #[error("{announced} checks were announced, {done} were reported")]
    Incomplete { announced: usize, done: usize },
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Process(#[from] CommandError),
    #[error(transparent)]
    File(#[from] FileError),
}

/// Boots the system and runs all checks on `deb`, or on a package made of this checkout.
pub(crate) fn test(workspace: &Workspace, deb: Option<&Path>) -> anyhow::Result<()> {
    let started = Instant::now();
    let target = BuildTarget::native(toolchain::host(workspace)?);
    // The Debian system is made while cargo builds the package and the programs.
    let (system, ours) = thread::scope(|scope| {
        let system = scope.spawn(system);
        let ours = programs_and_package(workspace, &target, deb);
        (system.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), ours)
    });
    let ((kernel, root), (programs, deb)) = (system?, ours?);
    let directory = workspace.target.join("vm/service");
    let payload = payload(&directory, &programs, &deb).context("cannot make the disk with the package")?;
    let console = directory.join("console.log");
    let machine = VirtualMachine {
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

fn system() -> Result<(GuestKernel, PathBuf), ServiceError> {
    let cache = Cache::of_user()?;
    let kernel = kernels::newest(&cache, SYSTEM.suite, Architecture::Amd64)?;
    let root = image::image(&cache, "service", &SYSTEM, &kernel)?;
    Ok((kernel, root))
}

fn programs_and_package(
    workspace: &Workspace,
    target: &BuildTarget,
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
    workspace::empty_dir(&files)?;
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

/// Prints the guest's report until its end.
fn follow(mut guest: RunningMachine, deadline: Instant) -> Result<CheckTally, ServiceError> {
    let mut tally = CheckTally::default();
    loop {
        let line = match guest.line(deadline) {
            Ok(line) => line,
            Err(source) => return Err(ServiceError::Silence { done: tally.total(), source }),
        };
        // Lines that are no part of the report, such as a panic, are printed as well.
        let said = CheckLine::read(&line).unwrap_or(CheckLine::Detail(line));
        tally.count(&said);
        if let Some(text) = said.display() {
            say::line(text);
        }
        match said {
            CheckLine::End { checks } => return verdict(tally, checks),
            CheckLine::Gone(status) => return Err(ServiceError::Gone { done: tally.total(), status }),
            CheckLine::Check { .. } | CheckLine::Detail(_) => {}
        }
    }
}

fn verdict(tally: CheckTally, announced: usize) -> Result<CheckTally, ServiceError> {
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

    fn tally(passed: usize, failed: &[&str]) -> CheckTally {
        CheckTally { passed, failed: failed.iter().map(|&name| name.to_owned()).collect() }
    }

    #[test]
    fn only_all_checks_are_a_success() {
        assert!(verdict(tally(3, &[]), 3).is_ok());
        assert!(matches!(verdict(tally(2, &["x"]), 3), Err(ServiceError::Failed { total: 3, .. })));
        assert!(matches!(verdict(tally(2, &[]), 3), Err(ServiceError::Incomplete { announced: 3, done: 2 })));
        assert!(matches!(verdict(tally(0, &[]), 0), Err(ServiceError::Incomplete { .. })));
    }
}
