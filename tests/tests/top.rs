//! `rstmon top` in a terminal, operated by keys, on real resets; and its output for scripts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::Result;
use rstmon_tests::{
    daemon::{self, DaemonProcess},
    scenario::{close, open},
    scene::Scene,
    stage::{Family, Stage},
    tail::Tail,
    terminal::{Modes, Terminal},
    wait::{self, SOON},
};
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// A row must appear within this time.
const PROMPT: Duration = Duration::from_secs(1);
/// Number of attempts, because the machine may be busy with something else.
const TRIES: usize = 3;

fn ready(name: &str) -> bool {
    daemon::unless_ready(name)
}

fn top(arguments: &str) -> String {
    format!("'{}' top {arguments}", daemon::binary().unwrap().display())
}

/// Starts the view in a terminal and waits until it shows counts.
fn show(terminal: &Terminal, arguments: &str) {
    terminal.enter(&format!("{}; echo ended with $?", top(arguments))).unwrap();
    terminal.wait("the view", SOON, |screen| screen.contains("exact counts")).unwrap();
}

/// The line of a row: it begins with the process and contains all of `parts`.
fn row<'a>(screen: &'a str, process: &str, parts: &[&str]) -> Option<&'a str> {
    screen.lines().find(|line| line.starts_with(process) && parts.iter().all(|part| line.contains(part)))
}

/// The service port, and comm and id of the server's process.
fn facts(scene: &Scene) -> (u16, String, u32) {
    let sent = &scene.resets[0];
    let (comm, pid) = sent.owner.clone().unwrap();
    (sent.local.port(), comm, pid)
}

#[test]
fn a_session_from_the_row_to_the_evidence_and_out_again() {
    if !ready("top session") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let daemon = DaemonProcess::start().unwrap();
    let terminal = Terminal::open(120, 40).unwrap();
    terminal.enter("stty -g").unwrap();
    let before = settings(&terminal).unwrap();
    show(&terminal, &format!("--socket {}", daemon.socket().display()));
    assert_eq!(terminal.modes().unwrap(), Modes { alternate: true, cursor: false, mouse: true });

    let (mut waited, mut scenes) = (Duration::MAX, Vec::new());
    while waited > PROMPT && scenes.len() < TRIES {
        let scene = close::with_unread_data(&stage).unwrap();
        let provoked = Instant::now();
        let (port, comm, _) = facts(&scene);
        let parts = [port.to_string(), "sent".to_owned(), "closed_with_unread_data".to_owned()];
        let parts = parts.each_ref().map(String::as_str);
        terminal.wait("the row", SOON, |screen| row(screen, &comm, &parts).is_some()).unwrap();
        waited = waited.min(provoked.elapsed());
        scenes.push(scene);
    }
    assert!(waited <= PROMPT, "a row appeared after {waited:?}");

    // Filter: the rows of two ports are left, one of each, though both ends of every reset are here.
    let (port, server, pid) = facts(scenes.last().unwrap());
    let refused: Vec<u16> = (0..2).map(|_| open::refused(&stage).unwrap().resets[0].local.port()).collect();
    let all_refused = |screen: &str| refused.iter().all(|port| screen.contains(&port.to_string()));
    terminal.wait("the refused", SOON, all_refused).unwrap();
    terminal.press(&["/"]).unwrap();
    let filter = format!("port={port},{}", refused[0]);
    terminal.enter(&filter).unwrap();
    let filtered = format!("filter {filter}");
    let is_filtered = |screen: &str| {
        screen.contains(&filtered) && screen.contains(" 2 rows") && !screen.contains(&refused[1].to_string())
    };
    terminal.wait("the filter", SOON, is_filtered).unwrap();

    // Sort by name, then in reverse.
    let names = |screen: &str| -> Vec<String> {
        let rows = screen.lines().skip_while(|line| !line.starts_with("PROCESS")).skip(1).take(2);
        rows.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    };
    terminal.press(&["<", "<", "<", "<", "<"]).unwrap();
    let ordered = |mark: &'static str, order: [&'static str; 2]| {
        move |screen: &str| screen.contains(mark) && names(screen) == order
    };
    terminal.wait("the order", SOON, ordered("PROCESS▲", ["caller", "web"])).unwrap();
    terminal.press(&["i"]).unwrap();
    terminal.wait("the other order", SOON, ordered("PROCESS▼", ["web", "caller"])).unwrap();

    // Drill down: the server's row, its evidence, one reset.
    assert_eq!(server, "web");
    terminal.press(&["Home", "Enter"]).unwrap();
    let evidence = format!("{server}[{pid}] closed the connection with");
    let parts = [&evidence, "seen there", "to do", "its last reset"];
    terminal.wait("the row's page", SOON, |screen| parts.iter().all(|part| screen.contains(part))).unwrap();
    terminal.press(&["Enter"]).unwrap();
    let address = format!(":{port}");
    let parts = ["one reset", "unread_bytes=", "kernel reason tcp_abort_on_close", "known by: ", &address];
    // All of them at once: a screen may be read in the middle of a frame.
    terminal.wait("the reset's page", SOON, |screen| parts.iter().all(|part| screen.contains(part))).unwrap();
    terminal.press(&["Escape"]).unwrap();
    terminal.wait("the row's page again", SOON, |screen| screen.contains("its last reset")).unwrap();
    terminal.press(&["Escape"]).unwrap();
    terminal.wait("the table again", SOON, |screen| screen.contains("exact counts")).unwrap();

    terminal.press(&["q"]).unwrap();
    terminal.wait("the end", SOON, |screen| screen.contains("ended with 0")).unwrap();
    assert_eq!(terminal.modes().unwrap(), Modes::SHELL);
    terminal.enter("clear; stty -g").unwrap();
    assert_eq!(settings(&terminal).unwrap(), before, "the terminal's settings");
}

