//! Looks for what a reset leaves open in this host's tables of sockets: the other end of a reset that no process sent,
//! and the connection that a stray segment was meant for.
//!
//! The tables are read on the thread of the events, so a budget bounds how often; an event beyond it goes without.

use crate::{
    event::{
        Event,
        found::{Found, Question},
    },
    host::{
        boot_clock,
        counters::ProcNet,
        sockets::{self, TcpSocket},
    },
    model::{Clock, State},
    probe::{listeners::ListenerTimes, netns::NetnsTasks},
};
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    os::unix::fs::MetadataExt as _,
    time::{Duration, Instant, SystemTime},
};

/// Searches within [`BUDGET_LASTS`], at most. Resets of one incident come together, so they may be used at once.
const SEARCHES: u32 = 40;
const BUDGET_LASTS: Duration = Duration::from_secs(10);
/// How long the list of network namespaces and their addresses is used.
const PLACES_LAST: Duration = Duration::from_secs(10);
/// Network namespaces that are looked at, at most.
const PLACES: usize = 128;
/// Namespaces with the same address that are searched, at most.
const SEARCHED: usize = 4;

/// The host, as far as a finding needs it.
pub(super) trait Tables {
    /// The network namespaces, by their inodes.
    fn places(&self) -> Vec<(u32, ProcNet)>;

    fn addresses(&self, net: ProcNet) -> HashSet<IpAddr>;

    fn find(&self, net: ProcNet, wanted: impl Fn(&TcpSocket) -> bool) -> Option<TcpSocket>;

    /// When the present listeners of a port began to listen.
    fn listening_since(&self, netns: u32, port: u16) -> Option<SystemTime>;
}

/// `/proc`, and what the kernel half knows.
pub(super) struct HostTables<'a> {
    pub(super) tasks: &'a NetnsTasks,
    pub(super) times: &'a ListenerTimes,
}

impl Tables for HostTables<'_> {
    fn places(&self) -> Vec<(u32, ProcNet)> {
        let own = std::fs::metadata("/proc/thread-self/ns/net").ok().and_then(|file| u32::try_from(file.ino()).ok());
        let mut places: Vec<(u32, ProcNet)> = own.into_iter().map(|netns| (netns, ProcNet::Own)).collect();
        match self.tasks.read() {
            Ok(tasks) => {
                let mut seen: HashSet<u32> = own.into_iter().collect();
                let first = tasks.into_iter().filter(|task| task.inode != 0 && seen.insert(task.inode));
                places.extend(first.map(|task| (task.inode, ProcNet::Task(task.pid))));
            }
            Err(error) => tracing::debug!(%error, "cannot list the network namespaces"),
        }
        places.truncate(PLACES);
        places
    }

    fn addresses(&self, net: ProcNet) -> HashSet<IpAddr> {
        // A task may have ended meanwhile.
        sockets::addresses(net).unwrap_or_default()
    }

    fn find(&self, net: ProcNet, wanted: impl Fn(&TcpSocket) -> bool) -> Option<TcpSocket> {
        sockets::find(net, wanted)
    }

    fn listening_since(&self, netns: u32, port: u16) -> Option<SystemTime> {
        self.times.since(netns, port).map(|since| Clock::new(SystemTime::now(), boot_clock::since_boot()).at(since))
    }
}

#[derive(Debug, Default)]
pub(super) struct Findings {
    places: Vec<(u32, ProcNet)>,
    /// Addresses of the places that were looked at.
    addresses: HashMap<u32, HashSet<IpAddr>>,
    /// When the places were listed.
    began: Option<Instant>,
    /// When the budget began, and the searches since.
    budget: Option<(Instant, u32)>,
}

impl Findings {
    /// What the tables say about an event that came a moment ago.
    pub(super) fn about(&mut self, event: &Event, tables: &impl Tables, now: Instant) -> Option<Found> {
        let (question, netns) = (event.question()?, event.netns?);
        if self.began.is_none_or(|began| now.duration_since(began) >= PLACES_LAST) {
            self.list(tables, now);
        } else if !self.places.iter().any(|(of, _)| *of == netns) {
            // A namespace that is younger than the list.
            self.spend(now)?;
            self.list(tables, now);
        }
        let found = self.search(event, question, netns, tables, now);
        if found.is_some() || self.began == Some(now) {
            return found;
        }
        // The kernel gives the number of a namespace that has ended to the next one: what is listed may be gone.
        self.spend(now)?;
        self.list(tables, now);
        self.search(event, question, netns, tables, now)
    }

