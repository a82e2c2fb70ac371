//! One virtual machine under QEMU, its processor emulated: slow, and the same wherever it runs. What the guest has to
//! say comes over its second serial line; the first is its console, kept in a file.
//!
//! Contract: the process ends with the [`Running`] that stands for it, and with this program.

use super::architecture::Architecture;
use crate::process::{ProcessError, describe};
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

/// A disk of the guest, one of each kind: which of two alike comes first is a matter of chance. What the guest writes
/// to it is forgotten.
#[derive(Clone, Debug)]
pub(super) enum Disk {
    /// `/dev/nvme0n1`: cloud kernels have the driver built in.
    Nvme(PathBuf),
    /// `/dev/vda`, for which the guest has to load the module `virtio_blk`.
    Virtio(PathBuf),
}

impl Disk {
    /// The device in QEMU's words, and the file with its content.
    fn parts(&self) -> (&'static str, &Path) {
        match self {
            Self::Nvme(image) => ("nvme,serial=root", image),
            Self::Virtio(image) => ("virtio-blk-pci", image),
        }
    }
}

/// A machine as it is to be.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    /// What its processor is.
    pub(super) architecture: Architecture,
    /// The kernel's image.
    pub(super) kernel: PathBuf,
    /// What the kernel is told besides where its console is.
    pub(super) command_line: String,
    /// The first file system, if it is not a disk.
    pub(super) initramfs: Option<PathBuf>,
    /// Disks.
    pub(super) disks: Vec<Disk>,
    /// Processors.
    pub(super) processors: u32,
    /// Memory, in MiB.
    pub(super) memory_mib: u32,
    /// The file that gets everything the console shows.
    pub(super) console: PathBuf,
}

impl Machine {
    /// Starts it.
    pub(super) fn boot(&self) -> Result<Running, ProcessError> {
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        // SAFETY: between fork and exec there is nothing but one system call, which allocates nothing.
        unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
        let mut child =
            command.spawn().map_err(|source| ProcessError::Start { command: describe(&command), source })?;
        let (sender, lines) = mpsc::channel();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                let mut output = BufReader::new(output);
                let mut line = Vec::new();
                // Bytes, not text: a broken line must not end the reading.
                while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                    let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                    if sender.send(text).is_err() {
                        break;
                    }
                    line.clear();
                }
            });
        }
        Ok(Running { child, lines })
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
            // Nobody minds when what is forgotten anyway is lost: flushes are not waited for.
            command
                .args(["-drive", &format!("file={name},if=none,id=disk{number},format=raw,snapshot=on,cache=unsafe")]);
            command.args(["-device", &format!("{device},drive=disk{number}")]);
        }
        command.args(["-serial", &format!("file:{}", self.console.display())]);
        command.args(["-chardev", "stdio,id=report"]).args(platform.report_device);
        command
    }
}

/// A path as a value of one of QEMU's options, in which a comma ends the value.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// A running machine; killed on drop.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    lines: Receiver<String>,
}

/// Why there was no further line.
#[derive(Debug, thiserror::Error)]
pub(super) enum Silence {
    #[error("the virtual machine said nothing more in time")]
    Deadline,
    #[error("the virtual machine ended ({0})")]
    Ended(ExitStatus),
    #[error("cannot tell how the virtual machine ended")]
    Wait(#[source] std::io::Error),
}

impl Running {
    /// The next line that the guest says.
    pub(super) fn line(&mut self, deadline: Instant) -> Result<String, Silence> {
        match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => Ok(line),
            Err(RecvTimeoutError::Timeout) => Err(Silence::Deadline),
            Err(RecvTimeoutError::Disconnected) => Err(self.child.wait().map_or_else(Silence::Wait, Silence::Ended)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn machine() -> Machine {
        Machine {
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
        let line = describe(&Machine { architecture: Architecture::Arm64, ..machine() }.command());
        for part in [
            "qemu-system-aarch64 ",
            "-machine virt",
            "-append console=ttyAMA0 panic=-1 ",
            "-chardev stdio,id=report -device pci-serial,chardev=report",
        ] {
            assert!(line.contains(part), "expected `{part}` in `{line}`");
        }
    }

    fn running(script: &str) -> Running {
        let mut child = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().expect("sh");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Running { child, lines }
    }

    #[test]
    fn lines_come_in_order_and_the_end_is_told() {
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
