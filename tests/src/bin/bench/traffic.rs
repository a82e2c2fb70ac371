//! The load: TCP on loopback of a network namespace. Both ends of a connection are in one thread that stays on one CPU,
//! so that the time of a connection is the work of the kernel and the hooks, without waiting for another CPU.

use anyhow::{Context as _, Result, bail};
use rstmon_tests::{
    interruption,
    kernel::Counters,
    netns::{NetNs, NetworkPlace},
    sysctl::Sysctl,
    wait,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};
use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Without a listener, and below the ports that the kernel gives to connections.
pub(crate) const CLOSED_PORT: u16 = 9;
const OPEN_PORT: u16 = 8080;
/// Ports for connections: more than by default.
const CONNECTION_PORTS: &str = "10240 65535";
/// Bytes sent each way in an exchange.
const MESSAGE: [u8; 128] = [b'x'; 128];
/// The interval at which a steady load catches up.
const BEAT: Duration = Duration::from_millis(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Traffic {
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
    /// Each connection of these ends with one reset.
    pub(crate) const RESETS: [Self; 3] = [Self::Refused, Self::Aborted, Self::Late];

    /// How the report describes it.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Refused => "connect, refused",
            Self::Aborted => "connect, abort",
            Self::Late => "connect, close, late write",
            Self::Exchanged => "connect, exchange, close",
        }
    }
}

/// A network namespace with a listener for connections and a closed port.
#[derive(Debug)]
pub(crate) struct TrafficRange {
    listener: TcpListener,
    /// Addresses of 127/8 used so far.
    hosts: AtomicU16,
    _ports: Sysctl,
    place: NetworkPlace,
}

impl TrafficRange {
    pub(crate) fn new() -> Result<Self> {
        let place = NetworkPlace::In(NetNs::new()?);
        let ports = Sysctl::set(&place, "ipv4/ip_local_port_range", CONNECTION_PORTS)?;
        let listen = || TcpListener::bind((Ipv4Addr::UNSPECIFIED, OPEN_PORT)).context("cannot listen");
        let listener = place.run(listen)??;
        Ok(Self { listener, hosts: AtomicU16::new(0), _ports: ports, place })
    }

    pub(crate) fn place(&self) -> &NetworkPlace {
        &self.place
    }

    /// Resets sent in the namespace so far, by the kernel's counter.
    pub(crate) fn resets_sent(&self) -> Result<u64> {
        Ok(Counters::read(&self.place)?.get("OutRsts"))
    }

    /// Makes `count` connections, one after the other. Returns the time that this took.
    pub(crate) fn run(&self, traffic: Traffic, count: u32) -> Result<Duration> {
        let host = self.host();
        self.place.run(|| {
            pin(0)?;
            let started = Instant::now();
            (0..count).try_for_each(|_| self.connect(traffic, host))?;
            Ok(started.elapsed())
        })?
    }

    /// Makes refused connections on `threads` CPUs as fast as possible. Returns connections a second.
    pub(crate) fn flood(&self, threads: usize, time: Duration) -> Result<f64> {
        let closed = SocketAddr::from((self.host(), CLOSED_PORT));
        let work = |cpu| {
            self.place.run(move || {
                pin(cpu)?;
                let started = Instant::now();
                let mut count = 0.0;
                while started.elapsed() < time {
                    interruption::check()?;
                    (0..16).try_for_each(|_| refuse(closed))?;
                    count += 16.0;
                }
                Ok(count / started.elapsed().as_secs_f64())
            })?
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
    pub(crate) fn steady(&self, per_second: f64, time: Duration) -> Result<f64> {
        let closed = SocketAddr::from((self.host(), CLOSED_PORT));
        self.place.run(|| {
            let started = Instant::now();
            let mut count = 0.0;
            while started.elapsed() < time {
                let due = started.elapsed().as_secs_f64() * per_second;
                while count < due && started.elapsed() < time {
                    refuse(closed)?;
                    count += 1.0;
                }
                interruption::check()?;
                wait::moment(BEAT);
            }
            Ok(count / started.elapsed().as_secs_f64())
        })?
    }

    /// Makes one refused connection to each of `ports`.
    pub(crate) fn refuse_at(&self, ports: std::ops::Range<u16>) -> Result<()> {
        let host = self.host();
        self.place.run(|| ports.into_iter().try_for_each(|port| refuse((host, port).into())))?
    }

    /// Another address of 127/8 each time: connections in `TIME_WAIT` do not use up the ports.
    fn host(&self) -> Ipv4Addr {
        let [high, low] = self.hosts.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Ipv4Addr::new(127, 1 + high, low, 1)
    }

    fn connect(&self, traffic: Traffic, host: Ipv4Addr) -> Result<()> {
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
pub(crate) fn cpus() -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(None).context("cannot read the CPU affinity")?;
    Ok((0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect())
}

/// Keeps this thread on one of the CPUs that it may use; numbers beyond the last CPU begin again at the first.
pub(crate) fn pin(number: usize) -> Result<()> {
    let cpus = cpus()?;
    let cpu = *cpus.get(number % cpus.len().max(1)).context("no CPU to run on")?;
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one).context("cannot set the CPU affinity")
}

fn refuse(to: SocketAddr) -> Result<()> {
    match TcpStream::connect(to) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error).context("expected a refusal"),
        Ok(_) => bail!("expected a refusal: {to} has a listener"),
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
    // The peer acknowledges this FIN before the close, so that the close leaves no socket and TIME_WAIT answers the
    // write: a reset whose owner only a tombstone knows.
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
        refuse(free).expect("no listener any more");
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
