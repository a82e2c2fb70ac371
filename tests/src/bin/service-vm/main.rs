//! The checks of rstmon as a service, from installation to purge. They are for a throw-away system with systemd (`cargo
//! xtask vm service`), since they change its packages and services. This program runs as root, as a service of that
//! system.
//!
//! The checks are in the order of an administrator's work, and each relies on those before it.

mod clients;
mod install;
mod life;
mod reload;
mod removal;
mod report;
mod scrapes;
mod snapshot;
mod system;
mod unit;

use crate::{report::CheckReport, scrapes::Scrapes, snapshot::SystemSnapshot, unit::Unit};
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{
    metrics::Metrics,
    scenario::{abort, close, open},
    scene::{Direction, Scene},
    stage::{Family, Stage},
    wait::{self, SOON},
    watched::RESETS,
};
use std::process::ExitCode;

struct ServiceCheck {
    /// The claim that is checked.
    name: &'static str,
    /// Whether the checks after it are left out when it fails.
    vital: bool,
    run: fn(&mut ServiceGuest) -> Result<()>,
}

const fn check(name: &'static str, run: fn(&mut ServiceGuest) -> Result<()>) -> ServiceCheck {
    ServiceCheck { name, vital: false, run }
}

const fn vital(name: &'static str, run: fn(&mut ServiceGuest) -> Result<()>) -> ServiceCheck {
    ServiceCheck { name, vital: true, run }
}

const CHECKS: &[ServiceCheck] = &[
    vital("the system boots with systemd, no unit failed", system::runs),
    vital("the package installs, and starts and enables nothing", install::install),
    check("systemd has no remark on the units and calls their exposure 1.5 or better", install::units),
    vital("start returns when the hooks are attached and the metrics served", life::start),
    check("it runs as its own user with no more than CAP_BPF and CAP_PERFMON, sandboxed", life::least_privilege),
    vital("resets are counted by cause, exactly, and agree with the kernel's own counter", life::counts),
    check("tail, why, doctor and causes serve a member of the group", clients::member),
    check("users outside of the group are refused, with a clear message", clients::stranger),
    check("a reload applies the configuration and touches neither process nor hooks nor counters", reload::good),
    check("a reload with a bad configuration is refused and changes nothing", reload::bad),
    vital("after kill -9 it is back, with a new start time and counters from zero", life::killed),
    vital("the watchdog ends a daemon that hangs, and it is back, with counters from zero", life::hung),
    check("counters never fell while a process lived: what Prometheus needs for rate()", life::monotonic),
    check("stop is quick and clean: port, socket and hooks are gone", life::stop),
    check("with the socket unit the first scrape starts the service and waits for it", life::activated),
    vital("an upgrade keeps the administrator's configuration and restarts what ran", removal::upgrade),
    check("removal stops it and leaves the configuration alone", removal::remove),
    check("purge leaves the system as it was before installation", removal::purge),
];

/// What the checks share.
pub(crate) struct ServiceGuest {
    pub(crate) unit: Unit,
    pub(crate) scrapes: Scrapes,
    /// The system before the installation.
    pub(crate) untouched: Option<SystemSnapshot>,
}

impl ServiceGuest {
    /// Scrapes the service, and keeps the scrape for [`life::monotonic`].
    pub(crate) fn scrape(&mut self) -> Result<Metrics> {
        self.scrapes.take()
    }

    /// Provokes resets of three causes, and checks that exactly these have been counted since `before`.
    pub(crate) fn provoke(&mut self, before: &Metrics) -> Result<Metrics> {
        let stage = Stage::host(Family::V4)?;
        let scenes = [open::refused(&stage)?, close::with_unread_data(&stage)?, abort::linger_zero(&stage)?];
        let provoked: usize = scenes.iter().map(|scene| scene.resets.len()).sum();
        let total = |metrics: &Metrics| metrics.count(RESETS, &[]) - before.count(RESETS, &[]);
        let after = wait::until("the resets to be counted", SOON, || {
            let now = self.scrape()?;
            Ok((total(&now) >= provoked as u64).then_some(now))
        })?;
        for (direction, cause) in causes(&scenes) {
            let labels = [("direction", direction.word()), ("cause", cause)];
            let expected = scenes
                .iter()
                .flat_map(|scene| &scene.resets)
                .filter(|reset| reset.direction == direction && reset.verdict.0 == cause)
                .count() as u64;
            let found = after.count(RESETS, &labels) - before.count(RESETS, &labels);
            ensure!(found == expected, "{found} resets {} for {cause}, expected {expected}", direction.word());
        }
        ensure!(total(&after) == provoked as u64, "{} resets counted, {provoked} provoked", total(&after));
        Ok(after)
    }
}

/// The directions and causes of the resets in some scenes.
fn causes(scenes: &[Scene]) -> Vec<(Direction, &'static str)> {
    let mut kinds = Vec::new();
    for reset in scenes.iter().flat_map(|scene| &scene.resets) {
        let kind = (reset.direction, reset.verdict.0);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

fn run(report: &mut CheckReport) -> Result<()> {
    let unit = Unit("rstmon.service");
    let mut guest = ServiceGuest { unit, scrapes: Scrapes::default(), untouched: None };
    for ServiceCheck { name, vital, run } in CHECKS {
        let passed = report.check(name, || run(&mut guest)).context("cannot report")?;
        if !passed {
            report.detail(&unit.journal())?;
            if *vital {
                report.detail("the checks after this one depend on it and are left out")?;
                break;
            }
        }
    }
    report.end(CHECKS.len()).context("cannot report")
}

fn main() -> ExitCode {
    let result = CheckReport::open().and_then(|mut report| run(&mut report));
    result.map_or_else(|error| ExitCode::from(report::to_console(&error)), |()| ExitCode::SUCCESS)
}
