//! The store as a check of `rstmon doctor` and as figures of the metrics.

use super::doctor::{self, CheckState, DoctorCheck};
use crate::{
    metrics::StoreFigures,
    sink::store::{StoreState, StoreStatus},
};
use std::path::Path;

/// Name of the check.
pub(crate) const NAME: &str = "store";
const HIDES: &str = "what happened before the daemon's memory begins";

/// The check of a running daemon's store; `None` where it is turned off.
#[must_use]
pub(crate) fn check(store: Option<&StoreStatus>) -> DoctorCheck {
    let Some(StoreStatus { directory, state, events_bytes, max_bytes, counts_bytes, stored, lost, withheld: _ }) =
        store
    else {
        return doctor::ok(NAME, "off by configuration");
    };
    let directory = directory.display();
    match state {
        StoreState::Starting => doctor::ok(NAME, format!("{directory}: starting")),
        StoreState::Working => {
            let (events, limit, counts) = (mebibytes(*events_bytes), mebibytes(*max_bytes), mebibytes(*counts_bytes));
            let lost = if *lost > 0 { format!(", {lost} lost") } else { String::new() };
            let found = format!(
                "{directory}: {events} of {limit} MiB of events, {counts} MiB of counts; {stored} events since the start{lost}"
            );
            doctor::ok(NAME, found)
        }
        StoreState::Failing { reason } => failing(format!("{reason}; {lost} events lost")),
    }
}

/// The check of a store's directory on a host without a daemon to ask.
#[must_use]
pub(crate) fn check_directory(is_enabled: bool, directory: &Path) -> DoctorCheck {
    if !is_enabled {
        return doctor::ok(NAME, "off by configuration");
    }
    match rustix::fs::access(directory, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK) {
        Ok(()) => doctor::ok(NAME, format!("{}: writable", directory.display())),
        Err(rustix::io::Errno::NOENT) => doctor::ok(NAME, format!("{}: made at the start", directory.display())),
        Err(errno) => failing(format!("{}: {errno}", directory.display())),
    }
}

fn failing(found: String) -> DoctorCheck {
    DoctorCheck {
        standing: CheckState::Degraded,
        hides: Some(HIDES.to_owned()),
        fix: Some("make room, make it writable, or set store.directory (docs/history.md)".to_owned()),
        ..doctor::ok(NAME, found)
    }
}

fn mebibytes(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "rounded for people")]
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    format!("{mebibytes:.1}")
}

/// What the metrics show of a store.
#[must_use]
pub(crate) fn figures(store: StoreStatus) -> StoreFigures {
    let StoreStatus { directory: _, state, events_bytes, max_bytes: _, counts_bytes, stored, lost: _, withheld } =
        store;
    StoreFigures { is_working: state == StoreState::Working, events_bytes, counts_bytes, stored, withheld }
}

#[cfg(test)]
mod tests {
    use super::{CheckState, StoreState, StoreStatus, check};

    fn status(state: StoreState) -> StoreStatus {
        StoreStatus {
            directory: "/var/lib/rstmon".into(),
            state,
            events_bytes: 3 << 19,
            max_bytes: 256 << 20,
            counts_bytes: 0,
            stored: 12,
            lost: 3,
            withheld: 0,
        }
    }

    #[test]
    fn a_store_that_cannot_write_says_why_and_what_is_hidden() {
        let working = check(Some(&status(StoreState::Working)));
        assert_eq!(working.standing, CheckState::Ok);
        assert!(working.found.contains("1.5 of 256.0 MiB of events"), "{}", working.found);
        let failing = check(Some(&status(StoreState::Failing { reason: "the disk is full".to_owned() })));
        assert_eq!(failing.standing, CheckState::Degraded);
        assert_eq!(failing.found, "the disk is full; 3 events lost");
        assert!(failing.hides.is_some() && failing.fix.is_some());
        assert_eq!(check(None).found, "off by configuration");
    }
}
