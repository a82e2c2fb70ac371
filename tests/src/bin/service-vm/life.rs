//! The running service: start, privileges, counts, restarts, stop.

use crate::{
    ServiceGuest,
    scrapes::{SERVER, start_time},
    system::{done, tracing_programs},
    unit::{MainProcess, Unit},
};
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{
    http,
    wait::{self, LATER, SOON},
    watched::RESETS,
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeMap,
    fs,
    net::TcpStream,
    path::Path,
    time::{Duration, Instant},
};

const SOCKET: &str = "/run/rstmon/rstmon.sock";
const SOCKET_UNIT: Unit = Unit("rstmon.socket");

/// Bits of the two capabilities in a capability set (`include/uapi/linux/capability.h`).
const CAP_PERFMON: u64 = 1 << 38;
const CAP_BPF: u64 = 1 << 39;

/// The longest time from the daemon's last watchdog message to the next daemon: WatchdogSec=30s, TimeoutStopSec=15s,
/// RestartSec=5s, and some more for an emulated processor.
const WATCHDOG: Duration = Duration::from_secs(75);

/// Enables and starts the service; start returns once it is ready.
pub(crate) fn start(guest: &mut ServiceGuest) -> Result<()> {
    done(&["systemctl", "enable", "--now", "rstmon"])?;
    // Nothing below waits: with Type=notify the start is over once the service works.
    for (property, expected) in [("Type", "notify"), ("ActiveState", "active"), ("SubState", "running")] {
        let found = guest.unit.property(property)?;
        ensure!(found == expected, "{property}={found}, expected {expected}");
    }
    let status = guest.unit.property("StatusText")?;
    ensure!(status.starts_with("watching resets"), "systemctl status says: {status}");
    for page in ["/-/ready", "/-/healthy"] {
        let answer = http::get(SERVER, page)?;
        ensure!(answer.status == 200, "{page} answered {}: {}", answer.status, answer.body);
    }
    let metrics = guest.scrape()?;
    for hook in ["tcp_send_reset", "tcp_receive_reset", "inet_sock_set_state"] {
        let attached = metrics.count("rstmon_hook_attached", &[("hook", hook)]);
        ensure!(attached == 1, "rstmon_hook_attached of {hook} is {attached}");
    }
    ensure!(!tracing_programs()?.is_empty(), "no BPF program is loaded");
    Ok(())
}

/// User, capabilities and sandbox of the process.
pub(crate) fn least_privilege(guest: &mut ServiceGuest) -> Result<()> {
    let pid = guest.unit.main_process()?.pid;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let fields: BTreeMap<&str, &str> = status.lines().filter_map(|line| line.split_once(":\t")).collect();
    let field = |name: &str| fields.get(name).copied().with_context(|| format!("no {name} in {status}"));
    let user = done(&["id", "--user", "rstmon"])?;
    let expected = [user.trim(); 4].join("\t");
    ensure!(field("Uid")? == expected, "Uid {}, expected {expected}", field("Uid")?);
    for set in ["CapPrm", "CapEff", "CapInh", "CapAmb", "CapBnd"] {
        let held = u64::from_str_radix(field(set)?, 16).with_context(|| set.to_owned())?;
        ensure!(held & !(CAP_BPF | CAP_PERFMON) == 0, "{set} is {held:#x}");
    }
    for (name, expected) in [("NoNewPrivs", "1"), ("Seccomp", "2")] {
        ensure!(field(name)? == expected, "{name} is {}", field(name)?);
    }
    Ok(())
}

/// Resets are counted exactly, by process too.
pub(crate) fn counts(guest: &mut ServiceGuest) -> Result<()> {
    let before = guest.scrape()?;
    let after = guest.provoke(&before)?;
    for process in ["web", "caller"] {
        let found = after.count(RESETS, &[("process", process)]);
        ensure!(found >= 1, "no reset of the process {process}");
    }
    let uncounted = after.sum("rstmon_uncounted_resets", &[]);
    ensure!(uncounted.abs() < f64::EPSILON, "rstmon_uncounted_resets is {uncounted}");
    Ok(())
}

/// The service comes back after SIGKILL.
pub(crate) fn killed(guest: &mut ServiceGuest) -> Result<()> {
    restarts_after(guest, Signal::KILL, LATER)?;
    ensure!(guest.unit.journal_has("status=9/KILL")?, "the journal does not say how it ended");
    Ok(())
}

/// The watchdog restarts a process that hangs (SIGSTOP).
pub(crate) fn hung(guest: &mut ServiceGuest) -> Result<()> {
    restarts_after(guest, Signal::STOP, WATCHDOG)?;
    ensure!(guest.unit.journal_has("Watchdog timeout")?, "it was not the watchdog");
    Ok(())
}

/// Sends a signal that ends the process, and waits for the next one, whose counters must begin at zero and count.
fn restarts_after(guest: &mut ServiceGuest, signal: Signal, patience: Duration) -> Result<MainProcess> {
    let before = guest.scrape()?;
    ensure!(before.count(RESETS, &[]) > 0, "nothing to be forgotten");
    let old = guest.unit.main_process()?;
    kill_process(Pid::from_raw(old.pid).context("no main process")?, signal)?;
    let new = guest.unit.await_restart(old, patience)?;
    let after = guest.scrape()?;
    let (was, is) = (start_time(&before)?, start_time(&after)?);
    ensure!(is > was, "process_start_time_seconds is {is}, was {was}");
    let left = after.count(RESETS, &[]);
    ensure!(left == 0, "{RESETS} begins at {left}");
    guest.provoke(&after)?;
    Ok(new)
}

/// Counters fell in none of the scrapes, except by a restart.
pub(crate) fn monotonic(guest: &mut ServiceGuest) -> Result<()> {
    let processes = guest.scrapes.monotonic()?;
    ensure!(processes == 3, "{processes} processes were scraped, expected 3");
    Ok(())
}

/// `systemctl stop` is quick and leaves nothing.
pub(crate) fn stop(guest: &mut ServiceGuest) -> Result<()> {
    let started = Instant::now();
    done(&["systemctl", "stop", "rstmon"])?;
    let took = started.elapsed();
    for (property, expected) in [("ActiveState", "inactive"), ("Result", "success"), ("ExecMainStatus", "0")] {
        let found = guest.unit.property(property)?;
        ensure!(found == expected, "{property}={found}, expected {expected}");
    }
    ensure!(took < SOON, "it took {took:?}");
    gone()
}

/// Checks that no port, socket or BPF program of rstmon is left.
pub(crate) fn gone() -> Result<()> {
    ensure!(TcpStream::connect(SERVER).is_err(), "{SERVER} has a listener");
    ensure!(!Path::new(SOCKET).exists(), "{SOCKET} is still there");
    // The kernel frees programs after a grace period.
    wait::until_true("the BPF programs to be gone", SOON, || Ok(tracing_programs()?.is_empty()))
}

/// With the socket unit, the first scrape starts the service.
pub(crate) fn activated(guest: &mut ServiceGuest) -> Result<()> {
    done(&["systemctl", "start", SOCKET_UNIT.0])?;
    ensure!(!guest.unit.is_active()?, "the service was started, too");
    let metrics = guest.scrape()?;
    ensure!(guest.unit.is_active()?, "scraped, but not active");
    ensure!(metrics.count("rstmon_hook_attached", &[("hook", "tcp_send_reset")]) == 1, "scraped before it was ready");
    guest.provoke(&metrics)?;
    done(&["systemctl", "stop", SOCKET_UNIT.0, guest.unit.0])?;
    gone()
}
