//! The live view while nothing changes, beside other full-screen tools, which draw on such a host, too.

use crate::{
    daemon::{self, DEFAULT},
    effort::Effort,
    markdown::table,
    rounds::interleaved,
    spread::{Spread, float},
};
use anyhow::{Context as _, Result};
use rstmon_tests::{
    daemon::binary,
    pty::Pty,
    skip,
    vitals::CpuUsage,
    wait::{self, SOON},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

const SECONDS: u32 = 5;
const MOST_ROUNDS: u32 = 3;
/// The other tools, where they are installed.
const PEERS: [&str; 2] = ["htop", "btop"];
const RECORDING: &str = "docs/top/recording.json";

/// What is shown, and why nothing changes.
#[derive(Clone, Debug)]
enum RestingView {
    /// A daemon on a quiet host.
    Idle,
    Paused,
    Disconnected,
    /// A recording that has been played.
    Ended,
    Peer(&'static str, PathBuf),
}

impl RestingView {
    fn all() -> Vec<Self> {
        let mut views = vec![Self::Idle, Self::Paused, Self::Disconnected, Self::Ended];
        views.extend(PEERS.into_iter().filter_map(|name| Some(Self::Peer(name, skip::find(name)?))));
        views
    }

    fn name(&self) -> String {
        match self {
            Self::Idle => "rstmon top, no resets".to_owned(),
            Self::Paused => "rstmon top, paused".to_owned(),
            Self::Disconnected => "rstmon top, the daemon is gone".to_owned(),
            Self::Ended => "rstmon top, a recording has ended".to_owned(),
            Self::Peer(name, _) => (*name).to_owned(),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ViewAtRest(Vec<RestCost>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct RestCost {
    view: String,
    is_own: bool,
    cpu_percent: Spread,
    sleeps_per_second: Spread,
}

impl ViewAtRest {
    /// The most that `rstmon top` takes in any of its states, in percent of a core.
    pub(crate) fn most(&self) -> Option<f64> {
        self.0.iter().filter(|cost| cost.is_own).map(|cost| cost.cpu_percent.median).max_by(f64::total_cmp)
    }
}

pub(crate) fn measure(effort: Effort) -> Result<ViewAtRest> {
    let views = RestingView::all();
    let rounds = interleaved(effort.at_most(MOST_ROUNDS), views.len(), |one| round(effort, &views[one]))?;
    let cost = |(view, own): (&RestingView, &Vec<[f64; 2]>)| {
        let [cpu_percent, sleeps_per_second] = Spread::of_columns(own)?;
        let is_own = !matches!(view, RestingView::Peer(..));
        Some(RestCost { view: view.name(), is_own, cpu_percent, sleeps_per_second })
    };
    views.iter().zip(&rounds).map(cost).collect::<Option<_>>().map(ViewAtRest).context("no round")
}

fn round(effort: Effort, view: &RestingView) -> Result<[f64; 2]> {
    let mut top = Command::new(binary().context("no rstmon binary")?);
    top.arg("top");
    match view {
        RestingView::Ended => {
            let recording = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(RECORDING);
            top.args(["--speed", "0", "--replay"]).arg(recording);
            let terminal = Pty::start(top)?;
            terminal.wait_for_screen("the end", |screen| screen.contains("end of the recording"))?;
            at_rest(&terminal, effort)
        }
        RestingView::Peer(_, path) => {
            // Without settings of this user, and leaving none behind.
            let home = tempfile::tempdir().context("cannot make a directory")?;
            let mut command = Command::new(path);
            command.env("HOME", home.path()).env_remove("XDG_CONFIG_HOME");
            let terminal = Pty::start(command)?;
            wait::until_true("a screen", SOON, || Ok(!terminal.written().is_empty()))?;
            at_rest(&terminal, effort)
        }
        RestingView::Idle | RestingView::Paused | RestingView::Disconnected => {
            let (daemon, _) = daemon::start(DEFAULT)?;
            top.arg("--socket").arg(daemon.socket());
            let terminal = Pty::start(top)?;
            terminal.wait_for_screen("the counts", |screen| screen.contains("counting for"))?;
            if matches!(view, RestingView::Paused) {
                terminal.press(b"p")?;
                terminal.wait_for_screen("the pause", |screen| screen.contains("PAUSED"))?;
            }
            if matches!(view, RestingView::Disconnected) {
                daemon.stop()?;
                terminal.wait_for_screen("the loss", |screen| screen.contains("no connection"))?;
                return at_rest(&terminal, effort);
            }
            let found = at_rest(&terminal, effort)?;
            drop(terminal);
            daemon.stop()?;
            Ok(found)
        }
    }
}

/// CPU time in percent of a core, and how often a second a thread goes to sleep. The first second is not counted: it
/// draws the first screens.
fn at_rest(terminal: &Pty, effort: Effort) -> Result<[f64; 2]> {
    used(terminal, effort.seconds(1))?;
    let window = effort.seconds(SECONDS);
    let (usage, time) = used(terminal, window)?;
    let seconds = time.as_secs_f64();
    Ok([float(usage.cpu_ns) / 1e7 / seconds, float(usage.sleeps) / seconds])
}

fn used(terminal: &Pty, window: Duration) -> Result<(CpuUsage, Duration)> {
    let (started, before) = (Instant::now(), CpuUsage::of(terminal.pid())?);
    wait::until("the end of a measurement", window + SOON, || {
        let (now, time) = (CpuUsage::of(terminal.pid())?, started.elapsed());
        Ok((time >= window).then(|| (now.since(before), time)))
    })
}

impl fmt::Display for ViewAtRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |RestCost { view, is_own: _, cpu_percent, sleeps_per_second }: &RestCost| {
            vec![view.clone(), cpu_percent.show(2), sleeps_per_second.show(0)]
        };
        let head = ["120x40 cells", "CPU, % of one", "sleeps/s"];
        writeln!(f, "Full-screen tools on a quiet host, without a key pressed.\n")?;
        write!(f, "{}", table(&head, &self.0.iter().map(row).collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_state_counts_and_other_tools_do_not() {
        let spread = |median| Spread { median, lower: median, upper: median, rounds: 1 };
        let cost = |view: &str, is_own, percent| RestCost {
            view: view.to_owned(),
            is_own,
            cpu_percent: spread(percent),
            sleeps_per_second: spread(1.0),
        };
        let costs = ViewAtRest(vec![cost("idle", true, 0.4), cost("paused", true, 0.6), cost("htop", false, 3.0)]);
        assert_eq!(costs.most(), Some(0.6));
        assert_eq!(ViewAtRest(Vec::new()).most(), None);
    }
}
