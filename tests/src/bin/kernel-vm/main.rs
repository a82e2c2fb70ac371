//! The init of a guest of the kernel matrix (`cargo xtask vm`), which has no disk: it sets up the system that the
//! end-to-end suite expects, runs the suite and reports the result of each test. Only for a throw-away machine, which
//! ends with this process.

mod options;
mod refusal;
mod report;
mod suite;
mod system;

use crate::{options::GuestOptions, report::TestReport};
use anyhow::{Context as _, Result, ensure};
use std::{
    env, fs,
    process::{Command, ExitCode},
};

/// The program under test.
const RSTMON: &str = "/usr/bin/rstmon";

/// The argument of the child of the init that runs the tests.
const RUN: &str = "run-tests";

fn main() -> ExitCode {
    let result = match env::args().nth(1).as_deref() {
        Some(RUN) => run(),
        // The kernel may pass on words of its command line.
        _ => init(),
    };
    result.map_or_else(|error| ExitCode::from(report::to_console(&error)), |()| ExitCode::SUCCESS)
}

/// Sets up the system, runs the tests in a child, and reaps orphans, as an init has to.
fn init() -> Result<()> {
    ensure!(std::process::id() == 1, "this is the init of a throw-away machine: `cargo xtask vm` starts one");
    let result = system::set_up().and_then(|()| {
        let child = Command::new("/proc/self/exe").arg(RUN).spawn().context("starting the tests")?;
        system::reap_until(child.id())
    });
    if let Err(error) = &result {
        report::to_console(error);
    }
    system::power_off()
}

/// Runs the suite or, on a kernel that rstmon cannot work on, the checks of its refusal.
fn run() -> Result<()> {
    let options = GuestOptions::read()?;
    let mut report = TestReport::open(&options.report)?;
    if !options.trampolines {
        system::forbid_trampolines()?;
    }
    report.say("kernel", &rustix::system::uname().release().to_string_lossy())?;
    let doctor = Command::new(RSTMON).args(["doctor", "--json"]).output().context(RSTMON)?;
    let doctor: serde_json::Value = serde_json::from_slice(&doctor.stdout).context("rstmon doctor --json")?;
    report.say("doctor", &doctor.to_string())?;
    fs::write(suite::DOCTOR, doctor.to_string()).context(suite::DOCTOR)?;
    let tests = if doctor["usable"] == true {
        suite::run(&mut report, &options)?
    } else {
        refusal::run(&mut report, &options)?
    };
    report.say("end", &tests.to_string())
}
