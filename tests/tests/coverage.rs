//! The kernel's own count of sent resets in every network namespace: agreement, gaps, and namespaces that cannot be
//! read.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::Result;
use rstmon_tests::{
    actor::Actor,
    daemon::{self, DaemonProcess},
    kernel::Counters,
    machine::MachineLock,
    metrics::Metrics,
    netns::{self, NetworkPlace},
    scenario::{late, open},
    scene::Watch,
    sight::{Sight, unless_unseen},
    stage::{Family, Stage},
    wait::{self, SOON},
};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};

const SERVER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// The result of the reconciliation, read from the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reconciliation {
    uncounted: i64,
    reconciled: u64,
    differing: u64,
    unreadable: u64,
    unsettled: u64,
}

impl Reconciliation {
    fn by(daemon: &DaemonProcess) -> Result<Self> {
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

/// Sends `times` SYNs from `client` to a closed port of [`SERVER`], without retransmissions.
fn knock(client: &NetworkPlace, times: usize) {
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

/// The counts can only agree where every sent reset is seen.
fn ready(name: &str) -> bool {
    daemon::unless_ready(name) && unless_unseen(name, &["sent_without_socket"])
}

/// A daemon and two joined namespaces with a process in each, after the daemon has compared their counts once.
struct Joined {
    server: NetworkPlace,
    client: NetworkPlace,
    server_process: Actor,
    client_process: Actor,
    daemon: DaemonProcess,
    _alone: MachineLock,
}

impl Joined {
    fn new() -> Self {
        let alone = MachineLock::exclusive().unwrap();
        let (server, client) = netns::joined(&["2001:db8::1/64"], &["2001:db8::2/64"]).unwrap();
        let (server, client) = (NetworkPlace::In(server), NetworkPlace::In(client));
        let processes = [&server, &client].map(|place| Actor::spawn(place, "inhabitant").unwrap());
        let [server_process, client_process] = processes;
        // The neighbours are resolved before anything is counted.
        knock(&client, 1);
        wait::until_true("the neighbours to meet", SOON, || Ok(Counters::read(&server)?.get("OutRsts") > 0)).unwrap();
        let daemon = DaemonProcess::start().unwrap();
        let counts = Reconciliation::by(&daemon).unwrap();
        assert!(counts.reconciled >= 3, "the host's namespace and the two: {counts:?}");
        assert_eq!((counts.uncounted, counts.differing), (0, 0), "{counts:?}");
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
    // And in a namespace that is made while the daemon runs.
    let stage = Stage::loopback(Family::V4).unwrap();
    let inhabitant = stage.server_actor("newcomer").unwrap();
    open::refused(&stage).unwrap();
    joined.await_sent(6, before);
    let [server, client] = watches.map(|watch| watch.growth().unwrap().get("OutRsts"));
    assert_eq!((server, client), (5, 0), "sent by the server's kernel alone");
    let counts = Reconciliation::by(&joined.daemon).unwrap();
    assert_eq!((counts.uncounted, counts.differing, counts.unsettled), (0, 0, 0), "{counts:?}");
    assert!(counts.reconciled >= 4, "{counts:?}");
    drop(inhabitant);
}

#[test]
fn a_gap_in_another_namespace_shows() {
    if !ready("gap") {
        return;
    }
    let joined = Joined::new();
    let before = sent(&joined.daemon.scrape().unwrap());
    // A reset that the route prohibits is an event and not in OutRsts. A prohibited route is no missing route, so none
    // of the kernel's counters explains the difference.
    joined.server.tool("ip -6 route add prohibit 2001:db8::2/128").unwrap();
    let watch = Watch::on(&joined.server).unwrap();
    knock(&joined.client, 3);
    joined.await_sent(3, before);
    let growth = watch.growth().unwrap();
    assert_eq!(growth.get("OutRsts"), 0, "the kernel sent them after all");
    let counts = Reconciliation::by(&joined.daemon).unwrap();
    assert_eq!((counts.uncounted, counts.differing), (-3, 1), "{counts:?}");

    // The gap stays while further resets agree.
    joined.server.tool("ip -6 route del prohibit 2001:db8::2/128").unwrap();
    knock(&joined.client, 4);
    joined.await_sent(7, before);
    let counts = Reconciliation::by(&joined.daemon).unwrap();
    assert_eq!((counts.uncounted, counts.differing), (-3, 1), "{counts:?}");
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
    let counts = Reconciliation::by(&joined.daemon).unwrap();
    assert_eq!((counts.uncounted, counts.differing), (0, 0), "{counts:?}");
}

#[test]
fn a_vanished_namespace_leaves_no_gap() {
    if !ready("vanished namespace") {
        return;
    }
    let joined = Joined::new();
    let all = Reconciliation::by(&joined.daemon).unwrap();
    let before = sent(&joined.daemon.scrape().unwrap());
    // This namespace has a gap, which disappears with it.
    joined.server.tool("ip -6 route add prohibit 2001:db8::2/128").unwrap();
    knock(&joined.client, 2);
    joined.await_sent(2, before);
    assert_eq!(Reconciliation::by(&joined.daemon).unwrap().uncounted, -2);

    let Joined { server, client, server_process, client_process, daemon, _alone } = joined;
    drop((server_process, client_process, server, client));
    let counts = Reconciliation::by(&daemon).unwrap();
    assert_eq!((counts.uncounted, counts.differing), (0, 0), "{counts:?}");
    assert_eq!(counts.reconciled, all.reconciled - 2, "{counts:?}");

    // Nor does the next namespace, which gets the same inode number.
    let stage = Stage::loopback(Family::V4).unwrap();
    let _inhabitant = stage.server_actor("successor").unwrap();
    open::refused(&stage).unwrap();
    let counts = Reconciliation::by(&daemon).unwrap();
    assert_eq!((counts.uncounted, counts.differing), (0, 0), "{counts:?}");
    assert_eq!(counts.reconciled, all.reconciled - 1, "{counts:?}");
}

#[test]
fn a_namespace_that_cannot_be_read_is_declared() {
    if !ready("unreadable namespace") {
        return;
    }
    let joined = Joined::new();
    let all = Reconciliation::by(&joined.daemon).unwrap();
    let before = sent(&joined.daemon.scrape().unwrap());
    let Joined { server, client, server_process, client_process, daemon, _alone } = joined;
    // Only the name in /run/netns refers to the namespace now, and rstmon may not open that.
    drop(server_process);
    knock(&client, 3);
    let counts = wait::until("the resets to be counted", SOON, || {
        (sent(&daemon.scrape()?) - before >= 3).then(|| Reconciliation::by(&daemon)).transpose()
    });
    let counts = counts.unwrap();
    assert_eq!((counts.reconciled, counts.unreadable), (all.reconciled - 1, all.unreadable + 1), "{counts:?}");
    assert_eq!(counts.uncounted, 0, "an unreadable namespace has no difference: {counts:?}");

    // As soon as a process is in it, the whole growth is compared.
    let visitor = Actor::spawn(&server, "visitor").unwrap();
    let counts = Reconciliation::by(&daemon).unwrap();
    assert_eq!(
        (counts.uncounted, counts.reconciled, counts.unreadable),
        (0, all.reconciled, all.unreadable),
        "{counts:?}"
    );
    drop((visitor, client_process));
}

#[test]
fn a_flood_is_no_gap_at_any_moment() {
    if !ready("reconciliation under load") {
        return;
    }
    let stage = Stage::undisturbed(Family::V4).unwrap();
    let [mut one, mut two] = ["flood-a", "flood-b"].map(|name| stage.client_actor(name).unwrap());
    // Begun before the daemon reads the counters for the first time, so that this happens in the middle of the flood.
    let each = wait::feasible(60_000);
    let flood = format!("flood {} {each}", stage.server_address(stage.closed_port().unwrap()));
    let ahead = Watch::on(stage.server()).unwrap();
    one.begin(&flood).unwrap();
    let under_way = || Ok(ahead.growth()?.get("OutRsts") > 100);
    wait::until_true("the flood to begin", SOON, under_way).unwrap();
    let daemon = DaemonProcess::start().unwrap();
    two.begin(&flood).unwrap();
    let mut looks = 0;
    loop {
        let counts = Reconciliation::by(&daemon).unwrap();
        assert_eq!((counts.uncounted, counts.differing), (0, 0), "scrape {looks}: {counts:?}");
        looks += 1;
        // While the second process is running.
        if ahead.growth().unwrap().get("OutRsts") > each + each / 2 {
            break;
        }
    }
    for actor in [&mut one, &mut two] {
        actor.finish().unwrap();
    }
    let counts = Reconciliation::by(&daemon).unwrap();
    assert_eq!((counts.uncounted, counts.differing, counts.unsettled), (0, 0, 0), "{counts:?}");
    assert!(looks > 3, "{looks} scrapes during the flood");
}

/// Resets that the kernel hides are declared, before and after they happen; where it hides none, none are declared.
#[test]
fn what_no_hook_shows_is_declared_and_is_the_gap() {
    if !daemon::unless_ready("declared gap") {
        return;
    }
    let _alone = MachineLock::exclusive().unwrap();
    // On the host's own loopback: rstmon can read its counters on every host.
    let stage = Stage::host(Family::V4).unwrap();
    let daemon = DaemonProcess::start().unwrap();
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
    let gap = || Ok(Reconciliation::by(&daemon)?.uncounted == if hidden { 2 } else { 0 });
    wait::until_true("the gap", SOON, gap).unwrap();
    for hook in ["tcp_v4_send_reset", "tcp_v6_send_reset"] {
        let labels = [("hook", hook)];
        let attached: Vec<f64> = after.select("rstmon_hook_attached", &labels).map(|sample| sample.value).collect();
        // Where the tracepoint shows all resets, these hooks are not needed and have no series.
        assert_eq!(attached.contains(&0.0), hidden, "{hook}: {attached:?}");
    }
}
