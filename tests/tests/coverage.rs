//! The kernel's own count of resets sent, in every network namespace: agreement, gaps, and what cannot be compared.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::Result;
use rstmon_tests::{
    actor::Actor,
    daemon::{self, Daemon},
    kernel::Counters,
    machine::Machine,
    metrics::Metrics,
    netns::{self, Place},
    scenario::{late, open},
    scene::Watch,
    sight::{Sight, unless_unseen},
    stage::{Family, Stage},
    wait::{self, SOON},
};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

const SERVER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// What the metrics say of the reconciliation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    uncounted: i64,
    reconciled: u64,
    differing: u64,
    unreadable: u64,
    unsettled: u64,
}

impl Told {
    fn by(daemon: &Daemon) -> Result<Self> {
        let metrics = daemon.scrape()?;
        let state = |state| metrics.count("rstmon_network_namespaces", &[("state", state)]);
        Ok(Self {
            uncounted: format!("{:.0}", metrics.sum("rstmon_uncounted_resets", &[])).parse()?,
            reconciled: state("reconciled"),
            differing: state("differing"),
            unreadable: state("unreadable"),
            unsettled: state("unsettled"),
        })
    }
}

fn sent(metrics: &Metrics) -> u64 {
    metrics.count("rstmon_resets_total", &[("direction", "sent")])
}

/// Has so many SYNs sent from `client` to a closed port of [`SERVER`], each once.
fn knock(client: &Place, times: usize) {
    let address = SocketAddr::V6(SocketAddrV6::new(SERVER, 9, 0, 0));
    for _ in 0..times {
        client
            .run(|| {
                let flags = SocketFlags::NONBLOCK;
                let socket = rustix::net::socket_with(AddressFamily::INET6, SocketType::STREAM, flags, None).unwrap();
                rustix::net::connect(&socket, &address).unwrap_err();
            })
            .unwrap();
    }
}

/// Agreement can be had only where every reset sent is seen.
fn ready(name: &str) -> bool {
    daemon::unless_ready(name) && unless_unseen(name, &["sent_without_socket"])
}

/// A daemon and two joined namespaces, with a process in each, that it has compared once.
struct Joined {
    server: Place,
    client: Place,
    server_process: Actor,
    client_process: Actor,
    daemon: Daemon,
    _alone: Machine,
}

impl Joined {
    fn new() -> Self {
        let alone = Machine::exclusive().unwrap();
        let (server, client) = netns::joined(&["2001:db8::1/64"], &["2001:db8::2/64"]).unwrap();
        let (server, client) = (Place::In(server), Place::In(client));
        let processes = [&server, &client].map(|place| Actor::spawn(place, "inhabitant").unwrap());
        let [server_process, client_process] = processes;
        // Neighbours know each other before anything is counted.
        knock(&client, 1);
        wait::until_true("the neighbours to meet", SOON, || Ok(Counters::read(&server)?.get("OutRsts") > 0)).unwrap();
        let daemon = Daemon::start().unwrap();
        let told = Told::by(&daemon).unwrap();
        assert!(told.reconciled >= 3, "the host's namespace and the two: {told:?}");
        assert_eq!((told.uncounted, told.differing), (0, 0), "{told:?}");
        Self { server, client, server_process, client_process, daemon, _alone: alone }
    }

    fn await_sent(&self, wanted: u64, before: u64) {
        let grown = || Ok(sent(&self.daemon.scrape()?).saturating_sub(before) >= wanted);
        wait::until_true("the resets to be counted", SOON, grown).unwrap();
    }
}

#[test]
fn resets_in_every_namespace_are_reconciled() {
    if !ready("reconciled namespaces") {
        return;
    }
    let joined = Joined::new();
    let before = sent(&joined.daemon.scrape().unwrap());
    let watches = [&joined.server, &joined.client].map(|place| Watch::on(place).unwrap());
    knock(&joined.client, 5);
    // And in one that is made while the daemon runs.
    let stage = Stage::loopback(Family::V4).unwrap();
    let inhabitant = stage.server_actor("newcomer").unwrap();
    open::refused(&stage).unwrap();
    joined.await_sent(6, before);
    let [server, client] = watches.map(|watch| watch.growth().unwrap().get("OutRsts"));
    assert_eq!((server, client), (5, 0), "sent by the server's kernel alone");
    let told = Told::by(&joined.daemon).unwrap();
    assert_eq!((told.uncounted, told.differing, told.unsettled), (0, 0, 0), "{told:?}");
    assert!(told.reconciled >= 4, "{told:?}");
    drop(inhabitant);
}

