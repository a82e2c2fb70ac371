//! The actors, checked against `/proc`: their names, and which process has which socket.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    cgroup::Cgroup,
    connection::{self, Connection},
    scene::End,
    skip, sockets,
    stage::{Family, Stage},
    wait::{self, SOON},
};
use std::fs;

fn comm(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().trim_end().to_owned()
}

/// The processes that have a descriptor of the socket at this end.
fn holders(stage: &Stage, end: &End, pids: &[u32]) -> Vec<u32> {
    let socket = sockets::find(stage.server(), end.local, end.remote).unwrap().unwrap();
    pids.iter().copied().filter(|pid| sockets::has(*pid, socket.inode)).collect()
}

#[test]
fn a_forked_worker_accepts_alone() {
    if !skip::unless_root("fork") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let mut master = stage.server_actor("master").unwrap();
    let service = connection::listen(&stage, &mut master, None, 16).unwrap();
    let worker: u32 = master.ask("fork w").unwrap().get("pid").unwrap();
    master.ask("child w comm worker").unwrap();
    assert_eq!((comm(master.pid()), comm(worker)), ("master".to_owned(), "worker".to_owned()));

    let mut client = stage.client_actor("caller").unwrap();
    let remote = connection::dial(&stage, &mut client, None, "c", service).unwrap();
    master.ask("child w accept l c").unwrap();
    let end = End::of(&master, service, remote);
    assert_eq!(holders(&stage, &end, &[master.pid(), worker]), [worker]);

    let same: u32 = master.ask("child w reexec service").unwrap().get("pid").unwrap();
    assert_eq!((same, comm(worker)), (worker, "service".to_owned()));
    assert_eq!(holders(&stage, &end, &[master.pid(), worker]), [worker], "exec keeps the descriptor");

    drop(master);
    wait::until_true("the worker to end with its master", SOON, || {
        let status = fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
        Ok(status.is_empty() || status.contains(") Z "))
    })
    .unwrap();
}

#[test]
fn a_passed_descriptor_changes_hands() {
    if !skip::unless_root("pass") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let inbox = directory.path().join("inbox").display().to_string();
    let mut keeper = stage.server_actor("keeper").unwrap();
    keeper.ask(&format!("inbox {inbox}")).unwrap();
    let mut pair = Connection::open(&stage).unwrap();
    let pids = [pair.server.pid(), keeper.pid()];
    pair.server.ask(&format!("pass c {inbox}")).unwrap();
    keeper.ask("take c").unwrap();
    assert_eq!(holders(&stage, &pair.server_end(), &pids), pids);
    pair.server.ask("close c").unwrap();
    assert_eq!(holders(&stage, &pair.server_end(), &pids), [keeper.pid()]);
    pair.client.ask("send c 10").unwrap();
    let received: u32 = keeper.ask("recv c 10").unwrap().get("received").unwrap();
    assert_eq!(received, 10);
}

#[test]
fn a_thread_works_under_its_own_name_and_the_process_keeps_its() {
    if !skip::unless_root("thread") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let mut pair = Connection::open(&stage).unwrap();
    pair.client.ask("send c 10").unwrap();
    let received: u32 = pair.server.ask("thread http-nio-8080-e recv c 10").unwrap().get("received").unwrap();
    assert_eq!((received, comm(pair.server.pid())), (10, "web".to_owned()));
}

#[test]
fn either_of_two_reuseport_workers_is_chosen() {
    if !skip::unless_root("reuseport") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let mut workers = [stage.server_actor("worker-a").unwrap(), stage.server_actor("worker-b").unwrap()];
    let mut service = stage.server_address(0);
    for worker in &mut workers {
        worker.ask("socket l v4").unwrap();
        worker.ask("set l reuseport 1").unwrap();
        service = worker.ask(&format!("bind l {service}")).unwrap().get("local").unwrap();
        worker.ask("listen l 64").unwrap();
    }
    let mut client = stage.client_actor("caller").unwrap();
    for slot in 0..64 {
        connection::dial(&stage, &mut client, None, &format!("c{slot}"), service).unwrap();
    }
    for worker in &mut workers {
        assert!(worker.ask("ready l").unwrap().get::<bool>("ready").unwrap(), "{} got nothing", worker.comm());
    }
}

#[test]
fn a_process_moves_into_a_control_group() {
    if !skip::unless_root("cgroup") {
        return;
    }
    let Some(group) = Cgroup::new("moved.service").unwrap() else {
        skip::note("cgroup", "no cgroup v2 hierarchy");
        return;
    };
    let stage = Stage::loopback(Family::V4).unwrap();
    let actor = stage.server_actor("web").unwrap();
    group.add(actor.pid()).unwrap();
    let groups = fs::read_to_string(format!("/proc/{}/cgroup", actor.pid())).unwrap();
    assert!(groups.lines().any(|line| line.starts_with("0::") && line.ends_with("/moved.service")), "{groups}");
    drop(actor);
}

#[test]
fn a_name_may_contain_special_characters() {
    if !skip::unless_root("name") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let name = "a\"}b\\n{c=\"1";
    let actor = stage.server_actor(name).unwrap();
    // `/proc` escapes the backslash.
    assert_eq!(comm(actor.pid()).replace("\\\\", "\\"), name);
}
