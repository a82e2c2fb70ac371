//! Upgrade, removal and purge of the package.

use crate::{
    ServiceGuest, life,
    reload::CONFIGURATION,
    snapshot::SystemSnapshot,
    system::{done, text, tool},
};
use anyhow::{Context as _, Result, ensure};
use std::{fs, path::Path};

/// A later version, with another default configuration.
const LATER: &str = "/mnt/rstmon-later.deb";
/// The directory of the store.
const STORE: &str = "/var/lib/rstmon";
/// A line that the administrator adds to the configuration.
const OWN_LINE: &str = "# The administrator was here.\n";

/// An upgrade restarts the service and keeps the configuration.
pub(crate) fn upgrade(guest: &mut ServiceGuest) -> Result<()> {
    let own = fs::read_to_string(CONFIGURATION)? + OWN_LINE;
    fs::write(CONFIGURATION, &own)?;
    // The unit allows five starts in five minutes, and the checks before have used them up.
    done(&["systemctl", "reset-failed", "rstmon.service"])?;
    done(&["systemctl", "start", "rstmon"])?;
    let old = guest.unit.main_process()?;
    done(&["apt-get", "install", "--yes", "--option=Dpkg::Options::=--force-confold", LATER])?;
    let version = done(&["dpkg-query", "--show", "--showformat=${Version}", "rstmon"])?;
    ensure!(version.ends_with("+later"), "version {version}");
    ensure!(fs::read_to_string(CONFIGURATION)? == own, "the administrator's configuration was changed");
    ensure!(guest.unit.is_active()?, "it does not run any more");
    let new = guest.unit.main_process()?;
    ensure!(new.pid != old.pid, "the old version still runs");
    ensure!(guest.unit.property("UnitFileState")? == "enabled", "no longer enabled");
    let metrics = guest.scrape()?;
    guest.provoke(&metrics)?;
    Ok(())
}

/// `apt-get remove` stops the service and keeps the configuration and the store.
pub(crate) fn remove(guest: &mut ServiceGuest) -> Result<()> {
    let own = fs::read_to_string(CONFIGURATION)?;
    done(&["apt-get", "remove", "--yes", "rstmon"])?;
    ensure!(!Path::new("/usr/bin/rstmon").exists(), "the program is still there");
    ensure!(guest.unit.property("ActiveState")? == "inactive", "it still runs");
    ensure!(fs::read_to_string(CONFIGURATION)? == own, "the administrator's configuration was changed");
    ensure!(fs::read_dir(STORE)?.count() > 1, "the store has no segment");
    let failed = tool(&["systemctl", "--failed", "--no-legend", "--plain"])?;
    ensure!(failed.stdout.is_empty(), "failed units: {}", text(&failed.stdout));
    life::gone()
}

/// `apt-get purge` leaves the system as it was before the installation.
pub(crate) fn purge(guest: &mut ServiceGuest) -> Result<()> {
    let before = guest.untouched.take().context("no snapshot from before the installation")?;
    done(&["apt-get", "purge", "--yes", "rstmon"])?;
    let changes = SystemSnapshot::now()?.since(&before);
    ensure!(changes.is_empty(), "{}", changes.join("\n"));
    ensure!(guest.unit.property("LoadState")? == "not-found", "systemd still knows the unit");
    Ok(())
}