#[test]
fn a_gap_in_another_namespace_shows() {
    if !ready("gap") {
        return;
    }
    let joined = Joined::new();
    let before = sent(&joined.daemon.scrape().unwrap());
    // A reset that may not be sent back is an event and not in OutRsts; a prohibited route is no missing one, so none
    // of the kernel's counters explains it.
    joined.server.tool("ip -6 route add prohibit 2001:db8::2/128").unwrap();
    let watch = Watch::on(&joined.server).unwrap();
    knock(&joined.client, 3);
    joined.await_sent(3, before);
    let growth = watch.growth().unwrap();
    assert_eq!(growth.get("OutRsts"), 0, "the kernel sent them after all");
    let told = Told::by(&joined.daemon).unwrap();
    assert_eq!((told.uncounted, told.differing), (-3, 1), "{told:?}");

    // It stays while resets that can be sent agree.
    joined.server.tool("ip -6 route del prohibit 2001:db8::2/128").unwrap();
    knock(&joined.client, 4);
    joined.await_sent(7, before);
    let told = Told::by(&joined.daemon).unwrap();
    assert_eq!((told.uncounted, told.differing), (-3, 1), "{told:?}");
}

#[test]
fn a_difference_that_the_kernel_explains_is_no_gap() {
    if !ready("explained difference") {
        return;
    }
    let joined = Joined::new();
    let before = sent(&joined.daemon.scrape().unwrap());
    joined.server.tool("ip -6 route del 2001:db8::/64 dev eth0").unwrap();
    let watch = Watch::on(&joined.server).unwrap();
    knock(&joined.client, 3);
    joined.await_sent(3, before);
    assert_eq!(watch.growth().unwrap().get("OutRsts"), 0, "the kernel sent them after all");
    let told = Told::by(&joined.daemon).unwrap();
    assert_eq!((told.uncounted, told.differing), (0, 0), "{told:?}");
}

#[test]
fn a_vanished_namespace_leaves_no_gap() {
    if !ready("vanished namespace") {
        return;
    }
    let joined = Joined::new();
    let all = Told::by(&joined.daemon).unwrap();
    let before = sent(&joined.daemon.scrape().unwrap());
    // With a gap of its own, which goes with it.
    joined.server.tool("ip -6 route add prohibit 2001:db8::2/128").unwrap();
    knock(&joined.client, 2);
    joined.await_sent(2, before);
    assert_eq!(Told::by(&joined.daemon).unwrap().uncounted, -2);

    let Joined { server, client, server_process, client_process, daemon, _alone } = joined;
    drop((server_process, client_process, server, client));
    let told = Told::by(&daemon).unwrap();
    assert_eq!((told.uncounted, told.differing), (0, 0), "{told:?}");
    assert_eq!(told.reconciled, all.reconciled - 2, "{told:?}");

    // Nor does the next one, which gets their inode numbers.
    let stage = Stage::loopback(Family::V4).unwrap();
    let _inhabitant = stage.server_actor("successor").unwrap();
    open::refused(&stage).unwrap();
    let told = Told::by(&daemon).unwrap();
    assert_eq!((told.uncounted, told.differing), (0, 0), "{told:?}");
    assert_eq!(told.reconciled, all.reconciled - 1, "{told:?}");
}

