//! Every provenance of the owner of a reset socket, with the real process id.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod units;

use anyhow::{Context as _, Result, bail, ensure};
use rstmon_tests::{
    actor::Actor,
    connection::{self, Connection, Recipe},
    daemon,
    nginx::{Nginx, NginxSetup},
    scenario::{abort, close, death, late, open, queue, victim, web},
    scene::{Direction, End, Expected, Scene},
    sight::{unless_blurred, unless_unseen},
    skip,
    stage::{Family, Stage},
    wait::{self, LATER, SOON},
    watched::{RESETS, WatchedDaemon},
};
use std::net::SocketAddr;

/// The hook that shows the accepting process; kernels in lockdown do not have it.
const ACCEPT_HOOK: &str = "inet_accept";

/// Connections of each of two processes: together more than the kernel half's table of owners has entries.
const MANY: u64 = 4_500;

/// Runs a test with a daemon and a namespace of its own.
fn watched(name: &str, test: impl FnOnce(&WatchedDaemon, &Stage) -> Result<()>) {
    if daemon::unless_ready(name) {
        let watched = WatchedDaemon::start().unwrap();
        test(&watched, &Stage::loopback(Family::V4).unwrap()).unwrap();
    }
}

/// The same, if some aspects are seen on this kernel.
fn watched_if(name: &str, aspects: &[&str], test: impl FnOnce(&WatchedDaemon, &Stage) -> Result<()>) {
    if daemon::unless_ready(name) && unless_unseen(name, aspects) {
        watched(name, test);
    }
}

fn the(direction: Direction, scene: &Scene) -> Result<&Expected> {
    scene.resets.iter().find(|reset| reset.direction == direction).context("no such reset in the scene")
}

/// Closes the client's socket with a reset; the server's socket must be attributed to `end`.
fn reset_by(client: &mut Actor, end: &End) -> Result<Expected> {
    client.ask("set c linger 0")?;
    client.ask("close c")?;
    Ok(Expected::received(end, "established"))
}

#[test]
fn a_process_that_closes_owns_what_it_closes() {
    watched("current", |watched, stage| {
        for play in [close::with_unread_data, abort::linger_zero, death::killed_with_unread_data] {
            let scene = play(stage)?;
            watched.owned(the(Direction::Sent, &scene)?, &["current"])?;
        }
        Ok(())
    });
}

#[test]
fn a_client_owns_what_it_connected() {
    watched("opened", |watched, stage| {
        for play in [close::with_unread_data, open::refused] {
            let scene = play(stage)?;
            watched.owned(the(Direction::Received, &scene)?, &["opened"])?;
        }
        Ok(())
    });
}

#[test]
fn clients_own_more_connections_than_the_kernel_half_has_places_for() {
    watched("many", |watched, stage| {
        let mut holders = ["holder", "hoarder"].map(|name| stage.client_actor(name).unwrap());
        // One after the other: since 7.0 the kernel may skip a hook while tasks take turns in it (docs/kernels.md).
        for holder in &mut holders {
            holder.begin(&format!("hold {MANY}"))?;
            holder.finish_within(LATER)?;
        }
        for holder in &mut holders {
            holder.ask("abort-held")?;
        }
        let received = |process| -> Result<u64> {
            Ok(watched.daemon.scrape()?.count(RESETS, &[("direction", "received"), ("process", process)]))
        };
        for holder in &holders {
            wait::until_true("each reset under its process", SOON, || Ok(received(holder.comm())? >= MANY))
                .with_context(|| format!("{:?} of {MANY} received", received(holder.comm())))?;
            ensure!(received(holder.comm())? == MANY, "expected {MANY} received, found {}", received(holder.comm())?);
        }
        Ok(())
    });
}