    fn list(&mut self, tables: &impl Tables, now: Instant) {
        self.addresses.clear();
        self.places = tables.places();
        self.began = Some(now);
    }

    fn search(
        &mut self,
        event: &Event,
        question: Question,
        netns: u32,
        tables: &impl Tables,
        now: Instant,
    ) -> Option<Found> {
        let (local, remote) = (SocketAddr::from(event.local), SocketAddr::from(event.remote));
        let here = question == Question::OtherConnection || remote.ip().is_loopback();
        let (listed, addresses) = (&self.places, &mut self.addresses);
        let mut holds = |(of, net): &(u32, ProcNet)| {
            let read = || tables.addresses(*net);
            if here { *of == netns } else { addresses.entry(*of).or_insert_with(read).contains(&remote.ip()) }
        };
        let places: Vec<_> = listed.iter().copied().filter(|place| holds(place)).take(SEARCHED).collect();
        if places.is_empty() {
            return None;
        }
        self.spend(now)?;
        places.into_iter().find_map(|(netns, net)| match question {
            Question::OtherConnection => {
                let meant = |socket: &TcpSocket| is_living(socket) && socket.local == local && socket.remote != remote;
                tables.find(net, meant).map(|socket| Found::OtherConnection(socket.remote.into()))
            }
            Question::OtherEnd => {
                let other = |socket: &TcpSocket| is_living(socket) && (socket.local, socket.remote) == (remote, local);
                tables.find(net, other).map(|_| Found::OtherEnd)
            }
            Question::Listener => {
                // One that began to listen after the reset did not live then.
                let lived = tables.listening_since(netns, remote.port())? < SystemTime::from(event.time);
                tables.find(net, |socket| lived && listens(socket, remote)).map(|_| Found::Listener)
            }
        })
    }

    /// Takes one search from the budget; `None` where it is used up.
    fn spend(&mut self, now: Instant) -> Option<()> {
        let (began, spent) = match self.budget {
            Some((began, spent)) if now.duration_since(began) < BUDGET_LASTS => (began, spent),
            _ => (now, 0),
        };
        self.budget = Some((began, spent + 1));
        (spent < SEARCHES).then_some(())
    }
}

/// Whether no end of the connection has closed it or was reset.
fn is_living(socket: &TcpSocket) -> bool {
    matches!(socket.state, Some(State::Established | State::CloseWait))
}

