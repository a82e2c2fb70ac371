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
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
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
    for (number, name) in
        [(Signal::USR1, "SIGUSR1"), (Signal::USR2, "SIGUSR2"), (Signal::ALARM, "SIGALRM"), (Signal::XFSZ, "SIGXFSZ")]
    {
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
fn a_limit_of_the_size_of_files_ends_no_daemon() {
    if !daemon::unless_ready("file size") {
        return;
    }
    let limited = || {
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        Ok(setrlimit(Resource::Fsize, none)?)
    };
    let daemon = DaemonProcess::prepared(scratch::directory().unwrap(), limited).unwrap();
    let message = "the store's failure in the log";
    wait::until_true(message, SOON, || Ok(daemon.said().contains("store"))).unwrap();
    assert_eq!(daemon.get(READY).unwrap().status, 200);
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

/// Of the password `open sesame`, with the cost 12.
const HASH: &str = "$2b$12$OnCHlgXHk6N6lQ2i/1rjfeVQcA3BmTHgISSkXDnRvOQRpjsZ6LxY.";
/// `alice`, `bob` and `carol` with that password, in base64.
const RIGHT: [&str; 3] = ["YWxpY2U6b3BlbiBzZXNhbWU=", "Ym9iOm9wZW4gc2VzYW1l", "Y2Fyb2w6b3BlbiBzZXNhbWU="];
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
fn guess(server: SocketAddr, client: usize, ended: &AtomicBool, refused: &AtomicUsize) {
    for number in 0.. {
        if ended.load(Ordering::Relaxed) {
            return;
        }
        // Digits in groups of four, which is base64 of some other password.
        let header = format!("Authorization: Basic {WRONG}{client:04}{number:04}\r\n");
        if http::get_with(server, "/metrics", &header).is_ok_and(|answer| answer.status == 401) {
            refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn guessed_passwords_keep_no_scrape_waiting() {
    const GUESSERS: usize = 100;
    /// The one that is running, and those that end in the moment before and after.
    const CHECKS: usize = 3;
    const LIMIT: Duration = Duration::from_secs(1);
    if !daemon::unless_ready("passwords") {
        return;
    }
    if wait::slowness() > 1 {
        return skip::not_possible("passwords", "times on an emulated processor mean nothing");
    }
    let directory = scratch::directory().unwrap();
    let web = directory.path().join("web.yml");
    fs::write(&web, format!("basic_auth_users: {{alice: {HASH}, bob: {HASH}, carol: {HASH}}}\n")).unwrap();
    let toml = format!("[web]\nconfig_file = \"{}\"\n", web.display());
    let daemon =
        DaemonProcess::reached(&toml, |address| http::get(address, READY).is_ok_and(|answer| answer.status == 401))
            .unwrap();
    let descriptors = |daemon: &DaemonProcess| fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    let (address, calm) = (daemon.address(), descriptors(&daemon));
    let (ended, refused) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for client in 0..GUESSERS {
            let (ended, refused) = (&ended, &refused);
            scope.spawn(move || guess(address, client, ended, refused));
        }
        let end = Ended(&ended);
        // Nearly all wait for their first answer; once one more is refused, the last have come, too.
        let nearly_all = || Ok(descriptors(&daemon) + GUESSERS / 10 >= calm + GUESSERS);
        let waiting = wait::until_true("the crowd", LATER, nearly_all).and_then(|()| {
            let before = refused.load(Ordering::Relaxed);
            wait::until_true("a refusal", LATER, || Ok(refused.load(Ordering::Relaxed) > before))
        });
        let scrape = |right| {
            let (started, before) = (Instant::now(), refused.load(Ordering::Relaxed));
            let header = format!("Authorization: Basic {right}\r\n");
            let status = http::get_with(address, "/metrics", &header).map(|answer| answer.status);
            (status.ok(), refused.load(Ordering::Relaxed) - before, started.elapsed())
        };
        let mut first = RIGHT.map(scrape);
        let later = RIGHT.map(scrape);
        drop(end);
        waiting.unwrap();
        report(&format!(
            "{GUESSERS} guessing clients (status, checks before, time): first scrapes {first:?}, later ones {later:?}"
        ));
        // One may come in the moment in which a guessing client was refused, and is taken for its next guess.
        first.sort_unstable_by_key(|(_, checks, _)| *checks);
        // In checks, because a check takes 0.25 s on a processor that does nothing else, and longer on this one.
        let is_soon = |(status, checks, _): &(Option<u16>, usize, Duration)| *status == Some(200) && *checks <= CHECKS;
        assert!(first[..2].iter().all(is_soon), "first: {first:?}");
        let is_known = |(status, _, took): &(Option<u16>, usize, Duration)| *status == Some(200) && *took < LIMIT;
        assert!(later.iter().filter(|scrape| is_known(scrape)).count() >= 2, "later: {later:?}");
    });
    daemon.stop().unwrap();
}
