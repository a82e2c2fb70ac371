//! The owner of a reset is the process that held its socket then, or none: never one that had passed it on, that is
//! dead, or that never had it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{
    actor::Actor,
    connection::{self, Connection},
    daemon, judge, kernel,
    scene::{ANY, End, Expected},
    sight::{Hidden, Sight},
    stage::{Family, Stage},
    sysctl::Sysctl,
    wait::{self, LATER, SOON},
    watched::WatchedDaemon,
};
use rustix::{
    process::{Pid, Signal, kill_process},
    time::{ClockId, clock_gettime},
};
use serde_json::Value;
use std::net::SocketAddr;

/// The hook that shows the accepting process; kernels in lockdown do not have it.
const ACCEPT_HOOK: &str = "inet_accept";

/// The hook that shows the writing process, where it is wanted.
const WRITE_HOOK: &str = "sock_send_length";

/// Runs a test with a daemon and a namespace of its own.
fn watched(name: &str, test: impl FnOnce(&WatchedDaemon, &Stage) -> Result<()>) {
    if daemon::unless_ready(name) {
        let watched = WatchedDaemon::start().unwrap();
        test(&watched, &Stage::loopback(Family::V4).unwrap()).unwrap();
    }
}

/// The event of a reset, which has no process id or that of its expected owner, and the expected cause, if there is
/// one. `None` where this kernel hides it.
fn event_of(watched: &WatchedDaemon, reset: &Expected) -> Result<Option<Value>> {
    let reset = match Sight::of_kernel()?.expect(reset) {
        Ok(reset) => reset,
        Err(Hidden(_)) => return Ok(None),
    };
    let event = watched.tail.expect(&reset)?;
    let (_, holder) = reset.owner.as_ref().context("an expected owner")?;
    let pid = &event["owner"]["pid"];
    ensure!(pid.is_null() || *pid == *holder, "pid: expected {holder} or none, found {pid} in {event:#}");
    let wrong = judge::verdict(&reset, &event);
    ensure!(wrong.is_empty(), "{wrong}in {event:#}");
    Ok(Some(event))
}

/// The client resets; the event of the server's end has this holder or none.
fn received(watched: &WatchedDaemon, client: &mut Actor, holder: &End) -> Result<Option<Value>> {
    client.ask("set c linger 0")?;
    client.ask("close c")?;
    event_of(watched, &Expected::received(holder, "established").judged("peer_reset", "benign"))
}

/// A listener that its opener has left to a child.
struct Daemonized {
    daemon: Actor,
    /// The child that has it now.
    pid: u32,
    service: SocketAddr,
}

impl Daemonized {
    fn start(stage: &Stage, backlog: u32) -> Result<Self> {
        let mut daemon = stage.server_actor("boot")?;
        let service = connection::listen(stage, &mut daemon, None, backlog)?;
        let pid = daemon.daemonize("service")?;
        Ok(Self { daemon, pid, service })
    }

    fn end(&self, remote: SocketAddr) -> End {
        End { pid: self.pid, comm: "service".to_owned(), local: self.service, remote }
    }

    fn kill(&self) -> Result<()> {
        kill_process(Pid::from_raw(i32::try_from(self.pid)?).context("a process id")?, Signal::KILL)?;
        Ok(())
    }
}

/// A worker that its master has forked, and a connection of a client to the master's listener.
struct Workshop {
    master: Actor,
    worker: u32,
    client: Actor,
    service: SocketAddr,
    remote: SocketAddr,
}

impl Workshop {
    fn open(stage: &Stage, protocol: Option<&str>) -> Result<Self> {
        let mut master = stage.server_actor("master")?;
        let service = connection::listen(stage, &mut master, protocol, 16)?;
        let worker = master.ask("fork w")?.get("pid")?;
        master.ask("child w comm worker")?;
        let mut client = stage.client_actor("caller")?;
        let remote = connection::dial(stage, &mut client, protocol, "c", service)?;
        Ok(Self { master, worker, client, service, remote })
    }

    fn worker_end(&self) -> End {
        End { pid: self.worker, comm: "worker".to_owned(), local: self.service, remote: self.remote }
    }
}

