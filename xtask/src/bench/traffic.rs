//! The load: TCP on loopback of a network namespace, both ends in one thread that stays on one CPU, so that the time of a
//! connection is the kernel's and the hooks' work and not a wait for another CPU.

use super::namespace::Namespace;
use anyhow::{Context as _, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Nobody listens there: the namespace is ours.
pub(super) const CLOSED_PORT: u16 = 9;
const OPEN_PORT: u16 = 8080;
/// Bytes sent each way in an exchange.
const MESSAGE: [u8; 128] = [b'x'; 128];
/// How often a steady load makes up for what it is behind.
const BEAT: Duration = Duration::from_millis(1);

/// A sort of connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Traffic {
    /// To a port without a listener.
    Refused,
    /// Connect, accept, `SO_LINGER` 0, close.
    Aborted,
    /// Connect, accept, one side closes, the other writes on.
    Late,
    /// Connect, accept, a message each way, close: no reset.
    Exchanged,
}

impl Traffic {
    /// Those of which each ends with one reset.
    pub(super) const RESETS: [Self; 3] = [Self::Refused, Self::Aborted, Self::Late];

    /// What one connection of the sort is, for people.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Refused => "connect, refused",
            Self::Aborted => "connect, abort",
            Self::Late => "connect, close, late write",
            Self::Exchanged => "connect, exchange, close",
        }
    }
}

/// Where connections go: a listener, and a port that has none.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) namespace: Namespace,
    listener: TcpListener,
    /// Addresses of 127/8 used so far.
    hosts: AtomicU16,
}

impl Range {
    /// In a namespace of its own.
    pub(super) fn new() -> anyhow::Result<Self> {
        let namespace = Namespace::new()?;
        let listen = || TcpListener::bind((Ipv4Addr::UNSPECIFIED, OPEN_PORT)).context("cannot listen");
        let listener = namespace.run(listen)?;
        Ok(Self { namespace, listener, hosts: AtomicU16::new(0) })
    }

    /// Makes `count` connections of a sort, one after the other. Returns how long that took.
    pub(super) fn run(&self, traffic: Traffic, count: u32) -> anyhow::Result<Duration> {
        let host = self.host();
        self.namespace.run(|| {
            pin(0)?;
            let started = Instant::now();
            (0..count).try_for_each(|_| self.connect(traffic, host))?;
            Ok(started.elapsed())
        })
    }

    /// Has `threads` CPUs make refused connections as fast as they can. Returns connections a second.
    pub(super) fn flood(&self, threads: usize, time: Duration) -> anyhow::Result<f64> {
        let closed = SocketAddr::from((self.host(), CLOSED_PORT));
        let work = |cpu| {
            self.namespace.run(move || {
                pin(cpu)?;
                let started = Instant::now();
                let mut count = 0.0;
                while started.elapsed() < time {
                    (0..16).try_for_each(|_| refuse(closed))?;
                    count += 16.0;
                }
                Ok(count / started.elapsed().as_secs_f64())
            })
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|cpu| scope.spawn(move || work(cpu))).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .sum()
        })
    }

    /// Makes refused connections at a steady pace. Returns connections a second: fewer if the machine is too slow.
    pub(super) fn steady(&self, per_second: f64, time: Duration) -> anyhow::Result<f64> {
        let closed = SocketAddr::from((self.host(), CLOSED_PORT));
        self.namespace.run(|| {
            let started = Instant::now();
            let mut count = 0.0;
            while started.elapsed() < time {
                let due = started.elapsed().as_secs_f64() * per_second;
                while count < due && started.elapsed() < time {
                    refuse(closed)?;
                    count += 1.0;
                }
                thread::sleep(BEAT);
            }
            Ok(count / started.elapsed().as_secs_f64())
        })
    }

    /// One refused connection to each of some ports.
    pub(super) fn refuse_at(&self, ports: std::ops::Range<u16>) -> anyhow::Result<()> {
        let host = self.host();
        self.namespace.run(|| ports.into_iter().try_for_each(|port| refuse((host, port).into())))
    }

    /// Another address of 127/8 each time: connections in `TIME_WAIT` do not use up the ports.
    fn host(&self) -> Ipv4Addr {
        let [high, low] = self.hosts.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Ipv4Addr::new(127, 1 + high, low, 1)
    }

    fn connect(&self, traffic: Traffic, host: Ipv4Addr) -> anyhow::Result<()> {
        let open = SocketAddr::from((host, OPEN_PORT));
        match traffic {
            Traffic::Refused => refuse((host, CLOSED_PORT).into()),
            Traffic::Aborted => abort(&self.listener, open).context("an abort failed"),
            Traffic::Late => late(&self.listener, open).context("a late write failed"),
            Traffic::Exchanged => exchange(&self.listener, open).context("an exchange failed"),
        }
    }
}

/// CPUs that this process may use.
pub(super) fn cpus() -> anyhow::Result<Vec<usize>> {
    let allowed = sched_getaffinity(None).context("cannot read the CPU affinity")?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect())
}

/// Keeps this thread on one of the CPUs that it may use; where there are fewer, threads share them.
pub(super) fn pin(number: usize) -> anyhow::Result<()> {
    let cpus = cpus()?;
    let cpu = *cpus.get(number % cpus.len().max(1)).context("no CPU to run on")?;
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one).context("cannot set the CPU affinity")
}

fn refuse(to: SocketAddr) -> anyhow::Result<()> {
    match TcpStream::connect(to) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error).context("expected a refusal"),
        Ok(_) => bail!("expected a refusal: somebody listens on {to} now"),
    }
}

fn exchange(listener: &TcpListener, to: SocketAddr) -> io::Result<()> {
    let mut client = TcpStream::connect(to)?;
    let (mut server, _) = listener.accept()?;
    let mut buffer = [0; MESSAGE.len()];
    client.write_all(&MESSAGE)?;
    server.read_exact(&mut buffer)?;
    server.write_all(&MESSAGE)?;
    client.read_exact(&mut buffer)?;
    drop(client);
    // The peer's end of stream: a close without a reset.
    server.read(&mut buffer).map(drop)
}

fn abort(listener: &TcpListener, to: SocketAddr) -> io::Result<()> {
    let client = TcpStream::connect(to)?;
    let (server, _) = listener.accept()?;
    rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
    drop(client);
    drop(server);
    Ok(())
}

fn late(listener: &TcpListener, to: SocketAddr) -> io::Result<()> {
    let mut client = TcpStream::connect(to)?;
    let (server, _) = listener.accept()?;
    // Acknowledged before the close, so that the socket is gone with it and TIME_WAIT answers: a reset whose owner only a
    // tombstone knows.
    server.shutdown(Shutdown::Write)?;
    drop(server);
    client.write_all(&MESSAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_refusals() {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port").local_addr().expect("its address");
        refuse(free).expect("nobody listens any more");
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        assert!(refuse(taken.local_addr().expect("its address")).is_err());
    }

    #[test]
    fn every_sort_of_connection_works() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
        let to = listener.local_addr().expect("its address");
        exchange(&listener, to).expect("exchange");
        abort(&listener, to).expect("abort");
        late(&listener, to).expect("late write");
    }
}
