//! A log that is not read: standard error is a pipe that is full. The daemon starts, serves and ends all the same.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, DaemonProcess},
    stopped_reader::StoppedReader,
    wait::{self, LATER, SOON},
};
use rustix::process::Signal;
use std::{
    net::TcpListener,
    process::{Command, Stdio},
};

/// Everything is logged, so that the queue is soon full.
const TRACE: &str = "[log]\nlevel = \"trace\"\n";

fn dropped(daemon: &DaemonProcess) -> u64 {
    daemon.scrape().unwrap().count("rstmon_log_lines_dropped_total", &[])
}

/// Makes the daemon write lines until some are dropped: at level trace each connection has some.
fn fill_queue(daemon: &DaemonProcess) {
    wait::until_true("the queue of the log to be full", LATER, || {
        for _ in 0..100 {
            daemon.get("/-/healthy")?;
        }
        Ok(dropped(daemon) > 0)
    })
    .unwrap();
}

#[test]
fn a_daemon_starts_and_ends_with_a_full_pipe() {
    if !daemon::unless_ready("full pipe") {
        return;
    }
    let (_reader, log) = StoppedReader::full_pipe().unwrap();
    let daemon = DaemonProcess::logging_to("", log).unwrap();
    assert_eq!(daemon.get("/metrics").unwrap().status, 200);
    assert_eq!(dropped(&daemon), 0, "the start's few lines have room");
    let status = daemon.end_by(Signal::TERM).unwrap();
    assert_eq!(status.code(), Some(0), "{status}");
}

#[test]
fn a_stopped_reader_stops_nothing_and_gets_to_know_what_it_missed() {
    if !daemon::unless_ready("stopped reader of the log") {
        return;
    }
    let (reader, log) = StoppedReader::full_pipe().unwrap();
    let daemon = DaemonProcess::logging_to(TRACE, log).unwrap();
    fill_queue(&daemon);
    for _ in 0..20 {
        assert_eq!(daemon.get("/metrics").unwrap().status, 200);
    }
    let before = dropped(&daemon);
    let said = reader.go_on();
    wait::until_true("the number of dropped lines in the log", SOON, || {
        Ok(said.text().contains("lines of the log were dropped"))
    })
    .unwrap();
    assert!(dropped(&daemon) >= before, "a counter does not fall");
    daemon.stop().unwrap();
    assert!(said.text().contains("watching resets"), "the first lines are kept, the later ones dropped");
}

#[test]
fn a_reload_takes_effect_with_a_full_pipe() {
    if !daemon::unless_ready("reload with a full pipe") {
        return;
    }
    let (reader, log) = StoppedReader::full_pipe().unwrap();
    let daemon = DaemonProcess::logging_to("", log).unwrap();
    let main = daemon.socket().with_file_name("rstmon.toml");
    std::fs::write(main, TRACE).unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(daemon.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    // Only at level trace do scrapes write lines.
    fill_queue(&daemon);
    drop(reader);
    assert_eq!(daemon.get("/metrics").unwrap().status, 200, "its log is closed now");
    daemon.stop().unwrap();
}

#[test]
fn a_start_that_fails_ends_with_a_full_pipe() {
    if !daemon::unless_ready("failing start with a full pipe") {
        return;
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("rstmon.toml");
    std::fs::write(&config, TRACE).unwrap();
    let (_reader, log) = StoppedReader::full_pipe().unwrap();
    let mut child = Command::new(daemon::binary().unwrap())
        .arg("run")
        .arg(format!("--web.listen-address={}", taken.local_addr().unwrap()))
        .arg(format!("--socket={}", directory.path().join("s").display()))
        .arg(format!("--config={}", config.display()))
        .stdin(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let ended = wait::until("the start to fail", SOON, || Ok(child.try_wait()?));
    let _ = child.kill();
    let _ = child.wait();
    assert_eq!(ended.unwrap().code(), Some(1));
}
