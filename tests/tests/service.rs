//! rstmon as a service: notifications to its manager, reloads, passed listeners, and the sandbox.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    daemon, http,
    metrics::Metrics,
    scenario::victim,
    service::{ServiceProcess, ServiceSetup},
    skip,
    stage::{Family, Stage},
    threads::{self, Stopped},
    wait::{self, SOON},
    watched::RESETS,
};
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::{fs::FileTypeExt as _, net::UnixListener},
    process::Command,
    time::Duration,
};

/// The most threads that the pool has.
const POOL: usize = 8;

/// The manager's watchdog interval in these tests; the daemon notifies three times as often.
const WATCHDOG: Duration = Duration::from_millis(600);

fn metrics(service: &ServiceProcess) -> Metrics {
    Metrics::parse(&http::get(service.address(), "/metrics").unwrap().body).unwrap()
}

#[test]
fn it_notifies_its_manager_from_start_to_stop() {
    if !daemon::unless_ready("life as a service") {
        return;
    }
    for abstract_manager in [false, true] {
        let mut service = ServiceProcess::launch(ServiceSetup {
            watchdog: Some(WATCHDOG),
            abstract_manager,
            ..ServiceSetup::default()
        })
        .unwrap();
        let ready = service.hear("READY=1").unwrap();
        // The notification comes after the daemon is ready, not before.
        assert_eq!(http::get(service.address(), "/-/ready").unwrap().status, 200);
        assert_eq!(metrics(&service).count("rstmon_hook_attached", &[("hook", "tcp_receive_reset")]), 1);
        assert!(ready.contains("\nSTATUS=watching resets, "), "{ready}");
        for _ in 0..3 {
            service.hear("WATCHDOG=1").unwrap();
        }
        service.reload().unwrap();
        service.hear("WATCHDOG=1").unwrap();
        service.signal(rustix::process::Signal::TERM).unwrap();
        service.hear("STOPPING=1").unwrap();
        assert_eq!(service.end().unwrap().code(), Some(0), "{}", service.said());
    }
}

#[test]
fn no_watchdog_notification_while_any_part_hangs() {
    if !daemon::unless_ready("watchdog") {
        return;
    }
    let service = ServiceProcess::start(ServiceSetup { watchdog: Some(WATCHDOG), ..ServiceSetup::default() }).unwrap();
    // A thread of the pool reads the counts, so every round of the watchdog checks the pool.
    service.hear("WATCHDOG=1").unwrap();
    let main = i32::try_from(service.pid()).unwrap();
    for part in ["main", "rstmon-events", "rstmon-explain", "tokio"] {
        let of_part = |id, name: &str| if part == "main" { id == main } else { name.starts_with(part) };
        let mut stopped = BTreeMap::new();
        let silent = (0..POOL).any(|_| {
            // If a pool thread was stopped just after its work, another one takes over: that is stopped next.
            for (id, _) in threads::of(service.pid()).unwrap().iter().filter(|(id, name)| of_part(**id, name)) {
                stopped.entry(*id).or_insert_with(|| Stopped::new(*id).unwrap());
            }
            assert!(!stopped.is_empty(), "no thread {part}");
            // The round in progress may have checked this part already.
            service.forget().unwrap();
            service.listen(WATCHDOG).unwrap();
            service.listen(2 * WATCHDOG).unwrap().is_none()
        });
        assert!(silent, "{part} hangs, but the watchdog is notified");
        drop(stopped);
        service.hear("WATCHDOG=1").unwrap();
    }
    assert_eq!(service.stop().unwrap().code(), Some(0));
}

/// The ids of the BPF programs that the daemon holds.
fn programs(pid: u32) -> Vec<String> {
    let infos = fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let mut ids: Vec<String> = infos
        .filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok())
        .filter_map(|info| info.lines().find_map(|line| Some(line.strip_prefix("prog_id:")?.trim().to_owned())))
        .collect();
    ids.sort();
    ids
}

/// The number of events in the daemon's history.
fn remembered(service: &ServiceProcess) -> u64 {
    let output = daemon::rstmon(&["why", "--json", "--socket", &service.socket().display().to_string()]).unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    report["events"].as_u64().unwrap()
}

