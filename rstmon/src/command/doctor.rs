//! `rstmon doctor`: what this host's kernel can and cannot show, with the fix.

use super::{
    Failure,
    cli::DoctorArguments,
    config::Config,
    confine,
    stream::{self, note},
};
use crate::{
    probe::{
        HookOutcome, HookStatus, Probe, ProbeError,
        aspect::{Aspect, ReasonsGiven},
        btf, privileges,
    },
    sandbox::{Protection, Sandbox},
    serve::Client,
};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// As it should be.
    Ok,
    /// rstmon works, but shows less.
    Degraded,
    /// rstmon cannot work.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What.
    pub name: String,
    /// How it stands.
    pub standing: Standing,
    /// What was found.
    pub found: String,
    /// What stays hidden because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hides: Option<String>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Everything that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Number of this form.
    pub schema: u32,
    /// Version of rstmon.
    pub version: String,
    /// Release of the kernel.
    pub kernel: String,
    /// Whether rstmon can work here.
    pub usable: bool,
    /// The checks.
    pub checks: Vec<Check>,
    /// What this kernel shows, and how well; nothing where rstmon cannot work.
    #[serde(default)]
    pub shows: Vec<Aspect>,
}

/// Prints the report; fails with exit code 3 when rstmon cannot work here.
pub fn run(arguments: &DoctorArguments) -> Result<(), Failure> {
    let config = Config::load(&arguments.config)?;
    // Who may not look at the kernel may still ask the daemon, which may.
    let of_daemon = if privileges::missing_capabilities().is_empty() { None } else { Report::from_daemon(&config)? };
    let report = of_daemon.unwrap_or_else(|| {
        let report = Report::of_host(&config);
        // What the daemon would forbid itself, this process does: nothing but printing is left to do.
        report.confined(&confine::sandbox(&config, &confine::watching()))
    });
    let text =
        if arguments.json { serde_json::to_string_pretty(&report).map_err(Failure::json)? } else { report.text() };
    stream::print(&text)?;
    match report.checks.iter().find(|check| check.standing == Standing::Failed) {
        None => Ok(()),
        Some(check) => Err(Failure::Host { reason: format!("{}: {}", check.name, check.found) }),
    }
}

impl Report {
    fn new(checks: Vec<Check>, shows: Vec<Aspect>) -> Self {
        Self {
            schema: 1,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            usable: checks.iter().all(|check| check.standing != Standing::Failed),
            checks,
            shows,
        }
    }

    /// As the running daemon sees it.
    #[must_use]
    pub fn of_daemon(hooks: &[HookStatus], missing_fields: &[String], shows: &[Aspect]) -> Self {
        let mut checks: Vec<Check> = hooks.iter().map(hook).collect();
        checks.extend(missing_fields.iter().map(|name| field(name)));
        Self::new(checks, shows.to_vec())
    }

