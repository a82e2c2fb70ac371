//! The init of a guest of the kernel matrix (`cargo xtask vm`), which has nothing but its memory: it makes the system
//! that the end-to-end suite expects, runs the suite and says how each test went. Only for a throw-away machine: the
//! process with id 1 ends it.

mod orders;
mod refusal;
mod report;
mod suite;
mod system;

use crate::{orders::Orders, report::Report};
use anyhow::{Context as _, Result, ensure};
use std::{
    env, fs,
    process::{Command, ExitCode},
};

/// The program under test.
const RSTMON: &str = "/usr/bin/rstmon";

/// The argument of the process that runs the tests, a child of the init's.
const RUN: &str = "run-tests";

fn main() -> ExitCode {
    let told = match env::args().nth(1).as_deref() {
        Some(RUN) => run(),
        // The kernel may pass on words of its command line.
        _ => init(),
    };
    told.map_or_else(|error| ExitCode::from(report::last_words(&error)), |()| ExitCode::SUCCESS)
}

/// Sets the system up, has the tests run by a child, and collects the dead, as an init has to.
fn init() -> Result<()> {
    ensure!(std::process::id() == 1, "this is the init of a throw-away machine: `cargo xtask vm` starts one");
    let result = system::set_up().and_then(|()| {
        let child = Command::new("/proc/self/exe").arg(RUN).spawn().context("starting the tests")?;
        system::reap_until(child.id())
    });
    if let Err(error) = &result {
        report::last_words(error);
    }
    system::power_off()
}

/// Runs whatever makes sense on this kernel.
fn run() -> Result<()> {
    let orders = Orders::given()?;
    let mut report = Report::open(&orders.report)?;
    if !orders.trampolines {
        system::forbid_trampolines()?;
    }
    report.say("kernel", &rustix::system::uname().release().to_string_lossy())?;
    let doctor = Command::new(RSTMON).args(["doctor", "--json"]).output().context(RSTMON)?;
    let doctor: serde_json::Value = serde_json::from_slice(&doctor.stdout).context("rstmon doctor --json")?;
    report.say("doctor", &doctor.to_string())?;
    fs::write(suite::DOCTOR, doctor.to_string()).context(suite::DOCTOR)?;
    let tests =
        if doctor["usable"] == true { suite::run(&mut report, &orders)? } else { refusal::run(&mut report, &orders)? };
    report.say("end", &tests.to_string())
}