/// The last output of `stty -g`.
fn settings(terminal: &Terminal) -> Result<String> {
    let line = |screen: &str| screen.lines().rev().find(|line| line.matches(':').count() > 20).map(str::to_owned);
    let screen = terminal.wait("the settings", SOON, |screen| line(screen).is_some())?;
    Ok(line(&screen).unwrap())
}

#[test]
fn the_terminal_is_given_back_after_a_signal() {
    if !ready("top and the terminal") {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    let arguments = format!("--socket {}", daemon.socket().display());
    let terminal = Terminal::open(80, 24).unwrap();
    show(&terminal, &arguments);
    let view = rustix::process::Pid::from_raw(terminal.child().unwrap().cast_signed()).unwrap();
    rustix::process::kill_process(view, rustix::process::Signal::TERM).unwrap();
    terminal.wait("the end", SOON, |screen| screen.contains("ended with 0")).unwrap();
    assert_eq!(terminal.modes().unwrap(), Modes::SHELL);
}

#[test]
fn it_ends_with_its_terminal() {
    if !ready("top and a closed terminal") {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    let terminal = Terminal::open(80, 24).unwrap();
    // The view must not depend on the signal: `nohup` ignores it.
    terminal.enter("trap '' HUP").unwrap();
    show(&terminal, &format!("--socket {}", daemon.socket().display()));
    let view = terminal.child().unwrap();
    drop(terminal);
    let ended = || Ok(!Path::new(&format!("/proc/{view}/task")).exists());
    let result = wait::until_true("the view to end", SOON, ended);
    if result.is_err() {
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_raw(view.cast_signed()).unwrap(),
            rustix::process::Signal::KILL,
        );
    }
    result.unwrap();
}

#[test]
fn it_and_tail_outlive_the_daemon_and_go_on_with_the_next() {
    if !ready("top and tail over a restart") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let daemon = DaemonProcess::start().unwrap();
    let tail = Tail::through(&daemon.socket(), &[]).unwrap();
    let terminal = Terminal::open(100, 24).unwrap();
    show(&terminal, &format!("--socket {}", daemon.socket().display()));
    let first = close::with_unread_data(&stage).unwrap();
    let (port, server, _) = facts(&first);
    let shown = |port: u16| move |screen: &str| row(screen, "web", &[&port.to_string(), "sent"]).is_some();
    assert_eq!(server, "web");
    terminal.wait("the first row", SOON, shown(port)).unwrap();
    tail.expect(&first.resets[0]).unwrap();

    let dead = daemon.kill().unwrap();
    let screen = terminal.wait("the loss", SOON, |screen| screen.contains("no connection")).unwrap();
    assert!(shown(port)(&screen), "known rows stay:\n{screen}");
    let daemon = dead.replace().unwrap();
    terminal.wait("the return", SOON, |screen| !screen.contains("no connection")).unwrap();
    let second = close::with_unread_data(&stage).unwrap();
    let (new_port, ..) = facts(&second);
    let screen = terminal.wait("the second row", SOON, shown(new_port)).unwrap();
    assert!(!shown(port)(&screen), "the new daemon counts from zero:\n{screen}");
    tail.expect(&second.resets[0]).unwrap();
    let times = |scene: &Scene| {
        let events = tail.events().unwrap();
        events.iter().filter(|event| rstmon_tests::judge::is_of(&scene.resets[0], event)).count()
    };
    assert_eq!((times(&first), times(&second)), (1, 1), "an event was printed twice");
    terminal.press(&["q"]).unwrap();
    terminal.wait("the end", SOON, |screen| screen.contains("ended with 0")).unwrap();
    drop(daemon);
}

fn json(arguments: &[&str]) -> Value {
    let output = daemon::rstmon(arguments).unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The total of the resets of a process in a document of `top --json`.
fn total(document: &Value, process: &str, cause: &str) -> u64 {
    let rows = document["rows"].as_array().unwrap();
    let rows = rows.iter().filter(|row| row["process"] == process && row["cause"] == cause);
    rows.map(|row| row["total"].as_u64().unwrap()).sum()
}

#[test]
fn once_is_what_the_metrics_say() {
    if !ready("top --once") {
        return;
    }
    let stage = Stage::undisturbed(Family::V4).unwrap();
    let daemon = DaemonProcess::configured("[metrics]\nlabels = [\"direction\"]\n").unwrap();
    let scenes: Vec<Scene> = (0..3).map(|_| close::with_unread_data(&stage).unwrap()).collect();
    assert_eq!(scenes.len(), 3);
    let socket = daemon.socket();
    let socket = socket.to_str().unwrap();
    let document = json(&["top", "--socket", socket, "--json"]);
    assert_eq!(document["exact"], true);
    // Also with labels that the metrics leave out.
    assert_eq!(total(&document, "web", "closed_with_unread_data"), 3);
    // Both ends of each are here: one row, that of the sender.
    assert_eq!(total(&document, "caller", "request_reset"), 0, "{document:#}");
    assert_eq!(document["at_both_ends"], 3, "{document:#}");
    let rows: u64 = document["rows"].as_array().unwrap().iter().map(|row| row["total"].as_u64().unwrap()).sum();
    let [sent, received] = ["sent", "received"].map(|direction| document[direction]["total"].as_u64().unwrap());
    assert_eq!(rows + 3, sent + received, "the numbers add up: {document:#}");
    let callers = json(&["top", "--socket", socket, "--json", "process=caller"]);
    assert_eq!(total(&callers, "caller", "request_reset"), 3, "its row where the filter hides the other: {callers:#}");
    let sent: f64 = daemon
        .scrape()
        .unwrap()
        .select("rstmon_resets_total", &[("direction", "sent")])
        .map(|sample| sample.value)
        .sum();
    assert_eq!(document["sent"]["total"].as_f64(), Some(sent));

    let grouped = json(&["top", "--socket", socket, "--json", "--group", "process", "process=web"]);
    assert_eq!(grouped["rows"].as_array().unwrap().len(), 1);
    assert_eq!(grouped["rows"][0]["total"], 3);
    let output = daemon::rstmon(&["top", "--socket", socket, "--once", "--ascii"]).unwrap();
    assert!(output.stdout.is_ascii(), "{}", String::from_utf8_lossy(&output.stdout));
    let refused = daemon::rstmon(&["top", "--socket", socket]).unwrap();
    assert_eq!(refused.status.code(), Some(2), "without a terminal there is no view");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--once"), "{refused:?}");
}

#[test]
fn a_recording_can_be_looked_at_again() {
    if !ready("top and why --replay") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let daemon = DaemonProcess::start().unwrap();
    let scenes = [close::with_unread_data(&stage).unwrap(), close::with_unread_data(&stage).unwrap()];
    let recording = daemon.socket().with_file_name("incident.json");
    record(&daemon.socket(), &recording, 4).unwrap();
    drop((daemon.socket(), scenes));
    let recording = recording.to_str().unwrap();

    let document = json(&["top", "--replay", recording, "--json"]);
    assert_eq!((total(&document, "web", "closed_with_unread_data"), &document["exact"]), (2, &Value::Bool(false)));
    let report = json(&["why", "--replay", recording, "--json"]);
    let found = report["findings"].as_array().unwrap();
    let mine: u64 = found
        .iter()
        .filter(|finding| finding["cause"] == "closed_with_unread_data" && finding["process"] == "web")
        .map(|finding| finding["count"].as_u64().unwrap())
        .sum();
    assert_eq!(mine, 2, "{report:#}");

    let terminal = Terminal::open(100, 30).unwrap();
    terminal.enter(&format!("{}; echo ended with $?", top(&format!("--replay {recording} --speed 0")))).unwrap();
    let screen = terminal.wait("the end of it", SOON, |screen| screen.contains("end of the recording")).unwrap();
    assert!(row(&screen, "web", &["closed_with_unread_data"]).is_some(), "{screen}");
    assert!(screen.contains("of the events recorded"), "{screen}");
    terminal.press(&["q"]).unwrap();
    terminal.wait("the end", SOON, |screen| screen.contains("ended with 0")).unwrap();

    fs::write(recording, "nothing of ours\n").unwrap();
    for command in ["top", "why"] {
        let refused = daemon::rstmon(&[command, "--replay", recording, "--json"]).unwrap();
        assert_eq!(refused.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("holds no events"), "{refused:?}");
    }
}

/// Runs `rstmon tail --json -n N > file` until the file has at least `events` lines of this test's processes.
fn record(socket: &Path, file: &Path, events: usize) -> Result<()> {
    let mut tail = Command::new(daemon::binary().unwrap())
        .args(["tail", "--json", "-n", "1000", "--socket"])
        .arg(socket)
        .arg("process=web,caller")
        .stdin(Stdio::null())
        .stdout(fs::File::create(file)?)
        .stderr(Stdio::null())
        .spawn()?;
    let recorded = wait::until_true("the recording", SOON, || Ok(fs::read_to_string(file)?.lines().count() >= events));
    tail.kill()?;
    tail.wait()?;
    recorded
}
