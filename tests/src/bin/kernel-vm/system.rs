//! The system around the tests: file systems, modules, loopback; and its end.

use anyhow::{Context as _, Result, bail};
use rustix::{
    mount::{MountFlags, mount},
    process::{WaitOptions, wait},
    system::{RebootCommand, finit_module, reboot},
};
use std::{ffi::CString, fs, path::Path, process::Command};

/// What the tests, and the programs they start, look for programs in.
pub(crate) const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Type, place and options of what is mounted, in order. A kernel that lacks one of them shows in the tests.
const MOUNTS: [(&str, &str, &str); 11] = [
    ("devtmpfs", "/dev", ""),
    ("proc", "/proc", ""),
    ("sysfs", "/sys", ""),
    ("tmpfs", "/run", "mode=755"),
    ("tmpfs", "/tmp", "mode=1777"),
    ("tracefs", "/sys/kernel/tracing", ""),
    ("securityfs", "/sys/kernel/security", ""),
    ("bpf", "/sys/fs/bpf", ""),
    // As systemd mounts them where both versions are in use.
    ("tmpfs", "/sys/fs/cgroup", "mode=755"),
    ("cgroup2", "/sys/fs/cgroup/unified", ""),
    ("cgroup", "/sys/fs/cgroup/pids", "pids"),
];

/// Makes the system.
pub(crate) fn set_up() -> Result<()> {
    for (kind, place, options) in MOUNTS {
        // Those below a file system of our own have no place yet; /sys has them all.
        let _ = fs::create_dir_all(place);
        let options = CString::new(options)?;
        if let Err(error) = mount(kind, place, kind, MountFlags::empty(), options.as_c_str()) {
            let told = anyhow::Error::from(error).context(format!("mounting {kind} at {place}"));
            crate::report::last_words(&told);
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

/// Has the kernel refuse fentry and fexit, as those do that are locked down or built without function tracing: what is
/// left are tracepoints and iterators. (`register_ftrace_direct` wants `kernel.ftrace_enabled`, up to 6.x.)
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

/// Collects every process that ends, until that of `child` has: orphans are the init's.
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

/// Ends the machine: with `-no-reboot`, QEMU takes this for the end.
pub(crate) fn power_off() -> Result<()> {
    rustix::fs::sync();
    reboot(RebootCommand::Restart).context("cannot power off")
}
