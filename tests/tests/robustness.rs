//! Signals without a meaning, a stopped daemon, full disks, few descriptors, a hanging thread, guessed passwords.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon::{self, DaemonProcess, READY, rstmon},
    hostile::report,
    http, scratch, skip,
    threads::{self, Stopped},
    wait::{self, LATER, SOON},
};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit};
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

fn signal(daemon: &DaemonProcess, signal: Signal) {
    kill_process(Pid::from_raw(daemon.pid().cast_signed()).unwrap(), signal).unwrap();
}

#[test]
fn signals_without_a_meaning_end_no_daemon() {
    if !daemon::unless_ready("signals") {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    for (number, name) in [(Signal::USR1, "SIGUSR1"), (Signal::USR2, "SIGUSR2"), (Signal::ALARM, "SIGALRM")] {
        // The second one is not in the log.
        for _ in 0..2 {
            signal(&daemon, number);
            assert_eq!(daemon.get(READY).unwrap().status, 200, "after {name}");
        }
        wait::until_true("the signal in the log", SOON, || Ok(daemon.said().contains(name))).unwrap();
    }
    daemon.stop().unwrap();
}

#[test]
fn a_stopped_daemon_is_named_within_five_seconds() {
    if !daemon::unless_ready("stopped") {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    let socket = format!("--socket={}", daemon.socket().display());
    signal(&daemon, Signal::STOP);
    for arguments in [&["why", &socket][..], &["tail", &socket], &["top", "--once", &socket]] {
        let started = Instant::now();
        let output = rstmon(arguments).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?} said:\n{said}");
        let expected = format!("(process {pid}) is stopped; `kill -CONT {pid}` lets it go on", pid = daemon.pid());
        assert!(said.contains(&expected), "{arguments:?} said:\n{said}");
        assert!(started.elapsed() < Duration::from_secs(5) * wait::slowness(), "{arguments:?} took too long");
    }
    signal(&daemon, Signal::CONT);
    let output = rstmon(&["why", &socket]).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    daemon.stop().unwrap();
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    if !daemon::unless_ready("full") {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    let socket = format!("--socket={}", daemon.socket().display());
    let config = format!("--config={}", daemon.socket().with_file_name("rstmon.toml").display());
    for arguments in [
        &["--version"][..],
        &["--help"],
        &["why", "--help"],
        &["help", "tail"],
        &["causes"],
        &["causes", "--json"],
        &["completions", "bash"],
        &["doctor", &config],
        &["doctor", "--json", &config],
        &["run", "--check", &config],
        &["why", &socket],
        &["why", "--json", &socket],
        &["tail", &socket],
        &["top", "--once", &socket],
        &["top", "--json", &socket],
    ] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(daemon::binary().unwrap())
            .args(arguments)
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?} said:\n{said}");
        assert!(said.contains("cannot write to standard output"), "{arguments:?} said:\n{said}");
    }
    daemon.stop().unwrap();
}

fn with_descriptors(soft: u64, hard: u64) -> anyhow::Result<DaemonProcess> {
    DaemonProcess::prepared(scratch::directory()?, move || {
        Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(soft), maximum: Some(hard) })?)
    })
}

#[test]
fn the_number_of_connections_follows_the_limit_of_descriptors() {
    if !daemon::unless_ready("descriptors") {
        return;
    }
    let error = format!("{:#}", with_descriptors(40, 40).unwrap_err());
    assert!(error.contains("40 file descriptors are too few, rstmon needs"), "{error}");

    let daemon = with_descriptors(64, 128).unwrap();
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.pid())).unwrap();
    let raised = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(raised.split_whitespace().nth(3), Some("128"), "{raised}");
    let crowd: Vec<TcpStream> =
        (0..300).map(|_| TcpStream::connect_timeout(&daemon.address(), SOON).unwrap()).collect();
    daemon.scrape().unwrap();
    let open = fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    assert!(open < 128 - 16, "{open} of 128 descriptors are open");
    assert!(!daemon.said().contains("Too many open files"), "it said:\n{}", daemon.said());
    drop(crowd);
    daemon.stop().unwrap();
}

