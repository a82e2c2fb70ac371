//! The load: TCP on loopback by one thread on one CPU, both ends, so that the time of a connection is the kernel's
//! and the hooks' work and not a wait for another CPU.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Bytes sent each way in an exchange.
const MESSAGE: [u8; 128] = [b'x'; 128];

/// A sort of connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Traffic {
    /// To a port without a listener.
    Refused,
    /// Connect, accept, a message each way, close: no reset.
    Exchanged,
    /// Connect, accept, `SO_LINGER` 0, close.
    Aborted,
}

impl Traffic {
    /// What one connection of the sort is, for people.
    pub(super) fn describe(self) -> &'static str {
        match self {
            Self::Refused => "connect, refused",
            Self::Exchanged => "connect, exchange, close",
            Self::Aborted => "connect, abort",
        }
    }
}

/// Where connections go: a listener, and a port that has none.
#[derive(Debug)]
pub(super) struct Range {
    listener: TcpListener,
    closed: u16,
    round: u16,
}

impl Range {
    pub(super) fn new() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        // A port that was given out a moment ago is not given out again soon.
        let closed = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))?.local_addr()?.port();
        Ok(Self { listener, closed, round: 0 })
    }

    /// Makes `count` connections of a sort, one after the other, pinned to one CPU. Returns how long that took.
    pub(super) fn run(&mut self, traffic: Traffic, count: u32) -> anyhow::Result<Duration> {
        // Another address of 127/8 each time: connections in TIME_WAIT do not use up the ports.
        self.round = self.round % 60_000 + 1;
        let [high, low] = self.round.to_be_bytes();
        let host = Ipv4Addr::new(127, 1, high, low);
        let open = SocketAddr::from((host, self.listener.local_addr()?.port()));
        let closed = SocketAddr::from((host, self.closed));
        let listener = &self.listener;
        let work = move || -> anyhow::Result<Duration> {
            pin()?;
            let started = Instant::now();
            for _ in 0..count {
                match traffic {
                    Traffic::Refused => refuse(closed)?,
                    Traffic::Exchanged => exchange(listener, open).context("an exchange failed")?,
                    Traffic::Aborted => abort(listener, open).context("an abort failed")?,
                }
            }
            Ok(started.elapsed())
        };
        // A thread of its own, so that what this process starts later is not pinned.
        let ended = thread::scope(|scope| scope.spawn(work).join());
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Keeps this thread on one of the CPUs that it may use.
fn pin() -> anyhow::Result<()> {
    let allowed = sched_getaffinity(None).context("cannot read the CPU affinity")?;
    let cpu = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu)).context("no CPU to run on")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sort_of_connection_works() {
        let mut range = Range::new().expect("a listener");
        for traffic in [Traffic::Refused, Traffic::Exchanged, Traffic::Aborted] {
            range.run(traffic, 3).expect("three connections");
        }
    }
}
