//! `rstmon top` and the other commands on terminals that are idle, stuck, gone, or simpler than most; and what the view
//! costs while nothing happens.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::Result;
use rstmon_tests::{
    daemon::{self, DaemonProcess},
    pty::{Pty, REDRAW},
    scenario::{close, open},
    stage::{Family, Stage},
    vitals,
    wait::{self, SOON},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{net::UnixListener, process::ExitStatusExt as _},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// CPU time of the view while nothing happens, of a core. It takes less than 1 %; this build may be a debug build.
const MOST_IDLE_PERCENT: f64 = 5.0;
const WINDOW: Duration = Duration::from_secs(2);
/// Number of measurements, because resets of other processes of this host wake the view.
const TRIES: usize = 3;

/// What the view writes first and last: the alternate screen.
const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";
const CURSOR: &str = "\x1b[?25h";
const PASTE: [&str; 2] = ["\x1b[200~", "\x1b[201~"];

fn ready(name: &str) -> bool {
    daemon::unless_ready(name)
}

fn rstmon(arguments: &[&str]) -> Command {
    let mut command = Command::new(daemon::binary().unwrap());
    command.args(arguments);
    command
}

fn recording() -> String {
    format!("{}/../docs/top/recording.json", env!("CARGO_MANIFEST_DIR"))
}

/// The view of a recording that has ended: it needs no daemon, and nothing changes any more.
fn ended_replay() -> Pty {
    let view = Pty::start(rstmon(&["top", "--replay", &recording(), "--speed", "0"])).unwrap();
    view.wait_for_screen("the end of the recording", |screen| screen.contains("end of the recording")).unwrap();
    view
}

fn through(daemon: &DaemonProcess) -> Pty {
    let view = Pty::start(rstmon(&["top", "--socket", daemon.socket().to_str().unwrap()])).unwrap();
    view.wait_for_screen("the counts", |screen| screen.contains("counting for")).unwrap();
    view
}

/// Checks that the program has left the terminal as it found it.
fn assert_given_back(view: &Pty, when: &str) {
    wait::until_true("the last output", SOON, || Ok(view.written().contains(LEAVE))).unwrap();
    let written = view.written();
    let end = &written[written.rfind(LEAVE).unwrap()..];
    assert!(end.contains(CURSOR) && !end.contains(ENTER), "{when}: the last output was {end:?}");
    assert!(view.is_cooked().unwrap(), "{when}: the settings are not those of a shell");
}

#[track_caller]
fn assert_idle(view: &Pty, state: &str) {
    let least = (0..TRIES).map(|_| vitals::cpu_percent(view.pid(), WINDOW).unwrap()).fold(f64::INFINITY, f64::min);
    assert!(least < MOST_IDLE_PERCENT, "{state}: {least} % of a core");
}

#[test]
fn a_view_without_changes_costs_next_to_nothing() {
    if !ready("an idle view") {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    let view = through(&daemon);
    assert_idle(&view, "idle");
    view.press(b"p").unwrap();
    view.wait_for_screen("the pause", |screen| screen.contains("PAUSED")).unwrap();
    assert_idle(&view, "paused");
    view.press(b"p").unwrap();
    let dead = daemon.kill().unwrap();
    view.wait_for_screen("the loss", |screen| screen.contains("no connection")).unwrap();
    assert_idle(&view, "disconnected");
    // It still looks for the daemon.
    let _daemon = dead.replace().unwrap();
    view.wait_for_screen("the return", |screen| !screen.contains("no connection")).unwrap();
    assert_idle(&ended_replay(), "ended");
}

#[test]
fn time_moves_in_an_idle_view() {
    if !ready("the clock of an idle view") {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    let mut view = through(&daemon);
    // The uptime and the time of day are written anew, each time a few cells.
    for _ in 0..3 {
        view.forget();
        view.wait_for("\x1b[?2026h").unwrap();
    }
}

/// Continues a stopped process on drop.
struct Stopped(Pid);

impl Stopped {
    fn new(pid: u32) -> Self {
        let pid = Pid::from_raw(pid.cast_signed()).unwrap();
        kill_process(pid, Signal::STOP).unwrap();
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

#[test]
fn a_stopped_daemon_is_shown_as_silent() {
    if !ready("a stopped daemon") {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    let view = through(&daemon);
    let stopped = Stopped::new(daemon.pid());
    view.wait_for_screen("the silence", |screen| screen.contains("is stopped")).unwrap();
    drop(stopped);
    view.wait_for_screen("the return", |screen| !screen.contains("is stopped")).unwrap();
}

#[test]
fn a_daemon_that_goes_before_its_first_numbers_is_reported() {
    if !ready("a daemon that goes at once") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let view = Pty::start(rstmon(&["top", "--socket", socket.to_str().unwrap()])).unwrap();
    // The answer to the question whether a daemon runs, and no more.
    let (mut asked, _) = listener.accept().unwrap();
    drop(listener);
    asked.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
    view.wait_for_screen("the loss", |screen| screen.contains("no connection")).unwrap();
}

#[test]
fn each_signal_that_ends_the_view_gives_the_terminal_back() {
    if !ready("signals of the view") {
        return;
    }
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut view = ended_replay();
        view.signal(signal).unwrap();
        assert_eq!(view.end().unwrap().code(), Some(0), "{signal:?}");
        assert_given_back(&view, &format!("{signal:?}"));
    }
    let by_default = [
        Signal::QUIT,
        Signal::ABORT,
        Signal::ALARM,
        Signal::USR1,
        Signal::USR2,
        Signal::VTALARM,
        Signal::PROF,
        Signal::XCPU,
    ];
    for signal in by_default {
        let mut view = ended_replay();
        view.signal(signal).unwrap();
        assert_eq!(view.end().unwrap().signal(), Some(signal.as_raw()));
        assert_given_back(&view, &format!("{signal:?}"));
    }
}

#[test]
fn a_stopped_view_gives_the_terminal_back_and_takes_it_again() {
    if !ready("a stopped view") {
        return;
    }
    let mut view = ended_replay();
    // By a signal, as from `kill -TSTP`, and by the key.
    for by_key in [false, true] {
        view.forget();
        if by_key {
            view.press(b"\x1a").unwrap();
        } else {
            view.signal(Signal::TSTP).unwrap();
        }
        wait::until_true("a stopped process", SOON, || Ok(view.state()? == 'T')).unwrap();
        assert_given_back(&view, "stopped");
        view.forget();
        view.signal(Signal::CONT).unwrap();
        // All of the screen, not only what has changed.
        view.wait_for(ENTER).unwrap();
        view.wait_for("recording").unwrap();
        assert!(!view.is_cooked().unwrap());
    }
    // SIGSTOP cannot be handled: a shell sets the terminal to its own settings meanwhile.
    view.signal(Signal::STOP).unwrap();
    wait::until_true("a stopped process", SOON, || Ok(view.state()? == 'T')).unwrap();
    view.cook().unwrap();
    view.forget();
    view.signal(Signal::CONT).unwrap();
    view.wait_for(ENTER).unwrap();
    view.wait_for("recording").unwrap();
    assert!(!view.is_cooked().unwrap());
    view.press(b"q").unwrap();
    assert_eq!(view.end().unwrap().code(), Some(0));
    assert_given_back(&view, "the end");
}

/// Redraws until the terminal takes no more.
fn fill(view: &mut Pty) {
    view.stop_reading();
    wait::until_true("a full terminal", SOON, || {
        view.press(REDRAW)?;
        view.is_blocked()
    })
    .unwrap();
}

#[test]
fn a_terminal_that_takes_no_output_does_not_keep_the_view() {
    if !ready("a blocked terminal") {
        return;
    }
    // A connection that is stuck.
    let mut view = ended_replay();
    fill(&mut view);
    view.signal(Signal::TERM).unwrap();
    assert_eq!(view.end().unwrap().code(), Some(0));
    view.read();
    assert_given_back(&view, "a full terminal and SIGTERM");

    // Output that was stopped, as by Ctrl-S.
    let mut view = ended_replay();
    view.stop_output().unwrap();
    view.press(REDRAW).unwrap();
    wait::until_true("a blocked write", SOON, || view.is_blocked()).unwrap();
    view.signal(Signal::TERM).unwrap();
    assert_eq!(view.end().unwrap().code(), Some(0));
    assert_given_back(&view, "stopped output and SIGTERM");

    // Keys still work.
    let mut view = ended_replay();
    fill(&mut view);
    assert_idle(&view, "blocked");
    view.press(b"q").unwrap();
    assert_eq!(view.end().unwrap().code(), Some(0));
    view.read();
    assert_given_back(&view, "a full terminal and q");

    // When the terminal takes output again, the view goes on.
    let mut view = ended_replay();
    fill(&mut view);
    view.read();
    wait::until_true("a drained terminal", SOON, || Ok(!view.is_blocked()?)).unwrap();
    view.forget();
    view.press(b"?").unwrap();
    view.wait_for_screen("suspend", |screen| screen.contains("suspend")).unwrap();
}

#[test]
fn a_report_on_a_blocked_terminal_can_be_interrupted() {
    if !ready("an interrupted report") {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    let socket = daemon.socket();
    for arguments in [&["why", "--for", "1s"][..], &["why", "--for", "1s", "--socket", socket.to_str().unwrap()]] {
        for signal in [Signal::INT, Signal::TERM] {
            let mut terminal = Pty::start(rstmon(arguments)).unwrap();
            terminal.wait_for("Ctrl-C reports now").unwrap();
            terminal.stop_output().unwrap();
            wait::until_true("a blocked write", SOON, || terminal.is_blocked()).unwrap();
            terminal.signal(signal).unwrap();
            assert_eq!(terminal.end().unwrap().signal(), Some(signal.as_raw()), "{arguments:?}");
        }
    }
}

#[test]
fn a_vanished_terminal_ends_each_command_without_a_panic() {
    if !ready("a vanished terminal") {
        return;
    }
    let daemon = DaemonProcess::start().unwrap();
    let socket = daemon.socket();
    let socket = socket.to_str().unwrap();
    for (arguments, shows) in [
        (&["top", "--socket", socket][..], "exact counts"),
        (&["tail", "--socket", socket], "Ctrl-C ends"),
        (&["tail", "--standalone"], "Ctrl-C ends"),
        (&["why", "--for", "1h"], "Ctrl-C reports"),
    ] {
        // The commands must not depend on the signal: `nohup` ignores it.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(daemon::binary().unwrap()).args(arguments);
        let mut terminal = Pty::start(command).unwrap();
        terminal.wait_for(shows).unwrap();
        assert_eq!(terminal.hang_up().unwrap().code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn a_closed_standard_error_is_no_panic() {
    if !ready("a closed standard error") {
        return;
    }
    let nowhere = ["--socket", "/nonexistent/rstmon.sock"];
    for (arguments, code) in [
        (&["tail", nowhere[0], nowhere[1]][..], 1),
        (&["why", nowhere[0], nowhere[1]], 1),
        (&["top", "--once", nowhere[0], nowhere[1]], 1),
        (&["top"], 2),
        (&["causes", "no-such-cause"], 2),
        (&["doctor", "--config", "/nonexistent/rstmon.toml"], 2),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = rstmon(arguments);
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(writer).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn the_terminal_is_asked_nothing_that_it_would_have_to_answer() {
    if !ready("a silent terminal") {
        return;
    }
    // From its first byte on.
    let mut view = Pty::start(rstmon(&["top", "--replay", &recording(), "--speed", "0"])).unwrap();
    view.wait_for("recording").unwrap();
    view.press(REDRAW).unwrap();
    view.press(b"q").unwrap();
    assert_eq!(view.end().unwrap().code(), Some(0));
    assert_given_back(&view, "the end");
    let written = view.written();
    for query in ["\x1b[6n", "\x1b[5n", "\x1b[c", "\x1b[0c", "\x1b[>c", "\x1b[?u", "\x1b]11;?"] {
        assert!(!written.contains(query), "it asked {query:?}");
    }
}

#[test]
fn a_dumb_terminal_gets_no_full_screen_and_no_colours() {
    if !ready("a dumb terminal") {
        return;
    }
    let replay = recording();
    let on = |term: &str, arguments: &[&str]| -> Result<(Option<i32>, String)> {
        let mut command = rstmon(arguments);
        command.env("TERM", term);
        let mut terminal = Pty::start(command)?;
        let status = terminal.end()?;
        // Everything has been written; the reader may still be at it.
        wait::until_true("a line", SOON, || Ok(terminal.written().ends_with('\n')))?;
        Ok((status.code(), terminal.written()))
    };
    for term in ["dumb", ""] {
        let (code, text) = on(term, &["top", "--replay", &replay]).unwrap();
        assert_eq!(code, Some(2), "TERM={term}: {text}");
        assert!(text.contains("top --once") && !text.contains('\x1b'), "TERM={term}: {text:?}");
        for arguments in
            [&["why", "--replay", &replay][..], &["causes", "keepalive_race"], &["top", "--replay", &replay, "--once"]]
        {
            let (code, text) = on(term, arguments).unwrap();
            assert_eq!(code, Some(0), "TERM={term} {arguments:?}: {text}");
            assert!(!text.contains('\x1b'), "TERM={term} {arguments:?}: {text:?}");
        }
    }
    let (_, text) = on("xterm", &["why", "--replay", &replay]).unwrap();
    assert!(text.contains('\x1b'), "other terminals have colours: {text:?}");
}

#[test]
fn a_large_paste_is_taken_or_refused_at_once() {
    if !ready("a large paste") {
        return;
    }
    let large = "port=80 quit ".repeat(20_000 / 13);
    let mut view = ended_replay();
    // Its letters are no commands.
    view.press(format!("{}{large}{}", PASTE[0], PASTE[1]).as_bytes()).unwrap();
    view.wait_for("paste").unwrap();
    view.press(b"/").unwrap();
    view.wait_for_screen("filter:", |screen| screen.contains("filter:")).unwrap();
    view.press(format!("{}{large}{}", PASTE[0], PASTE[1]).as_bytes()).unwrap();
    view.wait_for_screen("4096", |screen| screen.contains("4096")).unwrap();
    // A smaller one is taken, line ends as blanks.
    view.press(format!("{}severity=harmful\nport=8080{}\r", PASTE[0], PASTE[1]).as_bytes()).unwrap();
    view.wait_for_screen("severity=harmful", |screen| screen.contains("severity=harmful")).unwrap();
    view.forget();
    // From a terminal without bracketed paste, as keys.
    view.press(b"/").unwrap();
    view.wait_for_screen("filter:", |screen| screen.contains("filter:")).unwrap();
    view.press("x".repeat(20_000).as_bytes()).unwrap();
    view.wait_for_screen("4096", |screen| screen.contains("4096")).unwrap();
    view.press(b"\x03q").unwrap();
    assert_eq!(view.end().unwrap().code(), Some(0));
    assert_given_back(&view, "the end");
}

/// Starts a command and reads its first line, which is left open.
fn first_line(mut command: Command) -> (Child, String, impl Sized) {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    (child, line, output)
}

#[test]
fn a_command_ends_with_its_reader() {
    if !ready("tail and head") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let daemon = DaemonProcess::start().unwrap();
    let socket = daemon.socket();
    let socket = socket.to_str().unwrap();
    close::with_unread_data(&stage).unwrap();
    for arguments in [
        &["tail", "--socket", socket, "-n", "1", "--json"][..],
        &["tail", "--socket", socket],
        &["tail", "--standalone"],
    ] {
        let (child, line, output) = first_line(rstmon(arguments));
        assert!(!line.is_empty(), "{arguments:?}");
        // As `head -1` does. No reset follows that would let it notice by writing.
        drop(output);
        assert_ended(child, arguments);
    }
    // Nothing is written before the end.
    for arguments in [
        &["why", "--for", "1h"][..],
        &["why", "--for", "1h", "--socket", socket],
        &["top", "--once", "--for", "1h", "--socket", socket],
        &["top", "--standalone", "--once", "--for", "1h"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut command = rstmon(arguments);
        let child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        drop(command);
        wait::until_true("the command to wait for its reader", SOON, || waits_for_reader(child.id())).unwrap();
        drop(reader);
        assert_ended(child, arguments);
    }
    open::refused(&stage).unwrap();
}

fn waits_for_reader(pid: u32) -> Result<bool> {
    let names = rstmon_tests::threads::of(pid)?;
    Ok(names.into_values().any(|name| name == "rstmon-reader"))
}

#[track_caller]
fn assert_ended(mut child: Child, arguments: &[&str]) {
    let ended = wait::until("its end", SOON, || Ok(child.try_wait()?));
    let _ = child.kill();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(ended.unwrap().code(), Some(0), "{arguments:?}: {said}");
    assert!(!Path::new(&format!("/proc/{}/task", child.id())).exists() || child.wait().is_ok());
}