#[test]
fn a_daemon_whose_event_path_hangs_is_not_ready() {
    if !daemon::unless_ready("readiness") {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    let threads = threads::of(daemon.pid()).unwrap();
    let (thread, _) = threads.iter().find(|(_, name)| *name == "rstmon-explain").unwrap();
    let held = Stopped::new(*thread).unwrap();
    let answer = wait::until("a daemon that is not ready", LATER, || {
        let answer = daemon.get(READY)?;
        Ok((answer.status == 503).then_some(answer))
    });
    assert!(answer.as_ref().unwrap().body.contains("the event path"), "{answer:?}");
    daemon.scrape().expect("counting goes on");
    drop(held);
    wait::until_true("a daemon that is ready again", LATER, || Ok(daemon.get(READY)?.status == 200)).unwrap();
    daemon.stop().unwrap();
}

/// Of `alice`, whose password is `open sesame`, with the cost 12.
const HASH: &str = "$2b$12$OnCHlgXHk6N6lQ2i/1rjfeVQcA3BmTHgISSkXDnRvOQRpjsZ6LxY.";
const RIGHT: &str = "Authorization: Basic YWxpY2U6b3BlbiBzZXNhbWU=\r\n";
/// `alice:` and a wrong password; the digits at its end make another wrong one.
const WRONG: &str = "YWxpY2U6d3Jvbmct";

/// Ends the guessing clients, also when an assertion fails.
struct Ended<'a>(&'a AtomicBool);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Guesses one password after the other until `ended`.
fn guess(server: SocketAddr, client: usize, ended: &AtomicBool) {
    for number in 0.. {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        // Digits in groups of four, which is base64 of some other password.
        let header = format!("Authorization: Basic {WRONG}{client:04}{number:04}\r\n");
        let _ = http::get_with(server, "/metrics", &header);
    }
}

#[test]
fn guessed_passwords_keep_no_scrape_waiting() {
    const GUESSERS: usize = 100;
    const LIMIT: Duration = Duration::from_secs(1);
    if !daemon::unless_ready("passwords") {
        return;
    }
    if wait::slowness() > 1 {
        return skip::not_possible("passwords", "times on an emulated processor mean nothing");
    }
    let directory = scratch::directory().unwrap();
    let web = directory.path().join("web.yml");
    fs::write(&web, format!("basic_auth_users:\n  alice: {HASH}\n")).unwrap();
    let toml = format!("[web]\nconfig_file = \"{}\"\n", web.display());
    let daemon =
        DaemonProcess::reached(&toml, |address| http::get(address, READY).is_ok_and(|answer| answer.status == 401))
            .unwrap();
    let (address, ended) = (daemon.address(), AtomicBool::new(false));
    thread::scope(|scope| {
        for client in 0..GUESSERS {
            let ended = &ended;
            scope.spawn(move || guess(address, client, ended));
        }
        let end = Ended(&ended);
        // All of them wait for their first answer.
        let waiting = wait::until_true("the crowd", SOON, || {
            let open = fs::read_dir(format!("/proc/{}/fd", daemon.pid()))?.count();
            Ok(open > GUESSERS)
        });
        let took: Vec<Duration> = (0..5)
            .map(|_| {
                let started = Instant::now();
                let answer = http::get_with(address, "/metrics", RIGHT).unwrap();
                assert_eq!(answer.status, 200, "{}", answer.body);
                started.elapsed()
            })
            .collect();
        drop(end);
        waiting.unwrap();
        report(&format!("scrapes during {GUESSERS} guessing clients took {took:?}"));
        assert!(took[0] < LIMIT, "the first scrape took {:?}", took[0]);
        assert!(took[1..].iter().all(|took| *took < LIMIT / 2), "later scrapes took {took:?}");
    });
    daemon.stop().unwrap();
}