#[test]
fn a_socket_that_listens_after_it_has_connected_is_a_listener() {
    watched("listens later", |watched, stage| {
        let mut early = Connection::open(stage)?;
        early.client.ask("disconnect c")?;
        let bound: SocketAddr = early.client.ask("listen c 16")?.get("local")?;
        let service = stage.client_address(bound.port());
        let mut caller = stage.server_actor("caller2")?;
        let remote = connection::dial(stage, &mut caller, None, "c", service)?;
        early.client.ask("accept c d")?;
        let end = End::of(&early.client, service, remote);
        let reset = reset_by(&mut caller, &end)?;
        let event = watched.owned(&reset, &["accepted"])?;
        ensure!(event["role"] == "accepted", "the connection was accepted: {event:#}");
        Ok(())
    });
}

#[test]
fn a_closed_port_has_no_owner() {
    watched_if("none", &["sent_without_socket"], |watched, stage| {
        let scene = open::refused(stage)?;
        let event = watched.facts(the(Direction::Sent, &scene)?)?;
        ensure!(event["owner"].is_null(), "expected no owner, found {}", event["owner"]);
        Ok(())
    });
}

#[test]
fn a_server_owns_what_it_accepted() {
    watched("accepted", |watched, stage| {
        let scene = victim::established(stage)?;
        watched.owned(the(Direction::Received, &scene)?, &["accepted"])?;
        Ok(())
    });
}

#[test]
fn a_pre_forked_worker_owns_what_it_accepted_and_its_master_does_not() {
    watched("pre-fork", |watched, stage| {
        let mut master = stage.server_actor("master")?;
        let service = connection::listen(stage, &mut master, None, 16)?;
        let worker: u32 = master.ask("fork w")?.get("pid")?;
        master.ask("child w comm worker")?;

        // Data is never read: without the hook only the name of the listener's owner is known.
        let mut client = stage.client_actor("caller")?;
        let remote = connection::dial(stage, &mut client, None, "c", service)?;
        master.ask("child w accept l c")?;
        let end = |pid, comm: &str, remote| End { pid, comm: comm.to_owned(), local: service, remote };
        if watched.has_hook(ACCEPT_HOOK)? {
            let reset = reset_by(&mut client, &end(worker, "worker", remote))?;
            watched.owned(&reset, &["accepted"])?;
        } else {
            let reset = reset_by(&mut client, &end(0, "master", remote))?;
            watched.owned(&reset, &["inherited"])?;
        }

        // Data is read: the worker is known on every kernel.
        let remote = connection::dial(stage, &mut client, None, "c", service)?;
        master.ask("child w accept l c")?;
        client.ask("send c 10")?;
        master.ask("child w recv c 10")?;
        let reset = reset_by(&mut client, &end(worker, "worker", remote))?;
        watched.owned(&reset, &["accepted", "used"])?;
        Ok(())
    });
}

#[test]
fn of_workers_with_a_listener_each_the_one_that_serves_is_the_owner() {
    watched("SO_REUSEPORT", |watched, stage| {
        let mut workers = [stage.server_actor("worker-a")?, stage.server_actor("worker-b")?];
        let mut service = stage.server_address(0);
        for worker in &mut workers {
            worker.ask("socket l v4")?;
            worker.ask("set l reuseport 1")?;
            service = worker.ask(&format!("bind l {service}"))?.get("local")?;
            worker.ask("listen l 16")?;
        }
        let mut served = [false; 2];
        // The kernel selects by hash; the probability that all of 64 go to the same one is 2^-63.
        for _ in 0..64 {
            let mut client = stage.client_actor("caller")?;
            let remote = connection::dial(stage, &mut client, None, "c", service)?;
            let chosen = wait::until("a listener to be chosen", SOON, || {
                for (index, worker) in workers.iter_mut().enumerate() {
                    if worker.ask("ready l")?.get("ready")? {
                        return Ok(Some(index));
                    }
                }
                Ok(None)
            })?;
            let worker = &mut workers[chosen];
            worker.ask("accept l c")?;
            let reset = reset_by(&mut client, &End::of(worker, service, remote))?;
            watched.owned(&reset, &["accepted", "inherited"])?;
            served[chosen] = true;
            if served == [true; 2] {
                return Ok(());
            }
        }
        bail!("one worker got every connection")
    });
}

