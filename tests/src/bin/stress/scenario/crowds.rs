//! Crowds of silent clients: with few descriptors, and on the socket of the members.

use crate::{
    load::Totals,
    observed::{HISTORY, ObservedDaemon},
    outcome::ScenarioFinding,
    testbed::Testbed,
};
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{
    daemon::DaemonProcess,
    follower::Subscriber,
    http, scratch,
    wait::{self, SOON},
};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Descriptors that the daemon may have: its own, the reserve, and some twenty for each server.
const DESCRIPTORS: u64 = 128;
/// Clients on each server; more than it has slots even without a limit.
const CLIENTS: usize = 150;
/// Less than the deadline of a silent client, and than a scraper's, which are both ten seconds.
const MOST_WAIT: Duration = Duration::from_secs(8);
/// Between two checks of whether to stop.
const SILENCE: Duration = Duration::from_millis(100);

/// Floods while silent clients want more connections than there are descriptors.
pub(super) fn descriptors(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let directory = scratch::directory()?;
    fs::write(directory.path().join("rstmon.toml"), HISTORY)?;
    let few = Rlimit { current: Some(DESCRIPTORS / 2), maximum: Some(DESCRIPTORS) };
    let daemon = DaemonProcess::prepared(directory, move || Ok(setrlimit(Resource::Nofile, few)?))?;
    let observed = ObservedDaemon::of(testbed, daemon)?;
    let crowds = [SilentCrowd::on_tcp(observed.daemon.address()), SilentCrowd::on_unix(&observed.daemon.socket())];
    let pid = observed.daemon.pid();
    let open = || Ok::<_, io::Error>(fs::read_dir(format!("/proc/{pid}/fd"))?.count());
    let mut most_open = 0;
    wait::until_true("all slots to be in use", SOON, || {
        most_open = most_open.max(open()?);
        Ok(crowds.iter().all(|crowd| crowd.cut() > 0))
    })?;
    let siege = besieged(testbed, crowds, || {
        most_open = most_open.max(open()?);
        observed.scrape().map(drop)
    })?;
    Ok(siege
        .end(observed)?
        .with_note(format!("at most {most_open} of {DESCRIPTORS} descriptors were seen open"))
        .demand(most_open as u64 <= DESCRIPTORS - 8, || format!("{most_open} descriptors: nothing is in reserve")))
}

/// Floods while silent members of the group want more connections than there are, and others ask.
pub(super) fn socket(testbed: &mut Testbed) -> Result<ScenarioFinding> {
    let observed = ObservedDaemon::start(testbed, HISTORY)?;
    let follower = Subscriber::new(&observed.daemon.socket())?.follow()?;
    let crowds = [SilentCrowd::on_unix(&observed.daemon.socket())];
    wait::until_true("all slots to be in use", SOON, || Ok(crowds[0].cut() > 0))?;
    let siege = besieged(testbed, crowds, || {
        let mut stream = UnixStream::connect(observed.daemon.socket())?;
        stream.set_read_timeout(Some(SOON))?;
        let answer = http::exchange(&mut stream, "/v1/version", "")?;
        ensure!(answer.status == 200, "/v1/version answered {}", answer.status);
        Ok(())
    })?;
    // The follower is silent, too, and has kept its place.
    let delivery = observed.events_add_up(&siege.done, &follower);
    drop(follower);
    let finding = siege.end(observed)?;
    Ok(finding.demand(delivery.is_ok(), || format!("the follower: {delivery:?}")))
}

/// What happened while the crowds were there.
struct Siege {
    done: Totals,
    cut: u64,
    asked: u64,
    longest: Duration,
}

impl Siege {
    fn end(self, observed: ObservedDaemon) -> Result<ScenarioFinding> {
        let Self { done, cut, asked, longest } = self;
        let finding = observed.end(&done)?.with_faults(&[("silent clients cut off", cut), ("questions", asked)]);
        Ok(finding
            .with_note(format!("the longest question took {longest:.1?}"))
            .demand(longest < MOST_WAIT, || format!("a question took {longest:?}")))
    }
}

/// Provokes resets, and calls `ask` again and again meanwhile.
fn besieged<const N: usize>(
    testbed: &mut Testbed,
    crowds: [SilentCrowd; N],
    mut ask: impl FnMut() -> Result<()>,
) -> Result<Siege> {
    let each = testbed.arguments.times(5_000, 100_000);
    let (mut asked, mut longest) = (0, Duration::ZERO);
    let mut remaining = each;
    let mut storms = testbed.storms()?;
    let mut done = Totals::default();
    while remaining > 0 {
        let batch = remaining.min(1_000);
        done.add(&testbed.storm(&mut storms, batch)?);
        remaining -= batch;
        let started = Instant::now();
        ask().with_context(|| format!("question {asked} in the crowd"))?;
        (asked, longest) = (asked + 1, longest.max(started.elapsed()));
    }
    let cut = crowds.iter().map(SilentCrowd::cut).sum();
    drop(crowds);
    Ok(Siege { done, cut, asked, longest })
}

/// Clients that connect, send nothing, and connect again when they are disconnected; ended on drop.
struct SilentCrowd {
    stop: Arc<AtomicBool>,
    cut: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl SilentCrowd {
    fn on_tcp(address: SocketAddr) -> Self {
        Self::of(move || {
            let stream = TcpStream::connect_timeout(&address, SOON)?;
            stream.set_read_timeout(Some(SILENCE))?;
            Ok(stream)
        })
    }

    fn on_unix(path: &Path) -> Self {
        let path = path.to_owned();
        Self::of(move || {
            let stream = UnixStream::connect(&path)?;
            stream.set_read_timeout(Some(SILENCE))?;
            Ok(stream)
        })
    }

    fn of<S: io::Read>(connect: impl Fn() -> io::Result<S> + Clone + Send + 'static) -> Self {
        let (stop, cut) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let client = |_| {
            let (stop, cut, connect) = (Arc::clone(&stop), Arc::clone(&cut), connect.clone());
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Ok(mut stream) = connect() else { continue };
                    let is_open = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
                    while !stop.load(Ordering::Relaxed) && stream.read(&mut [0; 64]).as_ref().is_err_and(is_open) {}
                    if !stop.load(Ordering::Relaxed) {
                        cut.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        };
        let threads = (0..CLIENTS).map(client).collect();
        Self { stop, cut, threads }
    }

    /// How many times the daemon has disconnected one of them.
    fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }
}

impl Drop for SilentCrowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
