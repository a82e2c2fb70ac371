//! Runs one guest from power on to the last test.

use super::{
    MatrixError, initramfs,
    outcome::{GuestRecord, TestLine, TestVerdict},
};
use crate::{
    say,
    vm::{
        architecture::{Architecture, Platform},
        kernels::GuestKernel,
        qemu::{RunningMachine, VirtualMachine},
    },
    workspace::{self, FileError},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Time limit from power on to the last test. On two idle processors it takes some minutes.
const PATIENCE: Duration = Duration::from_mins(20);

/// Factor on the time that a condition may take in a guest, whose processor is emulated and shares the host.
const SLOWNESS: u32 = 8;

const MEMORY_MIB: u32 = 1024;
const PROCESSORS: u32 = 1;

pub(super) struct MatrixGuest<'a> {
    /// Its name in messages.
    pub(super) name: &'a str,
    pub(super) kernel: &'a GuestKernel,
    pub(super) architecture: Architecture,
    /// Whether its kernel may use trampolines.
    pub(super) trampolines: bool,
    /// The directory for its files.
    pub(super) directory: &'a Path,
    /// Parts of test names: only these tests run; all tests if it is empty.
    pub(super) only: &'a [&'a str],
}

impl MatrixGuest<'_> {
    /// Boots the guest and records its report until the end.
    pub(super) fn run(&self, common: &Path, record: &mut GuestRecord) -> Result<(), MatrixError> {
        fs::create_dir_all(self.directory).map_err(FileError::on("create", self.directory))?;
        let machine = VirtualMachine {
            architecture: self.architecture,
            kernel: self.kernel.image(),
            command_line: self.command_line(),
            initramfs: Some(initramfs::of(self.kernel, common, self.directory)?),
            disks: Vec::new(),
            processors: PROCESSORS,
            memory_mib: MEMORY_MIB,
            console: self.console(),
        };
        say::line(format_args!("vm: booting Linux {} ({})", self.name, self.kernel.release));
        let booted = Instant::now();
        self.follow(machine.boot()?, booted + PATIENCE, record)?;
        let [passed, failed, impossible] =
            [TestVerdict::Passed, TestVerdict::Failed, TestVerdict::NotPossible].map(|verdict| record.count(verdict));
        let took = booted.elapsed().as_secs_f64();
        say::line(format_args!(
            "vm: Linux {}: {passed} passed, {failed} failed, {impossible} not possible, {took:.0} s after power on",
            self.name
        ));
        Ok(())
    }

    /// The file that its console is written to.
    pub(super) fn console(&self) -> PathBuf {
        self.directory.join("console.log")
    }

    /// What the kernel does not know is for the init (`tests/src/bin/kernel-vm/options.rs`).
    fn command_line(&self) -> String {
        let Platform { command_line, report, .. } = self.architecture.platform();
        let mut line = format!("quiet {command_line} rstmon.report={report} rstmon.slowness={SLOWNESS}");
        if !self.trampolines {
            line.push_str(" rstmon.trampolines=off");
        }
        if !self.only.is_empty() {
            line.push_str(" rstmon.only=");
            line.push_str(&self.only.join(","));
        }
        line
    }

    fn follow(
        &self,
        mut guest: RunningMachine,
        deadline: Instant,
        record: &mut GuestRecord,
    ) -> Result<(), MatrixError> {
        while record.announced.is_none() {
            let line = guest.line(deadline).map_err(|source| MatrixError::Silence { after: last(record), source })?;
            let Some(said) = TestLine::read(&line) else { continue };
            match &said {
                TestLine::Test { name, verdict: TestVerdict::Failed, took } => {
                    say::line(format_args!(
                        "vm: Linux {}: FAILED after {:.1} s: {name}",
                        self.name,
                        took.as_secs_f64()
                    ));
                }
                TestLine::Detail(text)
                    if record.tests.last().is_some_and(|test| test.verdict == TestVerdict::Failed) =>
                {
                    say::line(format_args!("    {text}"));
                }
                _ => {}
            }
            if let TestLine::Doctor(report) = &said {
                workspace::write(&self.directory.join("doctor.json"), report)?;
            }
            record.take(said);
        }
        Ok(())
    }
}

fn last(record: &GuestRecord) -> String {
    match (&record.current, record.tests.last()) {
        (Some(current), _) => format!("it began {current}"),
        (None, Some(test)) => test.name.clone(),
        (None, None) => "power on".to_owned(),
    }
}
