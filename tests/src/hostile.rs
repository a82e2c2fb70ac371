//! Hostile clients, and resets that are provoked at the same time and have to be counted nevertheless.

use crate::{
    actor::Actor,
    daemon::DaemonProcess,
    netns::NetworkPlace,
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

/// A port of loopback that is never listened on or assigned by the kernel: it is below the ephemeral ports.
const CLOSED_PORT: u16 = 20_777;
/// The name of the process that provokes resets.
const PROVOKER: &str = "provoker";
/// Resets provoked between two checks of whether to stop.
const BATCH: u64 = 200;

/// A loopback address whose port is closed.
#[must_use]
pub fn closed_address() -> SocketAddr {
    ([127, 0, 0, 1], CLOSED_PORT).into()
}

/// Provokes resets on the host's loopback until it is ended or dropped, and counts them.
#[derive(Debug)]
pub struct Provocation {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<u64>>>,
}

impl Provocation {
    /// Starts to provoke resets.
    ///
    /// # Errors
    /// When the actor cannot be started.
    pub fn begin() -> Result<Self> {
        let mut actor = Actor::spawn(&NetworkPlace::Host, PROVOKER)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut provoked = 0;
            while !stopped.load(Ordering::Relaxed) {
                let refused: u64 = actor.ask(&format!("flood {} {BATCH}", closed_address()))?.get("refused")?;
                ensure!(refused == BATCH, "{refused} of {BATCH} connections were refused");
                provoked += refused;
            }
            Ok(provoked)
        });
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends it. The daemon must have counted every reset, sent and received, and the kernel's counters must agree.
    ///
    /// # Errors
    /// When a count is wrong; the daemon's stderr is in the message.
    pub fn end(mut self, daemon: &DaemonProcess) -> Result<u64> {
        let provoked = match self.stop() {
            Some(Ok(provoked)) => provoked?,
            None | Some(Err(_)) => bail!("the provocation panicked"),
        };
        ensure!(provoked > 0, "no reset was provoked");
        let metrics = daemon.scrape()?;
        let port = CLOSED_PORT.to_string();
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
        // A failed test must not disturb the next one.
        let _ = self.stop();
    }
}

/// Waits until the kernel's count agrees: `rstmon_uncounted_resets` exists and is 0.
///
/// # Errors
/// When it has another value until the deadline.
pub fn agreed(daemon: &DaemonProcess) -> Result<()> {
    wait::until_true("rstmon_uncounted_resets to be 0", SOON, || {
        let metrics = daemon.scrape()?;
        Ok(metrics.select("rstmon_uncounted_resets", &[]).any(|sample| sample.value == 0.0))
    })
}

/// Resets the kernel's peak of a process's memory, so that [`peak_kib`] covers the time from now on: loading the probe
/// takes more memory than everything afterwards.
///
/// # Errors
/// When the process is gone or the caller is not root.
pub fn forget_peak(pid: u32) -> Result<()> {
    // 5 resets VmHWM, see proc(5).
    fs::write(format!("/proc/{pid}/clear_refs"), "5").context("resetting VmHWM")
}

/// The peak of a process's resident memory in KiB (`VmHWM` of proc(5)).
///
/// # Errors
/// When the process is gone.
pub fn peak_kib(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Prints a measurement for the reader of the test's output.
pub fn report(text: &str) {
    // A failed write must not fail the test.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Clients that each send half a request and then a byte now and then, and reconnect when the server disconnects them.
#[derive(Debug)]
pub struct SlowClients {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl SlowClients {
    /// Starts the clients.
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

/// One connection of a slow client, until the server closes it or `stop` is set.
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
