//! What this host's tables of sockets say of a reset whose own socket does not explain it: the other end of a reset that
//! no process sent, and the connection that a stray segment was meant for.
//!
//! The tables are read on the thread of the events, so a budget bounds how often; a reset beyond it has its verdict
//! without a finding.

use crate::{
    host::{
        counters::ProcNet,
        sockets::{self, TcpSocket},
    },
    model::{Direction, Found, Reset, SocketKind, State},
    probe::{listeners::ListenerTimes, netns::NetnsTasks},
};
use rstmon_common::evidence as bit;
use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    time::{Duration, Instant},
};

/// Searches in a second, at most.
const SEARCHES_PER_SECOND: u32 = 4;
/// How long the list of network namespaces and their addresses is used.
const PLACES_LAST: Duration = Duration::from_secs(10);
/// Network namespaces that are looked at, at most.
const PLACES: usize = 128;
/// Namespaces with the same address that are searched, at most.
const SEARCHED: usize = 4;

/// A network namespace of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Inode of the namespace.
    netns: u32,
    net: ProcNet,
    addresses: HashSet<IpAddr>,
}

/// The host, as far as a finding needs it.
pub(super) trait Tables {
    fn places(&self) -> Vec<Place>;

    fn find(&self, net: ProcNet, wanted: impl Fn(&TcpSocket) -> bool) -> Option<TcpSocket>;

    /// Time since boot when the present listeners of a port began to listen.
    fn listening_since(&self, netns: u32, port: u16) -> Option<Duration>;
}

/// `/proc`, and what the kernel half knows.
pub(super) struct HostTables<'a> {
    pub(super) tasks: &'a NetnsTasks,
    pub(super) times: &'a ListenerTimes,
}

impl Tables for HostTables<'_> {
    fn places(&self) -> Vec<Place> {
        let own = std::fs::metadata("/proc/thread-self/ns/net").ok().and_then(|file| u32::try_from(file.ino()).ok());
        let mut nets: Vec<(u32, ProcNet)> = own.into_iter().map(|netns| (netns, ProcNet::Own)).collect();
        match self.tasks.read() {
            Ok(tasks) => {
                let mut seen: HashSet<u32> = own.into_iter().collect();
                let first = tasks.into_iter().filter(|task| task.inode != 0 && seen.insert(task.inode));
                nets.extend(first.map(|task| (task.inode, ProcNet::Task(task.pid))));
            }
            Err(error) => tracing::debug!(%error, "cannot list the network namespaces"),
        }
        nets.truncate(PLACES);
        // A namespace whose task has ended meanwhile is left out.
        let place = |(netns, net)| Some(Place { netns, net, addresses: sockets::addresses(net).ok()? });
        nets.into_iter().filter_map(place).collect()
    }

    fn find(&self, net: ProcNet, wanted: impl Fn(&TcpSocket) -> bool) -> Option<TcpSocket> {
        sockets::find(net, wanted)
    }

    fn listening_since(&self, netns: u32, port: u16) -> Option<Duration> {
        self.times.since(netns, port)
    }
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    /// A connection that a segment may have been meant for that no connection here matches.
    OtherConnection,
    /// The listener that a refused attempt to connect was made to.
    Listener,
    /// The other end of a connection whose reset was received.
    OtherEnd,
}