/// The owner of an accepted connection from which no process has read: exact where the accept hook is, otherwise a
/// name without a process.
fn is_worker_or_nameless(watched: &WatchedDaemon, event: &Value, worker: u32) -> Result<()> {
    let owner = &event["owner"];
    if watched.has_hook(ACCEPT_HOOK)? {
        ensure!(owner["pid"] == worker && owner["provenance"] == "accepted", "expected the worker: {event:#}");
    } else {
        ensure!(owner["pid"].is_null(), "no process is known to hold it: {event:#}");
        ensure!(owner["process"] == "master" && owner["provenance"] == "inherited", "the listener's name: {event:#}");
    }
    Ok(())
}

#[test]
fn a_worker_that_only_writes_is_not_its_master() {
    watched("write-only worker", |watched, stage| {
        let mut shop = Workshop::open(stage, None)?;
        shop.master.ask("child w accept l c")?;
        shop.master.ask("child w send c 10")?;
        shop.client.ask("recv c 10")?;
        let end = shop.worker_end();
        let event = received(watched, &mut shop.client, &end)?.context("received resets are seen")?;
        is_worker_or_nameless(watched, &event, shop.worker)
    });
}

#[test]
fn a_server_that_only_writes_is_known_without_the_accept_hook() {
    watched("write-only server", |watched, stage| {
        let mut pair = Connection::open(stage)?;
        pair.server.ask("send c 10")?;
        pair.client.ask("recv c 10")?;
        let end = pair.server_end();
        let event = received(watched, &mut pair.client, &end)?.context("received resets are seen")?;
        let owner = &event["owner"];
        ensure!(owner["pid"] == pair.server.pid() && owner["provenance"] == "accepted", "it accepted: {event:#}");
        Ok(())
    });
}

#[test]
fn a_master_that_has_forked_is_not_named_for_what_waits_in_its_queue() {
    watched("queue of a master", |watched, stage| {
        let mut shop = Workshop::open(stage, None)?;
        shop.master.ask("close l")?;
        let end = shop.worker_end();
        let event = received(watched, &mut shop.client, &end)?.context("received resets are seen")?;
        let owner = &event["owner"];
        ensure!(owner["pid"].is_null() && owner["process"] == "master", "the master has left it: {event:#}");
        Ok(())
    });
}

#[test]
fn a_service_that_reads_is_known_by_what_it_only_writes_later() {
    watched("activated service", |watched, stage| {
        let mut shop = Workshop::open(stage, None)?;
        for read in [true, false] {
            shop.remote = connection::dial(stage, &mut shop.client, None, "d", shop.service)?;
            if read {
                // The connection that the shop was opened with.
                shop.master.ask("child w accept l c")?;
            }
            shop.master.ask("child w accept l d")?;
            if read {
                shop.client.ask("send d 10")?;
                shop.master.ask("child w recv d 10")?;
            }
            shop.master.ask("child w send d 10")?;
            shop.client.ask("recv d 10")?;
            shop.client.ask("set d linger 0")?;
            shop.client.ask("close d")?;
            let reset = Expected::received(&shop.worker_end(), "established").judged(ANY, ANY);
            let event = event_of(watched, &reset)?.context("received resets are seen")?;
            let known = if read { ["used", "accepted"] } else { ["accepted"; 2] };
            let provenance = event["owner"]["provenance"].as_str().context("an owner")?;
            ensure!(event["owner"]["pid"] == shop.worker && known.contains(&provenance), "the worker: {event:#}");
        }
        Ok(())
    });
}

#[test]
fn an_mptcp_worker_is_not_its_master() {
    watched("MPTCP worker", |watched, stage| {
        let mut shop = Workshop::open(stage, Some("mptcp"))?;
        shop.master.ask("child w accept l c")?;
        ensure!(kernel::mptcp(stage.server(), "MPCapableSYNRX")? > 0, "the kernel fell back to TCP");
        shop.client.ask("send c 100")?;
        let mut unread = || Ok(shop.master.ask("child w look c")?.get::<u64>("unread")? == 100);
        wait::until_true("the request", LATER, &mut unread)?;
        shop.master.ask("child w close c")?;
        let sent = Expected::sent(&shop.worker_end(), "tcp_abort_on_close", "established");
        event_of(watched, &sent.judged("closed_with_unread_data", "harmful"))?;
        Ok(())
    });
}

