//! Open sockets and processes that do nothing.

use anyhow::{Context as _, Result};
use rstmon_tests::{actor::Actor, child, netns::NetworkPlace};
use std::process::{Child, Command, Stdio};

/// Connections of one actor, whose `hold` takes up to 16,384 descriptors, two for each connection.
const CONNECTIONS_EACH: u32 = 8000;

/// Processes that hold open TCP sockets; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct HeldSockets {
    _actors: Vec<Actor>,
}

impl HeldSockets {
    /// Opens `count` sockets, the two ends of half as many connections, in as few processes as possible.
    pub(crate) fn open(count: u32, place: &NetworkPlace) -> Result<Self> {
        let mut actors = Vec::new();
        for connections in shares(count / 2) {
            let mut actor = Actor::spawn(place, "bench-hold")?;
            actor.ask(&format!("hold {connections}"))?;
            actors.push(actor);
        }
        Ok(Self { _actors: actors })
    }
}

/// The connections of each actor.
fn shares(connections: u32) -> Vec<u32> {
    let mut shares = vec![CONNECTIONS_EACH; usize::try_from(connections / CONNECTIONS_EACH).unwrap_or_default()];
    shares.extend(Some(connections % CONNECTIONS_EACH).filter(|rest| *rest > 0));
    shares
}

/// Processes that sleep; they end when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Sleepers(Vec<Child>);

impl Sleepers {
    pub(crate) fn start(count: u32) -> Result<Self> {
        let mut sleepers = Self::default();
        for _ in 0..count {
            let mut command = Command::new("sleep");
            command.arg("infinity").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            sleepers.0.push(child::spawn(&NetworkPlace::Host, &mut command).context("starting sleep")?);
        }
        Ok(sleepers)
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        // All are killed before the first is waited for: they end in parallel.
        for sleeper in &mut self.0 {
            let _ = sleeper.kill();
        }
        for sleeper in &mut self.0 {
            let _ = sleeper.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_shared_out() {
        assert_eq!(shares(0), [0; 0]);
        assert_eq!(shares(5000), [5000]);
        assert_eq!(shares(16_001), [8000, 8000, 1]);
    }

    #[test]
    fn sleepers_do_not_stay() {
        let sleepers = Sleepers::start(2).expect("two processes");
        let pids: Vec<u32> = sleepers.0.iter().map(Child::id).collect();
        let exists = |pid: &u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
        assert!(pids.iter().all(exists));
        drop(sleepers);
        assert!(!pids.iter().any(exists));
    }
}
