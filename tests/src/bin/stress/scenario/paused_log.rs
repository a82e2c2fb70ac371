//! A log that is not read, at the level that writes most: counting, events and scrapes go on; lines are dropped and
//! counted; SIGTERM ends the daemon.

use crate::{
    observed::{HISTORY, ObservedDaemon},
    outcome::ScenarioFinding,
    testbed::Testbed,
};
use anyhow::{Context as _, Result};
use rstmon_tests::{follower::Subscriber, stopped_reader::StoppedReader, wait};

pub(super) fn play(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let (reader, log) = StoppedReader::full_pipe()?;
    let toml = format!("{HISTORY}[log]\nlevel = \"trace\"\n[events]\nrate_per_second = 0\n");
    let observed = ObservedDaemon::logging_to(testbed, &toml, log)?;
    let follower = Subscriber::new(&observed.daemon.socket())?.follow()?;
    let mut storms = testbed.storms()?;
    let each = testbed.arguments.times(10_000, 200_000);
    let done = testbed.storm(&mut storms, each)?;
    observed.events_add_up(&done, &follower)?;
    drop(follower);
    let dropped = || Ok::<_, anyhow::Error>(observed.scrape()?.count("rstmon_log_lines_dropped_total", &[]));
    // Each connection adds some lines.
    wait::until_true("the queue of the log to be full", wait::LATER, || {
        for _ in 0..100 {
            observed.daemon.get("/-/healthy")?;
        }
        Ok(dropped()? > 0)
    })?;
    let lines = dropped()?;
    // Its end is part of the scenario: SIGTERM with the log still unread.
    let finding = observed.end(&done).context("ending with a log that is not read")?;
    drop(reader);
    Ok(finding.with_faults(&[("log lines dropped", lines)]))
}