#[test]
fn a_namespace_that_cannot_be_read_is_declared() {
    if !ready("unreadable namespace") {
        return;
    }
    let joined = Joined::new();
    let all = Told::by(&joined.daemon).unwrap();
    let before = sent(&joined.daemon.scrape().unwrap());
    let Joined { server, client, server_process, client_process, daemon, _alone } = joined;
    // Only the name in /run/netns keeps it now, which rstmon has no right to follow.
    drop(server_process);
    knock(&client, 3);
    let told = wait::until("the resets to be counted", SOON, || {
        (sent(&daemon.scrape()?) - before >= 3).then(|| Told::by(&daemon)).transpose()
    });
    let told = told.unwrap();
    assert_eq!((told.reconciled, told.unreadable), (all.reconciled - 1, all.unreadable + 1), "{told:?}");
    assert_eq!(told.uncounted, 0, "nothing is claimed of what is not seen: {told:?}");

    // As soon as a process is in it, all of it is compared.
    let visitor = Actor::spawn(&server, "visitor").unwrap();
    let told = Told::by(&daemon).unwrap();
    assert_eq!((told.uncounted, told.reconciled, told.unreadable), (0, all.reconciled, all.unreadable), "{told:?}");
    drop((visitor, client_process));
}

#[test]
fn a_flood_is_no_gap_at_any_moment() {
    if !ready("reconciliation under load") {
        return;
    }
    let stage = Stage::undisturbed(Family::V4).unwrap();
    let [mut one, mut two] = ["flood-a", "flood-b"].map(|name| stage.client_actor(name).unwrap());
    // Begun before the daemon looks for the first time, so that this falls into the middle of it, too.
    let each = wait::feasible(60_000);
    let flood = format!("flood {} {each}", stage.server_address(stage.closed_port().unwrap()));
    let ahead = Watch::on(stage.server()).unwrap();
    one.begin(&flood).unwrap();
    let under_way = || Ok(ahead.growth()?.get("OutRsts") > 100);
    wait::until_true("the flood to begin", SOON, under_way).unwrap();
    let daemon = Daemon::start().unwrap();
    two.begin(&flood).unwrap();
    let mut looks = 0;
    loop {
        let told = Told::by(&daemon).unwrap();
        assert_eq!((told.uncounted, told.differing), (0, 0), "look {looks}: {told:?}");
        looks += 1;
        // While the second is at work.
        if ahead.growth().unwrap().get("OutRsts") > each + each / 2 {
            break;
        }
    }
    for actor in [&mut one, &mut two] {
        actor.finish().unwrap();
    }
    let told = Told::by(&daemon).unwrap();
    assert_eq!((told.uncounted, told.differing, told.unsettled), (0, 0, 0), "{told:?}");
    assert!(looks > 3, "{looks} looks during the flood");
}

/// Resets that the kernel hides are declared, before and after; where it hides none, nothing is.
#[test]
fn what_no_hook_shows_is_declared_and_is_the_gap() {
    if !daemon::unless_ready("declared gap") {
        return;
    }
    let _alone = Machine::exclusive().unwrap();
    // On the host's own loopback: these are the counters that rstmon reads everywhere.
    let stage = Stage::host(Family::V4).unwrap();
    let daemon = Daemon::start().unwrap();
    let before = daemon.scrape().unwrap();
    for play in [open::refused, late::in_time_wait] {
        play(&stage).unwrap();
    }
    let received = |metrics: &Metrics| metrics.count("rstmon_resets_total", &[("direction", "received")]);
    let grown = || Ok(received(&daemon.scrape()?) >= received(&before) + 2);
    wait::until_true("both received ends to be counted", SOON, grown).unwrap();

    let hidden = Sight::of_kernel().unwrap().of("sent_without_socket").0 == "unseen";
    let after = daemon.scrape().unwrap();
    assert_eq!(sent(&after) - sent(&before), if hidden { 0 } else { 2 });
    let gap = || Ok(Told::by(&daemon)?.uncounted == if hidden { 2 } else { 0 });
    wait::until_true("the gap", SOON, gap).unwrap();
    for hook in ["tcp_v4_send_reset", "tcp_v6_send_reset"] {
        let labels = [("hook", hook)];
        let attached: Vec<f64> = after.select("rstmon_hook_attached", &labels).map(|sample| sample.value).collect();
        // Where the tracepoint shows all, these are not needed and have no series.
        assert_eq!(attached.contains(&0.0), hidden, "{hook}: {attached:?}");
    }
}
