//! The owner of a reset is the process that held its socket then, or none: never one that had passed it on, that is
//! dead, or that never had it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{
    actor::Actor,
    connection::{self, Connection},
    daemon, judge,
    scene::{End, Expected},
    sight::{Hidden, Sight},
    stage::{Family, Stage},
    sysctl::Sysctl,
    wait::{self, SOON},
    watched::WatchedDaemon,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::net::SocketAddr;

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