#[test]
fn a_passed_descriptor_belongs_to_the_process_that_reads_from_it() {
    if !daemon::unless_ready("SCM_RIGHTS") || !unless_blurred("SCM_RIGHTS", &["passed"]) {
        return;
    }
    watched("SCM_RIGHTS", |watched, stage| {
        let directory = tempfile::tempdir()?;
        let inbox = directory.path().join("inbox").display().to_string();
        let mut keeper = stage.server_actor("keeper")?;
        keeper.ask(&format!("inbox {inbox}"))?;
        let mut pair = Connection::open(stage)?;
        pair.server.ask(&format!("pass c {inbox}"))?;
        pair.server.ask("close c")?;
        keeper.ask("take c")?;
        pair.client.ask("send c 10")?;
        keeper.ask("recv c 10")?;
        let end = End { pid: keeper.pid(), comm: "keeper".to_owned(), ..pair.server_end() };
        let reset = reset_by(&mut pair.client, &end)?;
        watched.owned(&reset, &["used"])?;
        Ok(())
    });
}

#[test]
fn a_service_owns_what_it_accepts_from_its_supervisors_listener() {
    watched("socket activation", |watched, stage| {
        let mut supervisor = stage.server_actor("supervisor")?;
        let service = connection::listen(stage, &mut supervisor, None, 16)?;
        let pid: u32 = supervisor.ask("fork s")?.get("pid")?;
        let same: u32 = supervisor.ask("child s reexec service")?.get("pid")?;
        ensure!(pid == same, "exec changed the pid from {pid} to {same}");
        let mut client = stage.client_actor("caller")?;
        let remote = connection::dial(stage, &mut client, None, "c", service)?;
        supervisor.ask("child s accept l c")?;
        client.ask("send c 10")?;
        supervisor.ask("child s recv c 10")?;
        let reset = reset_by(&mut client, &End { pid, comm: "service".to_owned(), local: service, remote })?;
        watched.owned(&reset, &["accepted", "used"])?;
        Ok(())
    });
}

#[test]
fn an_unaccepted_connection_belongs_to_the_listener() {
    watched("inherited", |watched, stage| {
        let mut pair = Connection::make(stage, Recipe { accept: false, ..Recipe::default() })?;
        let end = pair.server_end();
        let reset = reset_by(&mut pair.client, &end)?;
        watched.owned(&reset, &["inherited"])?;
        let scene = queue::listener_closed(stage)?;
        watched.owned(the(Direction::Sent, &scene)?, &["current", "inherited"])?;
        Ok(())
    });
}

#[test]
fn sockets_opened_before_the_start_have_owners() {
    if !daemon::unless_ready("backfilled") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let mut early = Connection::open(&stage).unwrap();
    let mut server_dies = Connection::open(&stage).unwrap();
    let watched = WatchedDaemon::start().unwrap();

    let end = early.server_end();
    let reset = reset_by(&mut early.client, &end).unwrap();
    watched.owned(&reset, &["backfilled"]).unwrap();

    server_dies.server.ask("set c linger 0").unwrap();
    server_dies.server.ask("close c").unwrap();
    watched.owned(&Expected::received(&server_dies.client_end(), "established"), &["backfilled"]).unwrap();

    // A connection opened after the daemon's start, from a listener opened before it.
    let service = early.server_address;
    early.client_address = connection::dial(&stage, &mut early.client, None, "c", service).unwrap();
    let end = early.server_end();
    let reset = reset_by(&mut early.client, &end).unwrap();
    watched.owned(&reset, &["inherited"]).unwrap();
}

