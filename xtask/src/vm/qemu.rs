//! A virtual machine under QEMU with an emulated processor: slow, and independent of the host's processor. The guest
//! reports on its second serial line; the first is its console, which goes to a file.
//!
//! Contract: the QEMU process ends when its [`RunningMachine`] is dropped, and when this program ends.

use super::architecture::Architecture;
use crate::process::{CommandError, describe};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::Instant,
};

/// A disk of the guest. A guest gets at most one of each kind, because the order of two of the same kind is not
/// defined. Writes are discarded when the guest ends.
#[derive(Clone, Debug)]
pub(super) enum Disk {
    /// `/dev/nvme0n1`: cloud kernels have the driver built in.
    Nvme(PathBuf),
    /// `/dev/vda`: the guest has to load the module `virtio_blk`.
    Virtio(PathBuf),
}

impl Disk {
    /// QEMU's name of the device, and the file with its content.
    fn parts(&self) -> (&'static str, &Path) {
        match self {
            Self::Nvme(image) => ("nvme,serial=root", image),
            Self::Virtio(image) => ("virtio-blk-pci", image),
        }
    }
}

/// The configuration of a virtual machine.
#[derive(Clone, Debug)]
pub(super) struct VirtualMachine {
    pub(super) architecture: Architecture,
    /// Path of the kernel image.
    pub(super) kernel: PathBuf,
    /// The kernel command line, without the console.
    pub(super) command_line: String,
    /// The initial RAM file system, if the root file system is not a disk.
    pub(super) initramfs: Option<PathBuf>,
    pub(super) disks: Vec<Disk>,
    pub(super) processors: u32,
    pub(super) memory_mib: u32,
    /// The file that the console is written to.
    pub(super) console: PathBuf,
}

impl VirtualMachine {
    pub(super) fn boot(&self) -> Result<RunningMachine, CommandError> {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        // SAFETY: between fork and exec the closure makes one system call and allocates nothing.
        unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
        let mut child =
            command.spawn().map_err(|source| CommandError::Start { command: describe(&command), source })?;
        let (sender, lines) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                let mut output = BufReader::new(output);
                let mut line = Vec::new();
                // Bytes, not text: an incomplete UTF-8 sequence must not end the loop.
                while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                    let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                    if sender.send(text).is_err() {
                        break;
                    }
                    line.clear();
                }
            });
        }
        Ok(RunningMachine { child, lines })
    }

    fn command(&self) -> Command {
        let platform = self.architecture.platform();
        let mut command = Command::new(platform.qemu);
        command.args(["-nodefaults", "-display", "none", "-no-reboot", "-accel", "tcg,thread=multi"]);
        command.args(platform.machine);
        command.args([
            "-cpu",
            platform.processor,
            "-smp",
            &self.processors.to_string(),
            "-m",
            &self.memory_mib.to_string(),
        ]);
        command.arg("-kernel").arg(&self.kernel);
        command.args(["-append", &format!("console={} panic=-1 {}", platform.console, self.command_line)]);
        if let Some(initramfs) = &self.initramfs {
            command.arg("-initrd").arg(initramfs);
        }
        for (number, (device, image)) in self.disks.iter().map(Disk::parts).enumerate() {
            let name = escaped(image);
            // Writes are discarded, so flushes need not be waited for.
            command
                .args(["-drive", &format!("file={name},if=none,id=disk{number},format=raw,snapshot=on,cache=unsafe")]);
            command.args(["-device", &format!("{device},drive=disk{number}")]);
        }
        command.args(["-serial", &format!("file:{}", self.console.display())]);
        command.args(["-chardev", "stdio,id=report"]).args(platform.report_device);
        command
    }
}

/// A path as a value of a QEMU option, in which a comma ends the value and is escaped by another.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// A running QEMU process; killed on drop.
#[derive(Debug)]
pub(super) struct RunningMachine {
    child: Child,
    lines: Receiver<String>,
}

/// Why no further line came from the guest.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    #[error("the virtual machine printed no further line in time")]
    Deadline,
    #[error("the virtual machine ended ({0})")]
    Ended(ExitStatus),
    #[error("cannot read the exit status of the virtual machine")]
    Wait(#[source] std::io::Error),
}

impl RunningMachine {
    /// Waits for the next line of the guest's report.
    pub(super) fn line(&mut self, deadline: Instant) -> Result<String, Silence> {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => Err(Silence::Deadline),
            Err(RecvTimeoutError::Disconnected) => Err(self.child.wait().map_or_else(Silence::Wait, Silence::Ended)),
        }
    }
}

impl Drop for RunningMachine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn machine() -> VirtualMachine {
        VirtualMachine {
            architecture: Architecture::Amd64,
            kernel: "/k/vmlinuz".into(),
            command_line: "root=/dev/nvme0n1".to_owned(),
            initramfs: None,
            disks: vec![Disk::Nvme("/i/a,b.img".into()), Disk::Virtio("/i/c.img".into())],
            processors: 2,
            memory_mib: 512,
            console: "/t/console.log".into(),
        }
    }

    #[test]
    fn the_processor_is_emulated_and_disks_are_not_written_to() {
        let line = describe(&machine().command());
        for part in [
            "-accel tcg",
            "-append console=ttyS0 panic=-1 root=/dev/nvme0n1",
            "file=/i/a,,b.img,if=none,id=disk0,format=raw,snapshot=on,cache=unsafe",
            "-device nvme,serial=root,drive=disk0",
            "id=disk1,format=raw,snapshot=on,cache=unsafe -device virtio-blk-pci,drive=disk1",
            "-serial file:/t/console.log -chardev stdio,id=report -serial chardev:report",
        ] {
            assert!(line.contains(part), "expected `{part}` in `{line}`");
        }
        assert!(!line.contains("kvm") && !line.contains("-initrd"), "found `{line}`");
    }

    #[test]
    fn another_architecture_is_another_emulator_with_its_own_lines() {
        let line = describe(&VirtualMachine { architecture: Architecture::Arm64, ..machine() }.command());
        for part in [
            "qemu-system-aarch64 ",
            "-machine virt",
            "-append console=ttyAMA0 panic=-1 ",
            "-chardev stdio,id=report -device pci-serial,chardev=report",
        ] {
            assert!(line.contains(part), "expected `{part}` in `{line}`");
        }
    }

    fn running(script: &str) -> RunningMachine {
        let mut child = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().expect("sh");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        RunningMachine { child, lines }
    }

    #[test]
    fn lines_come_in_order_and_then_the_exit_status() {
        let mut running = running("echo one; echo two; exit 3");
        let deadline = Instant::now() + Duration::from_secs(10);
        assert_eq!(running.line(deadline).expect("first"), "one");
        assert_eq!(running.line(deadline).expect("second"), "two");
        assert!(matches!(running.line(deadline), Err(Silence::Ended(status)) if status.code() == Some(3)));
    }

    #[test]
    fn a_silent_machine_is_not_waited_for_longer_than_allowed() {
        let mut running = running("exec sleep 60");
        assert!(matches!(running.line(Instant::now()), Err(Silence::Deadline)));
    }
}
