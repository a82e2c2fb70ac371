//! Installation of the package, and its units.

use crate::{
    ServiceGuest,
    scrapes::SERVER,
    snapshot::SystemSnapshot,
    system::{done, text, tool, tracing_programs},
};
use anyhow::{Context as _, Result, ensure};
use std::{net::TcpStream, path::Path};

/// The package under test, on the second disk.
const PACKAGE: &str = "/mnt/rstmon.deb";
/// The highest exposure that `systemd-analyze security` may find, in tenths.
const EXPOSURE: u32 = 15;

/// Files that the package has to install.
const FILES: [&str; 4] = [
    "/usr/bin/rstmon",
    "/usr/lib/systemd/system/rstmon.service",
    "/usr/lib/systemd/system/rstmon.socket",
    "/etc/rstmon/rstmon.toml",
];

/// Installs the package; nothing may be started or enabled.
pub(crate) fn install(guest: &mut ServiceGuest) -> Result<()> {
    guest.untouched = Some(SystemSnapshot::now()?);
    done(&["apt-get", "install", "--yes", PACKAGE])?;
    for file in FILES {
        ensure!(Path::new(file).is_file(), "no {file}");
    }
    done(&["getent", "passwd", "rstmon"]).context("the user rstmon")?;
    done(&["getent", "group", "rstmon"]).context("the group rstmon")?;
    for unit in ["rstmon.service", "rstmon.socket"] {
        for (question, expected) in [("is-active", "inactive"), ("is-enabled", "disabled")] {
            let answer = tool(&["systemctl", question, unit])?;
            let answer = text(&answer.stdout);
            ensure!(answer.trim() == expected, "{unit} {question}: {answer}");
        }
    }
    ensure!(TcpStream::connect(SERVER).is_err(), "{SERVER} has a listener");
    let programs = tracing_programs()?;
    ensure!(programs.is_empty(), "BPF programs are loaded: {programs:?}");
    done(&["runuser", "-u", "nobody", "--", "rstmon", "run", "--check"]).context("the default configuration")?;
    Ok(())
}

/// systemd finds no fault in the units, and little exposure.
pub(crate) fn units(_: &mut ServiceGuest) -> Result<()> {
    // The image has no manual pages, and no man.
    let verified = tool(&["systemd-analyze", "verify", "--man=no", "rstmon.service", "rstmon.socket"])?;
    let remarks = text(&verified.stderr);
    ensure!(verified.status.success() && remarks.is_empty(), "systemd-analyze verify: {remarks}");
    let threshold = format!("--threshold={EXPOSURE}");
    let judged = tool(&["systemd-analyze", "security", "--no-pager", &threshold, "rstmon.service"])?;
    let page = text(&judged.stdout);
    let points: Vec<&str> = page.lines().filter(|line| line.starts_with(['✗', '→'])).collect();
    ensure!(judged.status.success(), "systemd-analyze security:\n{}", points.join("\n"));
    Ok(())
}
