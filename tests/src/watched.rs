//! A daemon with a tail connected to it, which most tests of rstmon use.

use crate::{
    daemon::DaemonProcess,
    judge,
    metrics::Metrics,
    scene::{Direction, Expected, Scene},
    sight::{Hidden, Sight},
    tail::Tail,
    wait::{self, SOON},
};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;

/// The name of the counter of resets.
pub const RESETS: &str = "rstmon_resets_total";

/// How many events an error message shows.
const LAST: usize = 6;

/// An event as one line.
fn summary(event: &Value) -> String {
    let end = |name: &str| format!("{}:{}", event[name]["address"], event[name]["port"]);
    format!(
        "{} {} {} in netns {}, {} to {}: {}",
        event["direction"],
        event["cause"],
        event["state"],
        event["netns"],
        end("local"),
        end("remote"),
        event["sentence"]
    )
}

/// A daemon and a tail without filters, both ready.
#[derive(Debug)]
pub struct WatchedDaemon {
    /// A tail without filters.
    pub tail: Tail,
    /// The daemon that it is connected to.
    pub daemon: DaemonProcess,
}

impl WatchedDaemon {
    /// Starts both with the default configuration except that events have no rate limit.
    ///
    /// # Errors
    /// When one of them does not get ready.
    pub fn start() -> Result<Self> {
        Self::configured("[events]\nrate_per_second = 0\n")
    }

    /// Starts both with a configuration file of this text.
    ///
    /// # Errors
    /// When one of them does not get ready.
    pub fn configured(toml: &str) -> Result<Self> {
        let daemon = DaemonProcess::configured(toml)?;
        let tail = Tail::through(&daemon.socket(), &[])?;
        Ok(Self { tail, daemon })
    }

    /// Waits for the event of a reset and compares it with what is expected.
    ///
    /// # Errors
    /// When it does not come or something differs; every difference is in the message.
    pub fn facts(&self, reset: &Expected) -> Result<Value> {
        let reset = &Sight::of_kernel()?.expect(reset).map_err(|Hidden(why)| anyhow!("{reset:?} is hidden: {why}"))?;
        let event = self.tail.expect(reset)?;
        let wrong = judge::facts(reset, &event);
        ensure!(wrong.is_empty(), "{wrong}in {event:#}");
        Ok(event)
    }

    /// [`WatchedDaemon::facts`] for every reset of a scene that this kernel shows.
    ///
    /// # Errors
    /// As there, for the first reset that is wrong.
    pub fn all_facts(&self, scene: &Scene) -> Result<Vec<Value>> {
        let seen =
            scene.resets.iter().filter(|reset| Sight::of_kernel().is_ok_and(|sight| sight.expect(reset).is_ok()));
        seen.map(|reset| self.facts(reset)).collect()
    }

    /// Waits for the event of a reset and expects an owner with one of these provenances.
    ///
    /// # Errors
    /// When it does not come or something differs.
    pub fn owned(&self, reset: &Expected, provenances: &[&str]) -> Result<Value> {
        let event = self.facts(reset)?;
        let found = event["owner"]["provenance"].as_str().context("no provenance")?;
        ensure!(
            provenances.contains(&found),
            "provenance: expected one of {provenances:?}, found {found} in {event:#}"
        );
        Ok(event)
    }

    /// Whether a hook is attached, as the daemon's metrics say.
    ///
    /// # Errors
    /// When the metrics do not have the hook.
    pub fn has_hook(&self, hook: &str) -> Result<bool> {
        let metrics = self.daemon.scrape()?;
        let labels = [("hook", hook)];
        let sample = metrics.select("rstmon_hook_attached", &labels).next();
        Ok(sample.with_context(|| format!("rstmon_hook_attached has no hook {hook}"))?.value > 0.0)
    }

    /// The counters of what rstmon may have missed.
    fn own_doubts(&self) -> Result<String> {
        let metrics = self.daemon.scrape()?;
        let doubts = ["rstmon_probe_missed_runs_total", "rstmon_count_overflow_total", "rstmon_events_lost_total"];
        let counts = doubts.map(|name| format!("{name} {}", metrics.count(name, &[])));
        Ok(counts.join(", "))
    }

    /// Waits until the counters have grown since `before` by exactly the resets of a scene, as far as this kernel shows
    /// them.
    ///
    /// # Errors
    /// When they have grown by less at the deadline, or by more.
    pub fn counted(&self, name: &str, scene: &Scene, before: &Metrics) -> Result<()> {
        let seen = Sight::of_kernel()?.of_scene(name, scene);
        let mut claimed = [Direction::Sent, Direction::Received]
            .map(|way| seen.iter().filter(|reset| reset.direction == way).count() as u64);
        claimed[0] += scene.answered_stray_segments;
        let grown = || -> Result<[u64; 2]> {
            let now = self.daemon.scrape()?;
            Ok(["sent", "received"].map(|way| {
                let labels = [("direction", way)];
                now.count(RESETS, &labels).saturating_sub(before.count(RESETS, &labels))
            }))
        };
        let reached = wait::until_true("the counts", SOON, || {
            let grown = grown()?;
            Ok(grown[0] >= claimed[0] && grown[1] >= claimed[1])
        });
        let found = grown()?;
        if reached.is_err() || found != claimed {
            let events = self.tail.events().unwrap_or_default();
            let last: Vec<String> = events[events.len().saturating_sub(LAST)..].iter().map(summary).collect();
            bail!(
                "{RESETS} grew by {found:?} (sent, received), expected {claimed:?}; meanwhile {}; {}; last events:\n{}",
                scene.kernels_view()?,
                self.own_doubts()?,
                last.join("\n")
            );
        }
        Ok(())
    }
}