impl Question {
    fn about(reset: &Reset) -> Option<Self> {
        match (reset.direction, reset.state) {
            (Direction::Sent, _) => {
                let connected = bit::ACTIVE | bit::SEGMENT_SYN | bit::SEGMENT_STRAY | bit::TOMBSTONE;
                let stray = reset.socket == SocketKind::None && reset.role.is_none() && !reset.bits.any(connected);
                stray.then_some(Self::OtherConnection)
            }
            (Direction::Received, Some(State::SynSent)) => Some(Self::Listener),
            (Direction::Received, Some(State::Established | State::CloseWait)) => Some(Self::OtherEnd),
            (Direction::Received, _) => None,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Findings {
    places: Vec<Place>,
    listed: Option<Instant>,
    /// When the second of the budget began, and the searches in it.
    budget: Option<(Instant, u32)>,
}

impl Findings {
    /// What the tables say about a reset that came a moment ago.
    pub(super) fn about(&mut self, reset: &Reset, tables: &impl Tables, now: Instant) -> Option<Found> {
        let question = Question::about(reset)?;
        if self.listed.is_none_or(|listed| now.duration_since(listed) >= PLACES_LAST) {
            self.places = tables.places();
            self.listed = Some(now);
        }
        let here = |place: &&Place| Some(place.netns) == reset.netns;
        if question == Question::OtherConnection {
            let place = self.places.iter().find(here)?.net;
            let meant =
                |socket: &TcpSocket| is_living(socket) && socket.local == reset.local && socket.remote != reset.remote;
            self.spend(now)?;
            return tables.find(place, meant).map(|socket| Found::OtherConnection(socket.remote));
        }
        let target = reset.remote.ip();
        let holds = |place: &&Place| if target.is_loopback() { here(place) } else { place.addresses.contains(&target) };
        let places: Vec<_> =
            self.places.iter().filter(holds).take(SEARCHED).map(|place| (place.netns, place.net)).collect();
        if places.is_empty() {
            return None;
        }
        self.spend(now)?;
        let lives = places.into_iter().any(|(netns, net)| {
            if question == Question::OtherEnd {
                let ends = (reset.remote, reset.local);
                return tables.find(net, |socket| is_living(socket) && (socket.local, socket.remote) == ends).is_some();
            }
            // One that began to listen after the reset did not live then.
            let lived = |since| since < reset.boot_time;
            tables.listening_since(netns, reset.remote.port()).is_some_and(lived)
                && tables.find(net, |socket| listens(socket, reset.remote)).is_some()
        });
        lives.then_some(Found::TargetLives)
    }

    /// Takes one search from the budget; `None` where it is used up.
    fn spend(&mut self, now: Instant) -> Option<()> {
        let (began, spent) = match self.budget {
            Some((began, spent)) if now.duration_since(began) < Duration::from_secs(1) => (began, spent),
            _ => (now, 0),
        };
        self.budget = Some((began, spent + 1));
        (spent < SEARCHES_PER_SECOND).then_some(())
    }
}

/// Whether no end of the connection has closed it or was reset.
fn is_living(socket: &TcpSocket) -> bool {
    matches!(socket.state, Some(State::Established | State::CloseWait))
}

fn listens(socket: &TcpSocket, target: SocketAddr) -> bool {
    let address = socket.local.ip();
    // A listener at `::` also takes IPv4, unless it is told not to; one at 0.0.0.0 takes no IPv6.
    let everywhere = address.is_unspecified() && (address.is_ipv6() || target.is_ipv4());
    socket.state == Some(State::Listen)
        && socket.local.port() == target.port()
        && (everywhere || address == target.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Clock, Reasons};
    use rstmon_common::{ResetRecord, key};
    use std::time::SystemTime;

    struct Made {
        places: Vec<Place>,
        sockets: Vec<(ProcNet, TcpSocket)>,
        since: Duration,
    }

    impl Tables for Made {
        fn places(&self) -> Vec<Place> {
            self.places.clone()
        }

        fn find(&self, net: ProcNet, wanted: impl Fn(&TcpSocket) -> bool) -> Option<TcpSocket> {
            self.sockets.iter().find(|(of, socket)| *of == net && wanted(socket)).map(|(_, socket)| *socket)
        }

        fn listening_since(&self, _: u32, _: u16) -> Option<Duration> {
            Some(self.since)
        }
    }

    const POD: ProcNet = ProcNet::Task(7);

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn socket(local: &str, remote: &str, state: State) -> (ProcNet, TcpSocket) {
        (POD, TcpSocket { local: address(local), remote: address(remote), state: Some(state) })
    }

    fn host(socket: (ProcNet, TcpSocket)) -> Made {
        let place = |netns, net, ip: &str| Place {
            netns,
            net,
            addresses: [ip.parse().expect("an address")].into_iter().collect(),
        };
        Made {
            places: vec![place(1, ProcNet::Own, "10.0.0.1"), place(2, POD, "10.0.0.2")],
            sockets: vec![socket],
            since: Duration::ZERO,
        }
    }

    /// A reset of 10.0.0.1:4000 with 10.0.0.2:80, five seconds after boot.
    fn reset(direction: u8, state: u8, netns: u32) -> Reset {
        let mut record = ResetRecord { netns, time_ns: 5_000_000_000, ..ResetRecord::BLANK };
        (record.key.direction, record.key.state, record.key.socket) = (direction, state, key::socket::FULL);
        let clock = Clock::new(SystemTime::UNIX_EPOCH, Duration::ZERO);
        let mut reset = Reset::decode(&record, &Reasons::from_variants([]), clock);
        (reset.local, reset.remote) = (address("10.0.0.1:4000"), address("10.0.0.2:80"));
        reset
    }

    fn found(reset: &Reset, tables: &Made) -> Option<Found> {
        Findings::default().about(reset, tables, Instant::now())
    }

    #[test]
    fn a_refused_attempt_is_no_process_where_its_listener_lived_before() {
        let refused = reset(key::direction::RECEIVED, key::state::SYN_SENT, 1);
        for (local, expected) in [
            ("0.0.0.0:80", Some(Found::TargetLives)),
            ("[::]:80", Some(Found::TargetLives)),
            ("10.0.0.2:80", Some(Found::TargetLives)),
            ("10.0.0.3:80", None),
            ("0.0.0.0:81", None),
        ] {
            let mut tables = host(socket(local, "0.0.0.0:0", State::Listen));
            assert_eq!(found(&refused, &tables), expected, "{local}");
            tables.since = Duration::from_secs(6);
            assert_eq!(found(&refused, &tables), None, "{local} began to listen later");
        }
        let mut elsewhere = refused;
        elsewhere.remote = address("10.0.0.9:80");
        assert_eq!(found(&elsewhere, &host(socket("0.0.0.0:80", "0.0.0.0:0", State::Listen))), None, "another host");
    }

    #[test]
    fn a_reset_of_a_connection_is_no_process_where_its_other_end_lives() {
        let received = reset(key::direction::RECEIVED, key::state::ESTABLISHED, 1);
        let lives = |state| found(&received, &host(socket("10.0.0.2:80", "10.0.0.1:4000", state)));
        assert_eq!(lives(State::Established), Some(Found::TargetLives));
        assert_eq!(lives(State::TimeWait), None);
        let other = socket("10.0.0.2:80", "10.0.0.1:4001", State::Established);
        assert_eq!(found(&received, &host(other)), None);
        let closing = reset(key::direction::RECEIVED, key::state::FIN_WAIT1, 1);
        assert_eq!(Question::about(&closing), None);
    }

    #[test]
    fn a_stray_segment_may_belong_to_a_connection_with_another_remote_end() {
        let mut stray = reset(key::direction::SENT, 0, 2);
        stray.socket = SocketKind::None;
        (stray.local, stray.remote) = (address("10.0.0.2:80"), address("10.0.0.9:4000"));
        let tables = host(socket("10.0.0.2:80", "10.0.0.1:4000", State::Established));
        assert_eq!(found(&stray, &tables), Some(Found::OtherConnection(address("10.0.0.1:4000"))));
        let closed = host(socket("10.0.0.2:80", "10.0.0.1:4000", State::TimeWait));
        assert_eq!(found(&stray, &closed), None);
        stray.netns = Some(1);
        assert_eq!(found(&stray, &tables), None, "of another namespace");
        stray.socket = SocketKind::TimeWait;
        assert_eq!(Question::about(&stray), None);
    }

    #[test]
    fn a_storm_uses_the_budget_of_a_second_and_no_more() {
        let received = reset(key::direction::RECEIVED, key::state::ESTABLISHED, 1);
        let tables = host(socket("10.0.0.2:80", "10.0.0.1:4000", State::Established));
        let (mut findings, start) = (Findings::default(), Instant::now());
        let mut count = |now| (0..100).filter(|_| findings.about(&received, &tables, now).is_some()).count();
        let most = SEARCHES_PER_SECOND as usize;
        assert_eq!(count(start), most);
        assert_eq!(count(start + Duration::from_millis(900)), 0);
        assert_eq!(count(start + Duration::from_millis(1100)), most);
    }
}