#[test]
fn a_reload_changes_what_can_change_and_names_the_rest() {
    if !daemon::unless_ready("reload") {
        return;
    }
    let stage = Stage::loopback(Family::V4).unwrap();
    let service = ServiceProcess::start(ServiceSetup {
        toml: "[events]\nrate_per_second = 0\n".into(),
        ..ServiceSetup::default()
    })
    .unwrap();
    victim::established(&stage).unwrap();
    let held = programs(service.pid());
    let before = metrics(&service);
    assert!(before.count(RESETS, &[]) > 0, "nothing counted");

    wait::until_true("a remembered event", SOON, || Ok(remembered(&service) > 0)).unwrap();
    service
        .replace("rstmon.toml", "[log]\nformat = \"json\"\n[events]\nring_bytes = 8192\n[history]\nevents = 0\n")
        .unwrap();
    let status = service.reload().unwrap();
    assert!(status.contains("restart to apply: events.ring_bytes, events.rate_per_second"), "{status}");
    assert_eq!(remembered(&service), 0, "history.events = 0");
    wait::until_true("the log to turn into JSON", SOON, || {
        Ok(service.said().lines().any(|line| line.starts_with('{') && line.contains("restart to apply: events.ring")))
    })
    .unwrap();

    service.replace("rstmon.toml", "[log]\nformat = \"text\"\nlevl = 1\n").unwrap();
    let status = service.reload().unwrap();
    assert!(status.contains("configuration refused") && status.contains("rstmon.toml:3"), "{status}");
    wait::until_true("the refusal in the log, in JSON still", SOON, || {
        Ok(service.said().lines().any(|line| line.starts_with('{') && line.contains("nothing was reloaded")))
    })
    .unwrap();

    fs::remove_file(service.file("rstmon.toml")).unwrap();
    assert!(service.reload().unwrap().contains("configuration refused"));
    assert_eq!(programs(service.pid()), held, "hooks were changed");
    let after = metrics(&service);
    for sample in before.samples.iter().filter(|sample| sample.name == RESETS) {
        let labels: Vec<(&str, &str)> = sample.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert!(after.count(RESETS, &labels) >= before.count(RESETS, &labels), "{sample:?} fell");
    }
    victim::established(&stage).unwrap();
    assert!(metrics(&service).count(RESETS, &[]) > after.count(RESETS, &[]), "it no longer counts");
}

/// A certificate or key of the unit tests.
fn certificate(name: &str, kind: &str) -> String {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../rstmon/src/serve/testdata");
    fs::read_to_string(format!("{directory}/test-only-{name}.{kind}")).unwrap()
}