fn listens(socket: &TcpSocket, target: SocketAddr) -> bool {
    let address = socket.local.ip();
    // A listener at `::` also takes IPv4, unless `IPV6_V6ONLY` is set; one at 0.0.0.0 takes no IPv6.
    let everywhere = address.is_unspecified() && (address.is_ipv6() || target.is_ipv4());
    socket.state == Some(State::Listen)
        && socket.local.port() == target.port()
        && (everywhere || address == target.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{EventVerdict, testing},
        model::{Direction, SocketKind},
    };
    use std::cell::RefCell;

    struct Made {
        places: RefCell<Vec<(u32, ProcNet)>>,
        sockets: Vec<(ProcNet, TcpSocket)>,
        since: SystemTime,
    }

    impl Tables for Made {
        fn places(&self) -> Vec<(u32, ProcNet)> {
            self.places.borrow().clone()
        }

        fn addresses(&self, net: ProcNet) -> HashSet<IpAddr> {
            let address = if net == POD { "10.0.0.2" } else { "10.0.0.1" };
            [address.parse().expect("an address")].into_iter().collect()
        }

        fn find(&self, net: ProcNet, wanted: impl Fn(&TcpSocket) -> bool) -> Option<TcpSocket> {
            self.sockets.iter().find(|(of, socket)| *of == net && wanted(socket)).map(|(_, socket)| *socket)
        }

        fn listening_since(&self, _: u32, _: u16) -> Option<SystemTime> {
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

    /// A host at 10.0.0.1 with a pod at 10.0.0.2, in which there is this socket.
    fn host(socket: (ProcNet, TcpSocket)) -> Made {
        Made {
            places: RefCell::new(vec![(1, ProcNet::Own), (2, POD)]),
            sockets: vec![socket],
            since: SystemTime::UNIX_EPOCH,
        }
    }

    /// A reset of 10.0.0.1:4000 by 10.0.0.2:80.
    fn received(state: State) -> Event {
        Event {
            direction: Direction::Received,
            state: Some(state),
            local: address("10.0.0.1:4000").into(),
            remote: address("10.0.0.2:80").into(),
            netns: Some(1),
            peer: None,
            ..testing::event()
        }
    }

    fn found(event: &Event, tables: &Made) -> Option<Found> {
        Findings::default().about(event, tables, Instant::now())
    }

    #[test]
    fn a_refused_attempt_is_no_process_where_its_listener_lived_before() {
        let refused = received(State::SynSent);
        for (local, expected) in [
            ("0.0.0.0:80", Some(Found::Listener)),
            ("[::]:80", Some(Found::Listener)),
            ("10.0.0.2:80", Some(Found::Listener)),
            ("10.0.0.3:80", None),
            ("0.0.0.0:81", None),
        ] {
            let mut tables = host(socket(local, "0.0.0.0:0", State::Listen));
            assert_eq!(found(&refused, &tables), expected, "{local}");
            tables.since = SystemTime::from(refused.time) + Duration::from_secs(1);
            assert_eq!(found(&refused, &tables), None, "{local} began to listen later");
        }
        let listener = host(socket("0.0.0.0:80", "0.0.0.0:0", State::Listen));
        let elsewhere = Event { remote: address("10.0.0.9:80").into(), ..received(State::SynSent) };
        assert_eq!(found(&elsewhere, &listener), None, "another host");
        let joined = Event { peer: Some(refused.as_peer()), ..refused };
        assert_eq!(found(&joined, &listener), None, "a process of this host sent it");
    }

    #[test]
    fn a_reset_of_a_connection_is_no_process_where_its_other_end_lives() {
        let reset = received(State::Established);
        let lives = |state| found(&reset, &host(socket("10.0.0.2:80", "10.0.0.1:4000", state)));
        assert_eq!(lives(State::Established), Some(Found::OtherEnd));
        assert_eq!(lives(State::TimeWait), None);
        let other = socket("10.0.0.2:80", "10.0.0.1:4001", State::Established);
        assert_eq!(found(&reset, &host(other)), None);
        assert_eq!(received(State::FinWait1).question(), None);
    }

    #[test]
    fn a_stray_segment_may_belong_to_a_connection_with_another_remote_end() {
        let mut stray = Event {
            direction: Direction::Sent,
            state: None,
            socket: SocketKind::None,
            role: None,
            local: address("10.0.0.2:80").into(),
            remote: address("10.0.0.9:4000").into(),
            netns: Some(2),
            verdict: Some(EventVerdict { rule: "a_rule".to_owned(), facts: vec!["ack".to_owned()] }),
            ..testing::event()
        };
        let tables = host(socket("10.0.0.2:80", "10.0.0.1:4000", State::Established));
        assert_eq!(found(&stray, &tables), Some(Found::OtherConnection(address("10.0.0.1:4000").into())));
        let closed = host(socket("10.0.0.2:80", "10.0.0.1:4000", State::TimeWait));
        assert_eq!(found(&stray, &closed), None);
        stray.netns = Some(1);
        assert_eq!(found(&stray, &tables), None, "of another namespace");
        stray.verdict.as_mut().expect("a verdict").facts.push("tombstone".into());
        assert_eq!(stray.question(), None, "of a connection that is remembered");
    }

    #[test]
    fn a_namespace_that_is_new_is_found_and_the_address_of_one_that_is_gone_forgotten() {
        let reset = received(State::Established);
        let tables = host(socket("10.0.0.2:80", "10.0.0.1:4000", State::Established));
        let all = tables.places.replace(Vec::new());
        let (mut findings, start) = (Findings::default(), Instant::now());
        assert_eq!(findings.about(&reset, &tables, start), None);
        tables.places.replace(all);
        assert_eq!(findings.about(&reset, &tables, start), Some(Found::OtherEnd));
        tables.places.borrow_mut().pop();
        assert_eq!(findings.about(&reset, &tables, start), Some(Found::OtherEnd), "the list lasts for a while");
        assert_eq!(findings.about(&reset, &tables, start + PLACES_LAST), None);
    }

    #[test]
    fn a_storm_uses_the_budget_and_no_more() {
        let reset = received(State::Established);
        let tables = host(socket("10.0.0.2:80", "10.0.0.1:4000", State::Established));
        let (mut findings, start) = (Findings::default(), Instant::now());
        let mut count = |now| (0..100).filter(|_| findings.about(&reset, &tables, now).is_some()).count();
        let most = SEARCHES as usize;
        assert_eq!(count(start), most);
        assert_eq!(count(start + Duration::from_millis(9_900)), 0);
        assert_eq!(count(start + Duration::from_millis(10_100)), most);
    }
}