#[test]
fn an_mptcp_worker_whose_client_aborts_is_not_its_master() {
    watched("MPTCP worker that only writes", |watched, stage| {
        let mut shop = Workshop::open(stage, Some("mptcp"))?;
        shop.master.ask("child w accept l c")?;
        shop.master.ask("child w send c 10")?;
        shop.client.ask("recv c 10")?;
        shop.client.ask("set c linger 0")?;
        shop.client.ask("close c")?;
        event_of(watched, &Expected::received(&shop.worker_end(), "established").judged(ANY, ANY))?;
        Ok(())
    });
}

/// The server passes its connection to a process that only writes.
fn passed_to_a_writer(stage: &Stage) -> Result<(Connection, Actor)> {
    let directory = tempfile::tempdir()?;
    let inbox = directory.path().join("inbox").display().to_string();
    let mut keeper = stage.server_actor("keeper")?;
    keeper.ask(&format!("inbox {inbox}"))?;
    let mut pair = Connection::open(stage)?;
    pair.client.ask("send c 10")?;
    pair.server.ask("recv c 10")?;
    pair.server.ask(&format!("pass c {inbox}"))?;
    pair.server.ask("close c")?;
    keeper.ask("take c")?;
    keeper.ask("send c 50")?;
    pair.client.ask("recv c 50")?;
    Ok((pair, keeper))
}

#[test]
fn a_passed_descriptor_is_not_of_the_process_that_passed_it() {
    watched("passed to a writer", |watched, stage| {
        let (mut pair, keeper) = passed_to_a_writer(stage)?;
        let end = End { pid: keeper.pid(), comm: "keeper".to_owned(), ..pair.server_end() };
        pair.server.exit(0)?;
        pair.client.ask("set c linger 0")?;
        pair.client.ask("close c")?;
        let reset = Expected::received(&end, "established").judged("peer_reset", "notice");
        let event = event_of(watched, &reset)?.context("received resets are seen")?;
        ensure!(event["owner"]["process"].is_null(), "no name of the process that passed it: {event:#}");
        Ok(())
    });
}

#[test]
fn a_follower_of_writers_knows_a_writer_beside_a_living_process_that_passed_the_descriptor() {
    if !daemon::unless_ready("followed writer") {
        return;
    }
    let watched = WatchedDaemon::configured("[events]\nrate_per_second = 0\n[probe]\nfollow_writers = true\n").unwrap();
    let stage = Stage::loopback(Family::V4).unwrap();
    let play = || -> Result<()> {
        if !watched.has_hook(WRITE_HOOK)? {
            // Kernels before 6.3 do not have it.
            return Ok(());
        }
        let (mut pair, keeper) = passed_to_a_writer(&stage)?;
        let end = End { pid: keeper.pid(), comm: "keeper".to_owned(), ..pair.server_end() };
        let reset = Expected::received(&end, "established").judged("peer_reset", "notice");
        pair.client.ask("set c linger 0")?;
        pair.client.ask("close c")?;
        let event = event_of(&watched, &reset)?.context("received resets are seen")?;
        let owner = &event["owner"];
        ensure!(owner["pid"] == keeper.pid() && owner["provenance"] == "used", "it wrote last: {event:#}");
        Ok(())
    };
    play().unwrap();
}

#[test]
fn a_child_that_holds_a_connection_alone_is_not_its_parent() {
    watched("forked after accept", |watched, stage| {
        for read in [false, true] {
            let mut pair = Connection::open(stage)?;
            if read {
                pair.client.ask("send c 10")?;
                pair.server.ask("recv c 10")?;
            }
            let pid: u32 = pair.server.ask("fork w")?.get("pid")?;
            pair.server.ask("child w comm worker")?;
            pair.server.ask("close c")?;
            pair.server.ask("child w send c 10")?;
            pair.client.ask("recv c 10")?;
            let worker = End { pid, comm: "worker".to_owned(), ..pair.server_end() };
            pair.client.ask("set c linger 0")?;
            pair.client.ask("close c")?;
            event_of(watched, &Expected::received(&worker, "established").judged(ANY, ANY))?;
        }
        Ok(())
    });
}

