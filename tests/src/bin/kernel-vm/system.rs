//! The system around the tests: file systems, modules, loopback, and its end.

use anyhow::{Context as _, Result, bail};
use rustix::{
    mount::{MountFlags, mount},
    process::{WaitOptions, wait},
    system::{RebootCommand, finit_module, reboot},
};
use std::{ffi::CString, fs, path::Path, process::Command};

/// `PATH` of the tests and of the programs that they start.
pub(crate) const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Type, mount point and options, in order. If the kernel lacks one of them, the tests that need it fail.
const MOUNTS: [(&str, &str, &str); 11] = [
    ("devtmpfs", "/dev", ""),
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("tmpfs", "/run", "mode=755"),
    ("tmpfs", "/tmp", "mode=1777"),
    ("tracefs", "/sys/kernel/tracing", ""),
    ("securityfs", "/sys/kernel/security", ""),
    ("bpf", "/sys/fs/bpf", ""),
    // As systemd mounts cgroups where both versions are in use.
    ("tmpfs", "/sys/fs/cgroup", "mode=755"),
    ("cgroup2", "/sys/fs/cgroup/unified", ""),
    ("cgroup", "/sys/fs/cgroup/pids", "pids"),
];

pub(crate) fn set_up() -> Result<()> {
    for (kind, place, options) in MOUNTS {
        // Mount points on tmpfs do not exist yet; those in /sys do, and cannot be made.
        let _ = fs::create_dir_all(place);
        let options = CString::new(options)?;
        if let Err(error) = mount(kind, place, kind, MountFlags::empty(), options.as_c_str()) {
            let error = anyhow::Error::from(error).context(format!("mounting {kind} at {place}"));
            crate::report::to_console(&error);
        }
    }
    for link in [("/proc/self/fd", "/dev/fd"), ("/proc/self/fd/0", "/dev/stdin")] {
        let _ = std::os::unix::fs::symlink(link.0, link.1);
    }
    let modules = fs::read_to_string("/etc/modules.list").context("reading the list of modules")?;
    for module in modules.lines() {
        let file = fs::File::open(module).with_context(|| module.to_owned())?;
        finit_module(&file, c"", 0).with_context(|| format!("loading {module}"))?;
    }
    tool("ip", &["link", "set", "lo", "up"])
}

/// Makes the kernel refuse fentry and fexit, as a kernel does that is locked down or built without function tracing;
/// tracepoints and iterators remain. (`register_ftrace_direct` needs `kernel.ftrace_enabled`, up to 6.x.)
pub(crate) fn forbid_trampolines() -> Result<()> {
    fs::write("/proc/sys/kernel/ftrace_enabled", "0").context("turning trampolines off")
}

fn tool(name: &str, arguments: &[&str]) -> Result<()> {
    let directories = PATH.split(':').map(Path::new);
    let program = directories.map(|directory| directory.join(name)).find(|path| path.is_file());
    let program = program.with_context(|| format!("no {name}"))?;
    let status = Command::new(&program).args(arguments).status().with_context(|| name.to_owned())?;
    if !status.success() {
        bail!("{name} {}: {status}", arguments.join(" "));
    }
    Ok(())
}

/// Reaps every process that ends, orphans included, until `child` has ended.
pub(crate) fn reap_until(child: u32) -> Result<()> {
    loop {
        if let Some((pid, status)) = wait(WaitOptions::empty())?
            && u32::try_from(pid.as_raw_nonzero().get()) == Ok(child)
        {
            return match status.exit_status() {
                Some(0) => Ok(()),
                _ => bail!("the process with the tests ended with {status:?}"),
            };
        }
    }
}

/// Ends the machine: QEMU with `-no-reboot` exits at a restart.
pub(crate) fn power_off() -> Result<()> {
    rustix::fs::sync();
    reboot(RebootCommand::Restart).context("cannot power off")
}