#[test]
fn a_process_that_has_just_died_is_remembered() {
    watched_if("tombstone", &["sent_time_wait"], |watched, stage| {
        let scene = late::after_exit(stage)?;
        watched.owned(the(Direction::Sent, &scene)?, &["tombstone"])?;
        Ok(())
    });
}

#[test]
fn a_process_is_named_after_its_leader_whichever_thread_works() {
    watched("threads", |watched, stage| {
        let mut java = stage.server_actor("java")?;
        let service = connection::listen(stage, &mut java, None, 16)?;
        let mut client = stage.client_actor("caller")?;
        let remote = connection::dial(stage, &mut client, None, "c", service)?;
        java.ask("thread http-acceptor accept l c")?;
        client.ask("send c 10")?;
        java.ask("thread http-nio-8080-e recv c 10")?;
        let end = End::of(&java, service, remote);
        let received = reset_by(&mut client, &end)?;
        watched.owned(&received, &["accepted", "used"])?;

        let remote = connection::dial(stage, &mut client, None, "c", service)?;
        java.ask("thread http-acceptor accept l c")?;
        java.ask("set c linger 0")?;
        java.ask("thread http-nio-8080-e close c")?;
        let sent = Expected::sent(&End::of(&java, service, remote), "tcp_state", "established");
        watched.owned(&sent, &["current"])?;

        // A socket that a thread opened belongs to the process.
        java.ask("socket up v4")?;
        let upstream = stage.server_address(stage.closed_port()?);
        let local: SocketAddr = java.ask(&format!("bind up {}", stage.client_address(0)))?.get("local")?;
        java.ask("set up nodelay 1")?;
        let errno = java.refused(&format!("thread pool-7 connect up {upstream}"))?;
        ensure!(errno == libc::ECONNREFUSED, "connect failed with {errno}");
        let refused = Expected::received(&End::of(&java, local, upstream), "syn_sent");
        watched.owned(&refused, &["opened"])?;
        Ok(())
    });
}

#[test]
fn a_port_that_lost_its_listener_names_the_last_one() {
    watched_if("last listener", &["sent_without_socket"], |watched, stage| {
        let mut server = stage.server_actor("gone")?;
        let service = connection::listen(stage, &mut server, None, 16)?;
        server.ask("close l")?;
        let mut client = stage.client_actor("caller")?;
        client.ask(&format!("socket c {}", stage.client_socket()))?;
        let local = client.ask(&format!("bind c {}", stage.client_address(0)))?.get("local")?;
        client.refused(&format!("connect c {service}"))?;
        let refused = Expected::sent(&End::of(&server, service, local), "no_socket", "");
        watched.owned(&Expected { state: None, ..refused }, &["tombstone"])?;
        Ok(())
    });
}

#[test]
fn nginx_resets_belong_to_the_worker_that_served() {
    if !skip::unless_installed("nginx", &["nginx"]) {
        return;
    }
    watched("nginx", |watched, stage| {
        let setup = NginxSetup { workers: 2, ..NginxSetup::default() };
        let nginx = Nginx::start(stage.server(), stage.server_address(stage.closed_port()?), setup)?;
        let before = watched.daemon.scrape()?;
        let mut visits = (0..8).map(|_| web::downloading(stage, &nginx)).collect::<Result<Vec<_>>>()?;
        for (browser, worker) in &mut visits {
            ensure!(worker.pid != nginx.master(), "the master has accepted a connection");
            browser.ask("close c")?;
            let reset = Expected::received(worker, "established");
            watched.owned(&reset, &["accepted", "used"])?;
        }
        let after = watched.daemon.scrape()?;
        let port = nginx.address().port().to_string();
        let labels = [("process", "nginx"), ("port", port.as_str()), ("direction", "received")];
        let grown = after.count(RESETS, &labels) - before.count(RESETS, &labels);
        ensure!(grown == 8, "resets counted for nginx: expected 8, found {grown}");
        Ok(())
    });
}