/// Waits for the next tick of the kernel's clock: what a process does in the tick of a fork counts as done before.
fn next_tick() -> Result<()> {
    let ticks = || clock_gettime(ClockId::MonotonicCoarse);
    let now = ticks();
    wait::until_true("the next tick", SOON, || Ok(ticks() != now))
}

#[test]
fn a_process_that_reads_after_it_has_forked_still_holds_the_connection() {
    watched("forked and read", |watched, stage| {
        if watched.has_hook(ACCEPT_HOOK)? {
            // Reads are not followed where accepts are.
            return Ok(());
        }
        let mut pair = Connection::open(stage)?;
        for fork in [false, true] {
            if fork {
                pair.server.ask("fork w")?;
                next_tick()?;
            }
            pair.client.ask("send c 10")?;
            pair.server.ask("recv c 10")?;
        }
        let end = pair.server_end();
        pair.client.ask("set c linger 0")?;
        pair.client.ask("close c")?;
        let reset = Expected::received(&end, "established").judged(ANY, ANY);
        let event = event_of(watched, &reset)?.context("received resets are seen")?;
        ensure!(event["owner"]["pid"] == pair.server.pid(), "the server has read since: {event:#}");
        Ok(())
    });
}

#[test]
fn a_worker_that_wrote_and_closed_is_not_its_master() {
    watched("write-only worker that closed", |watched, stage| {
        let mut master = stage.server_actor("master")?;
        let service = connection::listen(stage, &mut master, None, 16)?;
        let pid: u32 = master.ask("fork w")?.get("pid")?;
        master.ask("child w comm worker")?;
        let mut client = stage.client_actor("caller")?;
        let remote = connection::dial(stage, &mut client, None, "c", service)?;
        master.ask("child w accept l c")?;
        master.ask("child w send c 10")?;
        master.ask("child w close c")?;
        // The master still has a copy of nothing: it never accepted.
        client.ask("recv c 11")?;
        client.ask("send c 300")?;
        let worker = End { pid, comm: "worker".to_owned(), local: service, remote };
        let reset = Expected { state: None, reason: None, ..Expected::sent(&worker, "", "") };
        let event = watched.tail.expect(&reset)?;
        ensure!(event["owner"]["pid"] == pid, "the worker closed: {event:#}");
        Ok(())
    });
}

#[test]
fn a_dead_opener_of_a_listener_is_not_named_for_what_its_child_writes() {
    watched("daemon that only writes", |watched, stage| {
        let mut service = Daemonized::start(stage, 16)?;
        let mut client = stage.client_actor("caller")?;
        let remote = connection::dial(stage, &mut client, None, "c", service.service)?;
        service.daemon.ask("accept l c")?;
        service.daemon.ask("send c 100")?;
        client.ask("recv c 100")?;
        received(watched, &mut client, &service.end(remote))?;
        Ok(())
    });
}

#[test]
fn a_dead_opener_of_a_listener_is_not_named_for_its_accept_queue() {
    watched("daemon that is killed", |watched, stage| {
        let service = Daemonized::start(stage, 16)?;
        let mut client = stage.client_actor("caller")?;
        let remote = connection::dial(stage, &mut client, None, "c", service.service)?;
        let end = service.end(remote);
        service.kill()?;
        let unaccepted = Expected::sent(&end, "tcp_state", "established").judged("process_exit", "harmful");
        event_of(watched, &unaccepted)?;

        wait::until_true("the reset", SOON, || Ok(client.ask("look c")?.get::<u8>("state")? == 7))?;
        client.ask(&format!("socket d {}", stage.client_socket()))?;
        let local = client.ask(&format!("bind d {}", stage.client_address(0)))?.get("local")?;
        let errno = client.refused(&format!("connect d {}", service.service))?;
        ensure!(errno == libc::ECONNREFUSED, "connect failed with {errno}");
        let refused = Expected { state: None, ..Expected::sent(&service.end(local), "no_socket", "") };
        event_of(watched, &refused.judged("refused", "notice"))?;
        Ok(())
    });
}

