//! `systemctl reload`.

use crate::{
    ServiceGuest,
    scrapes::start_time,
    system::{done, tracing_programs},
};
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::wait::{self, SOON};
use std::fs;

/// The configuration that the package installs.
pub(crate) const CONFIGURATION: &str = "/etc/rstmon/rstmon.toml";

/// Does something to the service that must not change process, hooks and counters, and checks that.
fn unharmed(guest: &mut ServiceGuest, act: impl FnOnce(&ServiceGuest) -> Result<()>) -> Result<()> {
    let before = guest.scrape()?;
    let (process, programs) = (guest.unit.main_process()?, tracing_programs()?);
    act(guest)?;
    ensure!(guest.unit.main_process()? == process, "another process");
    ensure!(guest.unit.is_active()?, "not active any more");
    ensure!(tracing_programs()? == programs, "other BPF programs");
    let after = guest.scrape()?;
    ensure!(start_time(&after)?.total_cmp(&start_time(&before)?).is_eq(), "another start time");
    // Against a scrape before the reload: old counts stay, and new ones are added to them.
    guest.provoke(&before)?;
    Ok(())
}

/// Reloads the service and waits for the end of the reload. Returns the status text.
fn reload(guest: &ServiceGuest) -> Result<String> {
    done(&["systemctl", "reload", "rstmon"])?;
    wait::until("the reload to be over", SOON, || {
        let status = guest.unit.property("StatusText")?;
        Ok((!status.contains("reloading")).then_some(status))
    })
}

/// A changed log level is applied at once.
pub(crate) fn good(guest: &mut ServiceGuest) -> Result<()> {
    let text = fs::read_to_string(CONFIGURATION).context(CONFIGURATION)?;
    let louder = text.replace("level = \"info\"", "level = \"debug\"");
    ensure!(louder != text, "no log level in {CONFIGURATION}");
    fs::write(CONFIGURATION, louder)?;
    let result = unharmed(guest, |guest| {
        let status = reload(guest)?;
        ensure!(!status.contains("refused") && !status.contains("restart to apply"), "{status}");
        wait::until_true("log.level in the journal", SOON, || guest.unit.journal_has("log.level"))
    });
    fs::write(CONFIGURATION, text)?;
    result
}

/// A configuration with an error is refused, and the next reload of a good one accepted.
pub(crate) fn bad(guest: &mut ServiceGuest) -> Result<()> {
    let text = fs::read_to_string(CONFIGURATION).context(CONFIGURATION)?;
    fs::write(CONFIGURATION, format!("{text}\n[nonsense]\n"))?;
    let result = unharmed(guest, |guest| {
        done(&["systemctl", "reload", "rstmon"])?;
        wait::until_true("the refusal in systemctl status", SOON, || {
            Ok(guest.unit.property("StatusText")?.contains("configuration refused"))
        })?;
        ensure!(guest.unit.journal_has("nonsense")?, "the journal does not name the error");
        Ok(())
    });
    fs::write(CONFIGURATION, text)?;
    result?;
    unharmed(guest, |guest| {
        reload(guest)?;
        wait::until_true("the refusal to leave the status text", SOON, || {
            Ok(!guest.unit.property("StatusText")?.contains("configuration refused"))
        })
    })
}
