//! The package's later life: upgrade, removal, purge.

use crate::{
    Guest, life,
    reload::CONFIGURATION,
    system::{done, text, tool},
    world::World,
};
use anyhow::{Context as _, Result, ensure};
use std::{fs, path::Path};

/// A later version with another default configuration.
const LATER: &str = "/mnt/rstmon-later.deb";
/// What the administrator wrote.
const OWN_WORDS: &str = "# The administrator was here.\n";

/// The next version.
pub(crate) fn upgrade(guest: &mut Guest) -> Result<()> {
    let own = fs::read_to_string(CONFIGURATION)? + OWN_WORDS;
    fs::write(CONFIGURATION, &own)?;
    // Five starts in five minutes are the limit of the unit, and the checks before have spent them.
    done(&["systemctl", "reset-failed", "rstmon.service"])?;
    done(&["systemctl", "start", "rstmon"])?;
    let old = guest.unit.incarnation()?;
    done(&["apt-get", "install", "--yes", "--option=Dpkg::Options::=--force-confold", LATER])?;
    let version = done(&["dpkg-query", "--show", "--showformat=${Version}", "rstmon"])?;
    ensure!(version.ends_with("+later"), "version {version}");
    ensure!(fs::read_to_string(CONFIGURATION)? == own, "the administrator's configuration was changed");
    ensure!(guest.unit.is_active()?, "it does not run any more");
    let new = guest.unit.incarnation()?;
    ensure!(new.pid != old.pid, "the old version still runs");
    ensure!(guest.unit.property("UnitFileState")? == "enabled", "no longer enabled");
    let metrics = guest.scrape()?;
    guest.provoke(&metrics)?;
    Ok(())
}

/// `apt-get remove`.
pub(crate) fn remove(guest: &mut Guest) -> Result<()> {
    let own = fs::read_to_string(CONFIGURATION)?;
    done(&["apt-get", "remove", "--yes", "rstmon"])?;
    ensure!(!Path::new("/usr/bin/rstmon").exists(), "the program is still there");
    ensure!(guest.unit.property("ActiveState")? == "inactive", "it still runs");
    ensure!(fs::read_to_string(CONFIGURATION)? == own, "the administrator's configuration was changed");
    let failed = tool(&["systemctl", "--failed", "--no-legend", "--plain"])?;
    ensure!(failed.stdout.is_empty(), "failed units: {}", text(&failed.stdout));
    life::gone()
}

/// `apt-get purge`.
pub(crate) fn purge(guest: &mut Guest) -> Result<()> {
    let before = guest.untouched.take().context("nobody looked before the installation")?;
    done(&["apt-get", "purge", "--yes", "rstmon"])?;
    let changes = World::now()?.since(&before);
    ensure!(changes.is_empty(), "{}", changes.join("\n"));
    ensure!(guest.unit.property("LoadState")? == "not-found", "systemd still knows the unit");
    Ok(())
}
