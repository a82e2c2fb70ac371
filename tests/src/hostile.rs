//! Clients that mean no good, and what goes on meanwhile: resets that have to be counted all the same.

use crate::{
    actor::Actor,
    daemon::Daemon,
    netns::Place,
    wait::{self, SOON},
    watched::RESETS,
};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// A port of loopback that nobody listens on and the kernel gives to nobody: below the ephemeral ones.
const NOBODY: u16 = 20_777;
/// The process that provokes resets.
const PROVOKER: &str = "provoker";
/// Resets provoked at once, between two looks at whether to stop.
const BATCH: u64 = 200;

/// Where nobody listens.
#[must_use]
pub fn nobody() -> SocketAddr {
    ([127, 0, 0, 1], NOBODY).into()
}

/// Provokes resets on the host's loopback until told to stop, or dropped, and knows how many.
#[derive(Debug)]
pub struct Provocation {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<u64>>>,
}

impl Provocation {
    /// Begins.
    ///
    /// # Errors
    /// When the actor cannot be started.
    pub fn begin() -> Result<Self> {
        let mut actor = Actor::spawn(&Place::Host, PROVOKER)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut provoked = 0;
            while !stopped.load(Ordering::Relaxed) {
                let refused: u64 = actor.ask(&format!("flood {} {BATCH}", nobody()))?.get("refused")?;
                ensure!(refused == BATCH, "{refused} of {BATCH} connections were refused");
                provoked += refused;
            }
            Ok(provoked)
        });
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends it; the daemon must have counted every single reset, sent and received, and the kernel must agree.
    ///
    /// # Errors
    /// When a count is wrong; the daemon's words are in the message.
    pub fn end(mut self, daemon: &Daemon) -> Result<u64> {
        let provoked = match self.stop() {
            Some(Ok(provoked)) => provoked?,
            None | Some(Err(_)) => bail!("the provocation panicked"),
        };
        ensure!(provoked > 0, "nothing was provoked meanwhile");
        let metrics = daemon.scrape()?;
        let port = NOBODY.to_string();
        for labels in [
            &[("direction", "received"), ("process", PROVOKER), ("port", &port)][..],
            &[("direction", "sent"), ("cause", "refused"), ("port", &port)],
        ] {
            let counted = metrics.count(RESETS, labels);
            ensure!(counted == provoked, "provoked {provoked} resets, counted {counted} with {labels:?}");
        }
        agreed(daemon)?;
        ensure!(!daemon.said().contains("panicked"), "it said:\n{}", daemon.said());
        Ok(provoked)
    }

    fn stop(&mut self) -> Option<thread::Result<Result<u64>>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join)
    }
}

impl Drop for Provocation {
    fn drop(&mut self) {
        // A test that failed must not disturb the next.
        let _ = self.stop();
    }
}

/// The kernel's own count agrees: `rstmon_uncounted_resets` is there and 0.
///
/// # Errors
/// When it stays otherwise.
pub fn agreed(daemon: &Daemon) -> Result<()> {
    wait::until_true("rstmon_uncounted_resets to be 0", SOON, || {
        let metrics = daemon.scrape()?;
        Ok(metrics.select("rstmon_uncounted_resets", &[]).any(|sample| sample.value == 0.0))
    })
}

/// Has the kernel forget how much memory a process had at most, so that [`peak_kib`] speaks of the time from now on:
/// loading the probe takes more than anything that comes later.
///
/// # Errors
/// When the process is gone or this is not root.
pub fn forget_peak(pid: u32) -> Result<()> {
    // 5 resets VmHWM, see proc(5).
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("resetting VmHWM")
}

/// The most memory that a process had resident, in KiB (`VmHWM` of proc(5)).
///
/// # Errors
/// When the process is gone.
pub fn peak_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Says what was measured, for whoever looks at the test's output.
pub fn report(text: &str) {
    // What cannot be said must not fail the test.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Clients that each send half a request and then a byte now and then, and come back when they are thrown out.
#[derive(Debug)]
pub struct SlowClients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl SlowClients {
    /// Lets them loose on a server.
    #[must_use]
    pub fn attack(server: SocketAddr, clients: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let attack = |stop: Arc<AtomicBool>| {
            move || {
                while !stop.load(Ordering::Relaxed) {
                    let _ = trickle(server, &stop);
                }
            }
        };
        let threads = (0..clients).map(|_| thread::spawn(attack(Arc::clone(&stop)))).collect();
        Self { stop, threads }
    }
}

impl Drop for SlowClients {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// One connection of a slow client, until it is thrown out or told to stop.
fn trickle(server: SocketAddr, stop: &AtomicBool) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&server, SOON)?;
    // The pause between two bytes.
    stream.set_read_timeout(Some(Duration::from_millis(250)))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: test\r\nX-Slow: ")?;
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(b"x")?;
        match stream.read(&mut [0; 512]) {
            Ok(0) => break,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(())
}