    /// Asks the daemon; `None` where there is none.
    fn from_daemon(config: &Config) -> Result<Option<Self>, Failure> {
        let answer = stream::runtime()?.block_on(Client::new(&config.socket.path).doctor());
        match answer {
            Ok(report) => {
                note(&format!("as the daemon at {} sees it", config.socket.path.display()));
                serde_json::from_value(report).map(Some).map_err(Failure::json)
            }
            Err(error) if error.is_no_daemon() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Looks at this host, by attaching every hook for a moment.
    #[must_use]
    pub fn of_host(config: &Config) -> Self {
        let mut checks = vec![kernel(), kernel_types(), capabilities()];
        let mut shows = Vec::new();
        if checks.iter().all(|check| check.standing != Standing::Failed) {
            match Probe::attach(&config.probe_options()) {
                Ok(probe) => {
                    checks.extend(probe.hooks.iter().map(hook));
                    checks.extend(
                        probe
                            .missing_fields
                            .iter()
                            .map(|missing| field(&format!("{}.{}", missing.aggregate, missing.member))),
                    );
                    checks.push(recycling(probe.counts.recycles()));
                    checks.push(reasons(probe.reasons_given));
                    shows = probe.aspects;
                }
                Err(error) => checks.push(failed("probe", &error)),
            }
        }
        Self::new(checks, shows)
    }

    /// With what the process has forbidden itself.
    #[must_use]
    pub fn confined(mut self, sandbox: &Sandbox) -> Self {
        self.checks.extend(sandbox.protections().map(|(name, state)| protection(name, state)));
        self
    }

    /// What stays hidden, as the checks say.
    #[must_use]
    pub fn hidden(&self) -> Vec<String> {
        self.checks.iter().filter_map(|check| check.hides.clone()).collect()
    }

    fn text(&self) -> String {
        let mut text = format!("rstmon {} on Linux {}\n\n", self.version, self.kernel);
        for check in &self.checks {
            let mark = match check.standing {
                Standing::Ok => "ok",
                Standing::Degraded => "DEGRADED",
                Standing::Failed => "FAILED",
            };
            // Writing to a String does not fail.
            let _ = writeln!(text, "{mark:<9} {:<28} {}", check.name, check.found);
            if let Some(hides) = &check.hides {
                let _ = writeln!(text, "{:<9} {:<28} hides: {hides}", "", "");
            }
            if let Some(fix) = &check.fix {
                let _ = writeln!(text, "{:<9} {:<28} fix: {fix}", "", "");
            }
        }
        if !self.shows.is_empty() {
            text.push_str("\nWhat this kernel shows:\n");
        }
        for Aspect { name: _, what, clarity, why } in &self.shows {
            let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            let _ = writeln!(text, "{:<13} {what}{why}", clarity.as_str());
        }
        text.push_str(match (self.usable, self.checks.iter().any(|check| check.standing == Standing::Degraded)) {
            (true, false) => "\nThis host can be monitored, nothing is hidden.",
            (true, true) => "\nThis host can be monitored; what is hidden is said above.",
            (false, _) => "\nThis host cannot be monitored.",
        });
        text
    }
}

fn ok(name: &str, found: impl Into<String>) -> Check {
    Check { name: name.into(), standing: Standing::Ok, found: found.into(), hides: None, fix: None }
}

fn failed(name: &str, error: &ProbeError) -> Check {
    Check { standing: Standing::Failed, ..ok(name, error.to_string()) }
}

fn kernel() -> Check {
    match privileges::check_kernel() {
        Ok(()) => ok("kernel", rustix::system::uname().release().to_string_lossy()),
        Err(error) => failed("kernel", &error),
    }
}

fn kernel_types() -> Check {
    let data = match btf::read_kernel_btf() {
        Ok(data) => data,
        Err(error) => return failed("BTF", &error.into()),
    };
    match btf::Btf::parse(&data) {
        Ok(kernel) => ok("BTF", format!("{} types", kernel.type_count())),
        Err(error) => failed("BTF", &error.into()),
    }
}

fn capabilities() -> Check {
    match privileges::check_capabilities() {
        Ok(()) => ok("capabilities", "CAP_BPF and CAP_PERFMON"),
        Err(error) => Check {
            fix: Some("run as root, or: setcap cap_bpf,cap_perfmon+ep $(command -v rstmon)".into()),
            ..failed("capabilities", &error)
        },
    }
}

/// What the kernel hides besides, the hooks tell.
fn reasons(given: ReasonsGiven) -> Check {
    let found = match given {
        ReasonsGiven::All => return ok("reset reasons", "given by the kernel"),
        ReasonsGiven::Answers => "given for answers to segments only (6.10, 6.11)",
        ReasonsGiven::None => "this kernel gives none (before 6.10)",
    };
    Check {
        standing: Standing::Degraded,
        hides: Some("the kernel's reason: causes follow from the socket alone, some of them less surely".into()),
        fix: Some("Linux 6.12 or newer".into()),
        ..ok("reset reasons", found)
    }
}

fn recycling(recycles: bool) -> Check {
    if recycles {
        return ok("count maps", "emptied when half full");
    }
    Check {
        standing: Standing::Degraded,
        hides: Some("process, port and cause of resets beyond counts.entries different ones".into()),
        fix: Some("raise counts.entries; this kernel refuses membarrier (nohz_full)".into()),
        ..ok("count maps", "not emptied")
    }
}

/// Hides nothing either way: rstmon works as well without, it is only less safe.
fn protection(name: &str, state: &Protection) -> Check {
    let name = format!("sandbox: {name}");
    let fix = match state {
        Protection::Applied | Protection::Partial { .. } => None,
        Protection::Unsupported => Some("a kernel that has it, enabled; for Landlock see lsm= on its command line"),
        Protection::Refused { .. } => Some("let the service manager or container allow these calls (docs/security.md)"),
        Protection::Off => Some("security.sandbox = true"),
    };
    Check { fix: fix.map(str::to_owned), ..ok(&name, state.to_string()) }
}

fn hook(status: &HookStatus) -> Check {
    let name = format!("hook {}", status.hook.name);
    let (standing, found) = match &status.outcome {
        HookOutcome::Attached => (Standing::Ok, "attached".to_owned()),
        HookOutcome::NotNeeded => (Standing::Ok, "not needed: another hook does its work".to_owned()),
        HookOutcome::Absent => (Standing::Degraded, "absent: this kernel does not have it".to_owned()),
        HookOutcome::Refused { errno, reason } => {
            let errno = errno.map(|errno| format!(" (errno {errno})")).unwrap_or_default();
            (Standing::Degraded, format!("refused: {reason}{errno}"))
        }
    };
    Check { standing, hides: status.hides().map(str::to_owned), ..ok(&name, found) }
}

fn field(name: &str) -> Check {
    Check {
        standing: Standing::Degraded,
        hides: Some("the evidence read from it".into()),
        ..ok(&format!("field {name}"), "absent: this kernel does not have it")
    }
}
