//! Checks of what this host's kernel can and cannot show rstmon.

use crate::{
    attribute::memory_limit,
    host::boot_clock::TimeNamespace,
    probe::{
        self, HookOutcome, HookStatus, Probe, ProbeError,
        aspect::{Aspect, ReasonsGiven},
        btf, error, privileges,
    },
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The peak of a start with the default configuration on two CPUs, kernel memory included, and some room.
const LEAST_MEMORY_MIB: u64 = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CheckState {
    Ok,
    /// rstmon works, but shows less.
    Degraded,
    /// rstmon cannot work.
    Failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DoctorCheck {
    /// The checked thing, such as `hook inet_accept`.
    pub(crate) name: String,
    pub(crate) standing: CheckState,
    /// The state that the check found, in words.
    pub(crate) found: String,
    /// What rstmon cannot show because of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hides: Option<String>,
    /// What the user can do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DoctorReport {
    /// Version of this document's JSON form.
    pub(crate) schema: u32,
    /// Version of rstmon.
    pub(crate) version: String,
    /// Release of the kernel, as `uname -r` prints it.
    pub(crate) kernel: String,
    /// Whether rstmon can work on this host.
    pub(crate) usable: bool,
    pub(crate) checks: Vec<DoctorCheck>,
    /// What this kernel shows, and how well; empty where rstmon cannot work.
    #[serde(default)]
    pub(crate) shows: Vec<Aspect>,
}

impl DoctorReport {
    fn new(checks: Vec<DoctorCheck>, shows: Vec<Aspect>) -> Self {
        Self {
            schema: 1,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            usable: checks.iter().all(|check| check.standing != CheckState::Failed),
            checks,
            shows,
        }
    }

    /// The report of a running daemon.
    #[must_use]
    pub(crate) fn of_daemon(hooks: &[HookStatus], missing_fields: &[String], shows: &[Aspect]) -> Self {
        let mut checks: Vec<DoctorCheck> = hooks.iter().map(hook).collect();
        checks.extend(missing_fields.iter().map(|name| field(name)));
        checks.extend([clock(TimeNamespace::own()), memory()]);
        Self::new(checks, shows.to_vec())
    }

    /// Checks this host by attaching every hook for a moment.
    #[must_use]
    pub(crate) fn of_host(options: &probe::Options) -> Self {
        let mut checks = vec![kernel(), kernel_types(), capabilities(), clock(TimeNamespace::own()), memory()];
        let mut shows = Vec::new();
        if checks.iter().all(|check| check.standing != CheckState::Failed) {
            match Probe::attach(options) {
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

    /// Appends further checks.
    #[must_use]
    pub(crate) fn with(mut self, checks: impl IntoIterator<Item = DoctorCheck>) -> Self {
        self.checks.extend(checks);
        self
    }

    /// What rstmon cannot show according to the checks.
    #[must_use]
    pub(crate) fn hidden(&self) -> Vec<String> {
        self.checks.iter().filter_map(|check| check.hides.clone()).collect()
    }
}

pub(crate) fn ok(name: &str, found: impl Into<String>) -> DoctorCheck {
    DoctorCheck { name: name.into(), standing: CheckState::Ok, found: found.into(), hides: None, fix: None }
}

fn failed(name: &str, error: &ProbeError) -> DoctorCheck {
    DoctorCheck { standing: CheckState::Failed, ..ok(name, error.to_string()) }
}

fn kernel() -> DoctorCheck {
    match privileges::check_kernel() {
        Ok(()) => ok("kernel", rustix::system::uname().release().to_string_lossy()),
        Err(error) => failed("kernel", &error),
    }
}

fn kernel_types() -> DoctorCheck {
    let data = match btf::read_kernel_btf() {
        Ok(data) => data,
        Err(error) => return failed("BTF", &error.into()),
    };
    match btf::Btf::parse(&data) {
        Ok(kernel) => ok("BTF", format!("{} types", kernel.type_count())),
        Err(error) => failed("BTF", &error.into()),
    }
}

fn capabilities() -> DoctorCheck {
    match privileges::check_capabilities() {
        Ok(()) => ok("capabilities", "CAP_BPF and CAP_PERFMON"),
        Err(error) => DoctorCheck { fix: Some(error::ADVICE.to_owned()), ..failed("capabilities", &error) },
    }
}

/// Why the memory of this process may not be enough, if its limit is that low.
#[must_use]
pub(crate) fn low_memory() -> Option<String> {
    too_low(memory_limit(Path::new("/proc"))?)
}

fn too_low(limit: u64) -> Option<String> {
    let limit_mib = limit >> 20;
    (limit_mib < LEAST_MEMORY_MIB).then(|| {
        format!(
            "limited to {limit_mib} MiB, and a start takes {LEAST_MEMORY_MIB} MiB with the default configuration, and \
             more with more CPUs: the kernel may kill rstmon"
        )
    })
}

fn memory() -> DoctorCheck {
    match low_memory() {
        None => ok("memory", "enough for the default configuration"),
        Some(found) => DoctorCheck {
            standing: CheckState::Degraded,
            hides: Some("everything, if the kernel kills rstmon for want of memory".into()),
            fix: Some(format!("a limit of at least {LEAST_MEMORY_MIB} MiB (MemoryMax=, memory.max)")),
            ..ok("memory", found)
        },
    }
}

fn clock(namespace: TimeNamespace) -> DoctorCheck {
    match namespace {
        TimeNamespace::Host => ok("boot clock", "the host's"),
        TimeNamespace::Shifted { ahead_ns } => {
            let seconds = ahead_ns / 1_000_000_000;
            ok("boot clock", format!("of a time namespace, {seconds} s ahead of the host's: times are translated"))
        }
        TimeNamespace::Unknown => DoctorCheck {
            standing: CheckState::Degraded,
            hides: Some("when resets happened, and the processes of some: times are off by an unknown number".into()),
            fix: Some("run rstmon in the host's time namespace".into()),
            ..ok("boot clock", "of a time namespace whose offsets cannot be read")
        },
    }
}

fn reasons(given: ReasonsGiven) -> DoctorCheck {
    let found = match given {
        ReasonsGiven::All => return ok("reset reasons", "given by the kernel"),
        ReasonsGiven::Answers => "given only for resets that answer a segment (6.10, 6.11)",
        ReasonsGiven::None => "this kernel gives none (before 6.10)",
    };
    DoctorCheck {
        standing: CheckState::Degraded,
        hides: Some("the kernel's reason: causes are derived from the socket alone, some with less certainty".into()),
        fix: Some("Linux 6.12 or newer".into()),
        ..ok("reset reasons", found)
    }
}

fn recycling(recycles: bool) -> DoctorCheck {
    if recycles {
        return ok("count maps", "emptied when half full");
    }
    DoctorCheck {
        standing: CheckState::Degraded,
        hides: Some("process, port and cause of resets once there are more different ones than counts.entries".into()),
        fix: Some("raise counts.entries; this kernel refuses membarrier (nohz_full)".into()),
        ..ok("count maps", "not emptied")
    }
}

fn hook(status: &HookStatus) -> DoctorCheck {
    let name = format!("hook {}", status.hook.name);
    let (standing, found) = match &status.outcome {
        HookOutcome::Attached => (CheckState::Ok, "attached".to_owned()),
        HookOutcome::NotNeeded => (CheckState::Ok, "not needed: another hook does its work".to_owned()),
        HookOutcome::NotWanted => (CheckState::Ok, "off: probe.follow_writers is false".to_owned()),
        HookOutcome::Absent => (CheckState::Degraded, "absent: this kernel does not have it".to_owned()),
        HookOutcome::Refused { errno, reason } => {
            let errno = errno.map(|errno| format!(" (errno {errno})")).unwrap_or_default();
            (CheckState::Degraded, format!("refused: {reason}{errno}"))
        }
    };
    DoctorCheck { standing, hides: status.hides().map(str::to_owned), ..ok(&name, found) }
}

fn field(name: &str) -> DoctorCheck {
    DoctorCheck {
        standing: CheckState::Degraded,
        hides: Some("the evidence read from it".into()),
        ..ok(&format!("field {name}"), "absent: this kernel does not have it")
    }
}

#[cfg(test)]
mod tests {
    use super::{CheckState, TimeNamespace, clock, too_low};

    #[test]
    fn a_limit_below_the_least_memory_is_said() {
        assert_eq!(too_low(40 << 20), None);
        assert_eq!(too_low(u64::MAX), None);
        assert!(too_low((40 << 20) - 1).is_some_and(|found| found.starts_with("limited to 39 MiB")));
    }

    #[test]
    fn only_an_unknown_clock_hides_something() {
        for (namespace, standing) in [
            (TimeNamespace::Host, CheckState::Ok),
            (TimeNamespace::Shifted { ahead_ns: 60_000_000_000 }, CheckState::Ok),
            (TimeNamespace::Unknown, CheckState::Degraded),
        ] {
            let check = clock(namespace);
            assert_eq!((check.standing, check.hides.is_some()), (standing, standing == CheckState::Degraded));
        }
    }
}
