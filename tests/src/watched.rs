//! A daemon and a tail on it: what most tests of rstmon look through.

use crate::{
    daemon::Daemon,
    judge,
    metrics::Metrics,
    scene::{Direction, Expected, Scene},
    sight::{Hidden, Sight},
    tail::Tail,
    wait::{self, SOON},
};
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use serde_json::Value;

/// The counter that everything is about.
pub const RESETS: &str = "rstmon_resets_total";

/// How many events a message shows.
const LAST: usize = 6;

/// An event in a line.
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
pub struct Watched {
    /// Sees everything.
    pub tail: Tail,
    /// Counts everything.
    pub daemon: Daemon,
}

impl Watched {
    /// Starts both with the default configuration, but without a rate limit on events.
    ///
    /// # Errors
    /// When one does not get ready.
    pub fn start() -> Result<Self> {
        Self::configured("[events]\nrate_per_second = 0\n")
    }

    /// Starts both with a configuration.
    ///
    /// # Errors
    /// When one does not get ready.
    pub fn configured(toml: &str) -> Result<Self> {
        let daemon = Daemon::configured(toml)?;
        let tail = Tail::through(&daemon.socket(), &[])?;
        Ok(Self { tail, daemon })
    }

    /// Awaits the event of a reset and holds its facts against what is expected.
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

    /// [`Watched::facts`] of every reset of a scene that this kernel shows.
    ///
    /// # Errors
    /// As there, for the first that is wrong.
    pub fn all_facts(&self, scene: &Scene) -> Result<Vec<Value>> {
        let seen =
            scene.resets.iter().filter(|reset| Sight::of_kernel().is_ok_and(|sight| sight.expect(reset).is_ok()));
        seen.map(|reset| self.facts(reset)).collect()
    }

    /// Awaits the event of a reset, and its owner known in one of these ways.
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
    /// When they do not say.
    pub fn has_hook(&self, hook: &str) -> Result<bool> {
        let metrics = self.daemon.scrape()?;
        let labels = [("hook", hook)];
        let sample = metrics.select("rstmon_hook_attached", &labels).next();
        Ok(sample.with_context(|| format!("rstmon_hook_attached has no hook {hook}"))?.value > 0.0)
    }

    /// What rstmon says it may not have seen, counted or told.
    fn own_doubts(&self) -> Result<String> {
        let metrics = self.daemon.scrape()?;
        let doubts = ["rstmon_probe_missed_runs_total", "rstmon_count_overflow_total", "rstmon_events_lost_total"];
        let told = doubts.map(|name| format!("{name} {}", metrics.count(name, &[])));
        Ok(told.join(", "))
    }

    /// The counters have grown since `before` by exactly what a scene provoked, as far as this kernel shows it.
    ///
    /// # Errors
    /// When they have grown by less (in time) or by more.
    pub fn counted(&self, name: &str, scene: &Scene, before: &Metrics) -> Result<()> {
        let seen = Sight::of_kernel()?.of_scene(name, scene);
        let mut claimed = [Direction::Sent, Direction::Received]
            .map(|way| seen.iter().filter(|reset| reset.direction == way).count() as u64);
        claimed[0] += scene.echoes;
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
                "{RESETS} grew by {found:?} (sent, received), expected {claimed:?}; meanwhile {}; {}; last seen:\n{}",
                scene.kernels_view()?,
                self.own_doubts()?,
                last.join("\n")
            );
        }
        Ok(())
    }
}
