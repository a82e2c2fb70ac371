//! Files that are not what they should be: pipes, devices, directories, a gibibyte of zeros, a hundred thousand nested
//! lists, in place of every file that rstmon is given. No command waits for them, and a running daemon keeps serving.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{
    daemon::{self, DaemonProcess, StderrLog},
    vitals::{self, CpuUsage},
    wait::{self, SOON},
};
use rustix::{
    fs::{CWD, FileType, Mode, mknodat},
    process::{Pid, Signal, kill_process},
};
use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Exit code of wrong configuration.
const USAGE: i32 = 2;
/// Exit code of a failure at run time.
const FAILED: i32 = 1;

/// What is put in place of a file, and a part of the message about it.
const HOSTILE: [(&str, &str); 4] =
    [("pipe", "a pipe"), ("device", "a device"), ("directory", "a directory"), ("zeros", "larger than")];

/// Nested lists, which the parser of the first releases took ten seconds for.
const LEVELS: usize = 100_000;

/// Puts something hostile at `path`, in place of what is there.
fn put(kind: &str, path: &Path) {
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
    match kind {
        "pipe" => mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap(),
        // Number 1, 5 is /dev/zero.
        "device" => {
            mknodat(CWD, path, FileType::CharacterDevice, Mode::from_raw_mode(0o600), rustix::fs::makedev(1, 5))
                .unwrap();
        }
        "directory" => fs::create_dir(path).unwrap(),
        "zeros" => File::create(path).and_then(|file| file.set_len(1 << 30)).unwrap(),
        "brackets" => fs::write(path, "[".repeat(LEVELS)).unwrap(),
        other => panic!("{other}"),
    }
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `rstmon` with these arguments; returns its exit code and its standard error. An error if it waits.
fn run(arguments: &[String]) -> Result<(Option<i32>, String)> {
    let mut command = Command::new(daemon::binary().context("no rstmon")?);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = Ended(command.spawn()?);
    let said = StderrLog::collect(child.0.stderr.take().context("no stderr")?);
    let status = wait::until(&format!("rstmon {arguments:?} to end"), SOON, || Ok(child.0.try_wait()?))?;
    // The pipe is closed with the process; the collecting thread may still be at it.
    let text = wait::until("a message", SOON, || Ok(Some(said.text()).filter(|text| !text.is_empty())))?;
    Ok((status.code(), text))
}

fn assert_refused(arguments: &[String], code: i32, part: &str) {
    let (found, said) = run(arguments).unwrap();
    assert_eq!(found, Some(code), "rstmon {arguments:?} said:\n{said}");
    assert!(said.contains(part) && !said.contains("panicked"), "{part:?} is not in:\n{said}");
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn no_start_waits_for_a_file() {
    if !daemon::unless_ready("hostile files at the start") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let (hostile, web, main) = (file("hostile"), file("web.yml"), file("rstmon.toml"));
    fs::write(&main, "").unwrap();
    let with_main = |path: &Path| vec!["run".to_owned(), "--check".to_owned(), format!("--config={}", text(path))];
    let with_web = |path: &Path| {
        let mut arguments = with_main(&main);
        arguments.push(format!("--web.config.file={}", text(path)));
        arguments
    };
    for (kind, part) in HOSTILE {
        put(kind, &hostile);
        assert_refused(&with_main(&hostile), USAGE, part);
        assert_refused(&with_web(&hostile), USAGE, part);
        // Only the file in question has to be there: it is read first, or the others have the same fault.
        for keys in ["cert_file: hostile, key_file: hostile", "cert: x, key_file: hostile"] {
            fs::write(&web, format!("tls_server_config: {{{keys}}}")).unwrap();
            assert_refused(&with_web(&web), USAGE, part);
        }
        fs::write(&web, "tls_server_config: {cert: x, key: x, client_ca_file: hostile}").unwrap();
        assert_refused(&with_web(&web), USAGE, part);
    }
    put("brackets", &hostile);
    assert_refused(&with_web(&hostile), USAGE, "nested deeper");
    fs::write(&hostile, format!("[metrics]\nlabels = {}", "[".repeat(LEVELS))).unwrap();
    assert_refused(&with_main(&hostile), USAGE, "hostile:2");
}

#[test]
fn the_lock_beside_the_socket_may_be_no_pipe() {
    if !daemon::unless_ready("hostile lock") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (socket, config) = (directory.path().join("s"), directory.path().join("rstmon.toml"));
    fs::write(&config, "").unwrap();
    let listen = format!("--web.listen-address={}", daemon::free_address().unwrap());
    let arguments =
        ["run".to_owned(), listen, format!("--socket={}", text(&socket)), format!("--config={}", text(&config))];
    for (kind, _) in &HOSTILE[..3] {
        let lock = directory.path().join("s.lock");
        put(kind, &lock);
        assert_refused(&arguments, FAILED, "s.lock exists and is no regular file");
    }
}

#[test]
fn recordings_are_regular_files() {
    if !daemon::unless_ready("hostile recordings") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let hostile = directory.path().join("hostile");
    // A directory stands for the recordings in it.
    for (kind, part) in [HOSTILE[0], HOSTILE[1], ("directory", "has no recordings")] {
        put(kind, &hostile);
        for command in [vec!["why"], vec!["tail"], vec!["top", "--once"]] {
            let mut arguments: Vec<String> = command.into_iter().map(str::to_owned).collect();
            arguments.extend(["--replay".to_owned(), text(&hostile)]);
            assert_refused(&arguments, USAGE, part);
        }
    }
    put("brackets", &hostile);
    assert_refused(&["why".to_owned(), "--replay".to_owned(), text(&hostile)], USAGE, "holds no events");
}

/// A daemon with a web configuration that sets a header, and the path of that file.
fn with_web_config(directory: &Path) -> (DaemonProcess, PathBuf) {
    let web = directory.join("web.yml");
    write_web_config(&web, "deny");
    let config = format!("[web]\nconfig_file = {:?}\n[log]\nlevel = \"info\"\n", text(&web));
    (DaemonProcess::configured(&config).unwrap(), web)
}

fn write_web_config(path: &Path, value: &str) {
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
    fs::write(path, format!("http_server_config: {{headers: {{X-Frame-Options: {value}}}}}\n")).unwrap();
}

/// The daemon answers, with the header that this web configuration sets.
fn assert_serves(daemon: &DaemonProcess, value: &str) {
    let mut stream = TcpStream::connect(daemon.address()).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: test\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{error} after {answer:?}"));
    let (head, _) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no header in {answer:?}"));
    assert!(head.starts_with("HTTP/1.1 200") || head.starts_with("HTTP/1.0 200"), "{head}");
    assert!(head.contains(&format!("x-frame-options: {value}")), "{value} is not in:\n{head}");
}

#[test]
fn metrics_survive_what_replaces_the_web_configuration() {
    if !daemon::unless_ready("hostile web configuration") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (daemon, web) = with_web_config(directory.path());
    for _ in 0..20 {
        assert_serves(&daemon, "deny");
    }
    let (before, peak) = (CpuUsage::of(daemon.pid()).unwrap(), vitals::peak_kib(daemon.pid()).unwrap());
    let mut value = ["sameorigin", "deny"].into_iter().cycle();
    let mut last = "deny";
    for (kind, _) in HOSTILE.into_iter().chain([("brackets", "")]) {
        put(kind, &web);
        for _ in 0..20 {
            assert_serves(&daemon, last);
        }
        last = value.next().unwrap();
        write_web_config(&web, last);
        assert_serves(&daemon, last);
    }
    let used = Duration::from_nanos(CpuUsage::of(daemon.pid()).unwrap().since(before).cpu_ns);
    // A hundred scrapes by a debug build. One parse of the brackets took ten seconds, and each scrape parsed.
    assert!(used < Duration::from_secs(20), "{used:?} of CPU time for some scrapes");
    let grown = vitals::peak_kib(daemon.pid()).unwrap().saturating_sub(peak);
    assert!(grown < 8 << 10, "the peak of the memory grew by {grown} KiB");
    daemon.stop().unwrap();
}

/// Sends SIGHUP and waits until the log has `part` once more than before.
fn reload(daemon: &DaemonProcess, part: &str) -> Result<()> {
    let count = || daemon.said().matches(part).count();
    let before = count();
    let pid = Pid::from_raw(i32::try_from(daemon.pid())?).context("a pid")?;
    kill_process(pid, Signal::HUP)?;
    let seen = wait::until_true(&format!("{part:?} in the log"), SOON, || Ok(count() > before));
    seen.with_context(|| daemon.said())?;
    ensure!(daemon.get("/-/healthy")?.status == 200, "it does not answer after the reload");
    Ok(())
}

#[test]
fn reloads_survive_what_replaces_the_configuration() {
    if !daemon::unless_ready("hostile configuration") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (daemon, web) = with_web_config(directory.path());
    let main = daemon.socket().with_file_name("rstmon.toml");
    let good = fs::read_to_string(&main).unwrap();
    for (kind, part) in HOSTILE {
        put(kind, &main);
        reload(&daemon, part).unwrap();
        put(kind, &web);
        reload(&daemon, "web configuration refused").unwrap();
        write_web_config(&web, "deny");
        let _ = fs::remove_file(&main).or_else(|_| fs::remove_dir(&main));
        fs::write(&main, &good).unwrap();
        reload(&daemon, "configuration read again").unwrap();
    }
    daemon.stop().unwrap();
}

#[test]
fn a_reload_applies_both_files_or_none() {
    if !daemon::unless_ready("reload of both files") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let (daemon, web) = with_web_config(directory.path());
    let main = daemon.socket().with_file_name("rstmon.toml");
    let good = fs::read_to_string(&main).unwrap();
    // Good, and with a change that the log shows when it is applied.
    let changed = good.clone() + "[history]\nevents = 5\n";
    fs::write(&main, &changed).unwrap();
    fs::write(&web, "no key: of the format").unwrap();
    reload(&daemon, "nothing was reloaded").unwrap();
    assert!(!daemon.said().contains("history.events"), "half a reload:\n{}", daemon.said());
    write_web_config(&web, "sameorigin");
    fs::write(&main, format!("{changed}[nothing]\n")).unwrap();
    reload(&daemon, "configuration refused, nothing was reloaded").unwrap();
    assert!(!daemon.said().contains("web configuration and certificates read again"), "{}", daemon.said());
    fs::write(&main, &changed).unwrap();
    reload(&daemon, "web configuration and certificates read again").unwrap();
    assert!(daemon.said().contains("history.events"), "{}", daemon.said());
    assert_serves(&daemon, "sameorigin");
    daemon.stop().unwrap();
}