#[test]
fn a_dead_opener_of_a_listener_is_not_named_for_an_overflow() {
    watched("daemon whose queue is full", |watched, stage| {
        let _abort = Sysctl::set(stage.server(), "ipv4/tcp_abort_on_overflow", "1")?;
        let mut service = Daemonized::start(stage, 1)?;
        service.daemon.ask("set l defer-accept 30")?;
        let mut client = stage.client_actor("caller")?;
        let late = connection::dial(stage, &mut client, None, "late", service.service)?;
        for slot in ["first", "second"] {
            connection::dial(stage, &mut client, None, slot, service.service)?;
            client.ask(&format!("send {slot} 1"))?;
        }
        client.ask("send late 9")?;
        let overflow = Expected::sent(&service.end(late), "invalid_syn", "listen");
        event_of(watched, &overflow.judged("listener_overflow", "harmful"))?;
        Ok(())
    });
}

#[test]
fn a_killed_master_is_not_named_for_what_its_worker_accepts() {
    watched("orphaned worker", |watched, stage| {
        let mut service = Daemonized::start(stage, 16)?;
        let mut client = stage.client_actor("caller")?;
        // The first connection is read: that names the reader for the next, which is only written to.
        for read in [true, false] {
            let remote = connection::dial(stage, &mut client, None, "c", service.service)?;
            service.daemon.ask("accept l c")?;
            if read {
                client.ask("send c 10")?;
                service.daemon.ask("recv c 10")?;
            }
            service.daemon.ask("send c 10")?;
            client.ask("recv c 10")?;
            let end = service.end(remote);
            client.ask("set c linger 0")?;
            client.ask("close c")?;
            let severity = if read { "notice" } else { "benign" };
            event_of(watched, &Expected::received(&end, "established").judged("peer_reset", severity))?;
        }
        Ok(())
    });
}

#[test]
fn a_child_that_exits_with_unread_data_is_the_one_that_exited() {
    watched("child that exits", |watched, stage| {
        let mut pair = Connection::open(stage)?;
        let pid: u32 = pair.server.ask("fork w")?.get("pid")?;
        pair.server.ask("child w comm worker")?;
        pair.client.ask("send c 10")?;
        pair.server.await_unread("c", 10)?;
        pair.server.ask("close c")?;
        pair.server.ask("child w exit 3")?;
        let worker = End { pid, comm: "worker".to_owned(), ..pair.server_end() };
        let sent = Expected::sent(&worker, "tcp_abort_on_close", "established").judged("process_exit", "harmful");
        let event = event_of(watched, &sent)?.context("resets with a socket are seen")?;
        ensure!(event["owner"]["pid"] == pid, "the worker exited: {event:#}");
        Ok(())
    });
}

#[test]
fn a_socket_connected_to_itself_is_of_its_process() {
    watched("connected to itself", |watched, stage| {
        let mut alone = stage.server_actor("alone")?;
        alone.ask("socket c v4")?;
        let own: SocketAddr = alone.ask(&format!("bind c {}", stage.server_address(0)))?.get("local")?;
        alone.ask(&format!("connect c {own}"))?;
        alone.ask("send c 12")?;
        alone.await_unread("c", 12)?;
        alone.ask("close c")?;
        let end = End::of(&alone, own, own);
        let event = watched.tail.expect(&Expected::sent(&end, "tcp_abort_on_close", "established"))?;
        ensure!(event["owner"]["pid"] == alone.pid(), "it closed: {event:#}");
        Ok(())
    });
}

#[test]
fn a_renamed_process_has_its_last_name() {
    watched("renamed", |watched, stage| {
        let mut pair = Connection::open(stage)?;
        pair.client.ask("send c 10")?;
        pair.server.await_unread("c", 10)?;
        pair.server.ask("comm renamed")?;
        pair.server.ask("close c")?;
        let end = End { comm: "renamed".to_owned(), ..pair.server_end() };
        let event = watched.tail.expect(&Expected::sent(&end, "tcp_abort_on_close", "established"))?;
        ensure!(event["owner"]["process"] == "renamed", "the name at the close: {event:#}");
        Ok(())
    });
}