/// The certificate that a server presents.
fn shown(service: &ServiceProcess) -> String {
    let script = "import ssl, sys; print(ssl.get_server_certificate((sys.argv[1], int(sys.argv[2]))))";
    let (ip, port) = (service.address().ip().to_string(), service.address().port().to_string());
    let output = Command::new(skip::find("python3").unwrap()).args(["-c", script, &ip, &port]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split_whitespace().collect()
}

#[test]
fn a_reload_renews_certificates_and_keeps_the_old_ones_when_the_new_are_wrong() {
    if !daemon::unless_ready("certificates") || !skip::unless_installed("certificates", &["python3"]) {
        return;
    }
    let expected = |name| {
        let text: String = certificate(name, "crt").split_whitespace().collect();
        // The text before it says that it is for tests only.
        text[text.find("-----BEGIN").unwrap()..].to_owned()
    };
    let files = vec![
        ("server.crt", certificate("a", "crt")),
        ("server.key", certificate("a", "key")),
        ("web.yml", "tls_server_config: {cert_file: server.crt, key_file: server.key}\n".to_owned()),
    ];
    let service = ServiceProcess::start(ServiceSetup { files, ..ServiceSetup::default() }).unwrap();
    assert_eq!(shown(&service), expected("a"));

    service.replace("server.crt", "no certificate\n").unwrap();
    let status = service.reload().unwrap();
    assert!(status.contains("web configuration refused"), "{status}");
    assert_eq!(shown(&service), expected("a"));

    service.replace("server.crt", &certificate("b", "crt")).unwrap();
    service.replace("server.key", &certificate("b", "key")).unwrap();
    let status = service.reload().unwrap();
    assert!(!status.contains("refused"), "{status}");
    assert_eq!(shown(&service), expected("b"));

    fs::remove_file(service.file("server.key")).unwrap();
    assert!(service.reload().unwrap().contains("web configuration refused"));
    assert_eq!(shown(&service), expected("b"));
}

#[test]
fn a_running_daemon_reads_no_file_out_of_reach() {
    if !daemon::unless_ready("reach") {
        return;
    }
    let files = vec![("web.yml", "http_server_config: {headers: {X-Frame-Options: deny}}\n".to_owned())];
    let service = ServiceProcess::start(ServiceSetup { files, ..ServiceSetup::default() }).unwrap();
    wait::until_true("the log of the start", SOON, || Ok(service.said().contains("watching resets"))).unwrap();
    if !service.said().contains("landlock=applied") {
        return skip::note("reach", "this kernel has no Landlock");
    }
    // Root may read it, and so could the daemon before it was confined.
    let elsewhere = tempfile::tempdir().unwrap();
    for kind in ["crt", "key"] {
        fs::write(elsewhere.path().join(kind), certificate("a", kind)).unwrap();
    }
    let at = elsewhere.path().display();
    service.replace("web.yml", &format!("tls_server_config: {{cert_file: {at}/crt, key_file: {at}/key}}\n")).unwrap();
    let status = service.reload().unwrap();
    assert!(status.contains("web configuration refused") && status.contains("Permission denied"), "{status}");
}

#[test]
fn it_serves_on_the_listeners_that_it_is_handed() {
    if !daemon::unless_ready("socket activation") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("passed.sock");
    let tcp = [TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("[::1]:0").unwrap()];
    let unix = UnixListener::bind(&path).unwrap();
    let addresses = [tcp[0].local_addr().unwrap(), tcp[1].local_addr().unwrap()];
    let passed = || {
        vec![unix.try_clone().unwrap().into(), tcp[0].try_clone().unwrap().into(), tcp[1].try_clone().unwrap().into()]
    };
    // Twice: the listeners belong to the manager and outlive the service.
    for _ in 0..2 {
        let service = ServiceProcess::start(ServiceSetup { passed: passed(), ..ServiceSetup::default() }).unwrap();
        for address in addresses {
            assert_eq!(http::get(address, "/-/ready").unwrap().status, 200, "{address}");
        }
        http::get(service.address(), "/-/ready").expect_err("the configured address is not listened on");
        assert!(!service.socket().exists(), "the configured socket was made");
        let output = daemon::rstmon(&["why", "--json", "--socket", &path.display().to_string()]).unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(service.stop().unwrap().code(), Some(0));
        assert!(fs::metadata(&path).unwrap().file_type().is_socket(), "the manager's socket was removed");
    }
}

#[test]
fn a_descriptor_that_does_not_listen_is_reported() {
    if !daemon::unless_ready("wrong descriptor") {
        return;
    }
    let file = tempfile::tempfile().unwrap();
    let mut service =
        ServiceProcess::launch(ServiceSetup { passed: vec![file.into()], ..ServiceSetup::default() }).unwrap();
    assert_eq!(service.end().unwrap().code(), Some(1), "{}", service.said());
    wait::until_true("the reason", SOON, || Ok(service.said().contains("no listening TCP or Unix stream socket")))
        .unwrap();
}

/// `CAP_BPF` (39), which is kept after the programs are loaded; `CAP_PERFMON` is not.
const ONE_CAPABILITY: &str = "0000008000000000";

#[test]
fn every_thread_has_one_capability_and_the_sandbox() {
    if !daemon::unless_ready("confinement") {
        return;
    }
    let service = ServiceProcess::start(ServiceSetup { watchdog: Some(WATCHDOG), ..ServiceSetup::default() }).unwrap();
    // Including threads started later.
    metrics(&service);
    service.reload().unwrap();
    service.hear("WATCHDOG=1").unwrap();
    let expected = [
        ("CapEff", ONE_CAPABILITY),
        ("CapPrm", ONE_CAPABILITY),
        ("CapInh", "0000000000000000"),
        ("CapAmb", "0000000000000000"),
        ("CapBnd", ONE_CAPABILITY),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
    ];
    for (field, expected) in expected {
        let found = threads::status(service.pid(), field).unwrap();
        assert!(found.len() >= 4, "threads of every part: {found:?}");
        assert!(found.values().all(|value| value == expected), "{field} is {found:?}");
    }
    wait::until_true("the report on the sandbox in the log", SOON, || {
        let said = service.said();
        Ok(said.contains("no_new_privileges=applied landlock=") && said.contains("seccomp=applied"))
    })
    .unwrap();
}

#[test]
fn the_sandbox_can_be_turned_off_but_for_new_privileges() {
    if !daemon::unless_ready("no sandbox") {
        return;
    }
    let service =
        ServiceProcess::start(ServiceSetup { toml: "[security]\nsandbox = false\n".into(), ..ServiceSetup::default() })
            .unwrap();
    let values = |field| threads::status(service.pid(), field).unwrap().into_values().collect::<Vec<_>>();
    assert!(values("Seccomp").iter().all(|value| value == "0"));
    assert!(values("NoNewPrivs").iter().all(|value| value == "1"));
    assert!(values("CapEff").iter().all(|value| value == ONE_CAPABILITY));
}

#[test]
fn a_standalone_tail_is_confined() {
    if !daemon::unless_ready("standalone confinement") {
        return;
    }
    let tail = rstmon_tests::tail::Tail::standalone(&[]).unwrap();
    for (field, expected) in [("CapEff", ONE_CAPABILITY), ("NoNewPrivs", "1"), ("Seccomp", "2")] {
        let found = threads::status(tail.pid(), field).unwrap();
        assert!(found.values().all(|value| value == expected), "{field} is {found:?}");
    }
}
