//! The systemd units checked by systemd itself: no warnings, and no more exposure than documented.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The highest exposure level of the service, in tenths, as docs/security.md says.
const EXPOSURE: &str = "15";
const UNITS: [&str; 2] = ["rstmon.service", "rstmon.socket"];

fn packaged(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging").join(name)
}

/// Runs systemd-analyze. Reports a skipped test and returns `None` if it is not installed.
fn analyze(arguments: &[&str], files: &[PathBuf]) -> Option<Output> {
    match Command::new("systemd-analyze").args(arguments).args(files).output() {
        Ok(output) => Some(output),
        Err(error) => {
            // Written to the file descriptor, past the harness, which captures the output of tests that pass.
            let line = format!("\nSKIPPED {arguments:?}: systemd-analyze: {error}; `cargo xtask setup` installs it\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            None
        }
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn systemd_has_nothing_to_remark() {
    // Side by side, as they are installed, with a program that exists on every system.
    let directory = tempfile::tempdir().unwrap();
    let files = UNITS.map(|name| {
        let text = fs::read_to_string(packaged(name)).unwrap();
        let path = directory.path().join(name);
        fs::write(&path, text.replace("ExecStart=/usr/bin/rstmon ", "ExecStart=/bin/true ")).unwrap();
        path
    });
    // The manual pages are installed with the package only.
    let Some(output) = analyze(&["verify", "--man=no"], &files) else { return };
    assert!(output.status.success() && said(&output).is_empty(), "systemd-analyze verify says:\n{}", said(&output));
}

#[test]
fn a_mistake_in_a_unit_would_be_remarked() {
    let directory = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(packaged("rstmon.service")).unwrap();
    let path = directory.path().join("rstmon.service");
    fs::write(
        &path,
        text.replace("ExecStart=/usr/bin/rstmon ", "ExecStart=/bin/true ").replace("PrivateTmp", "PrivTmp"),
    )
    .unwrap();
    let Some(output) = analyze(&["verify", "--man=no"], &[path]) else { return };
    assert!(said(&output).contains("PrivTmp"), "systemd-analyze verify says:\n{}", said(&output));
}

#[test]
fn the_service_is_no_more_exposed_than_promised() {
    let threshold = format!("--threshold={EXPOSURE}");
    let Some(output) = analyze(&["security", "--offline=yes", &threshold], &[packaged("rstmon.service")]) else {
        return;
    };
    assert!(output.status.success(), "{}", said(&output));
}

/// The lines of a unit without comments.
fn settings(name: &str) -> Vec<String> {
    let text = fs::read_to_string(packaged(name)).unwrap();
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn what_the_daemon_relies_on_is_set() {
    let service = settings("rstmon.service");
    for line in [
        "Type=notify",
        "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'",
        "WatchdogSec=30s",
        "Restart=on-failure",
        "AmbientCapabilities=CAP_BPF CAP_PERFMON",
        "CapabilityBoundingSet=CAP_BPF CAP_PERFMON",
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "PrivateTmp=yes",
        "RuntimeDirectory=rstmon",
        "RuntimeDirectoryMode=0755",
    ] {
        assert!(service.iter().any(|found| found == line), "no `{line}` in {service:#?}");
    }
    for prefix in ["MemoryMax=", "SystemCallFilter=@system-service bpf landlock_create_ruleset "] {
        assert!(service.iter().any(|found| found.starts_with(prefix)), "no `{prefix}` in {service:#?}");
    }
    let socket = settings("rstmon.socket");
    for line in ["ListenStream=127.0.0.1:10474", "ListenStream=/run/rstmon/rstmon.sock", "SocketMode=0660"] {
        assert!(socket.iter().any(|found| found == line), "no `{line}` in {socket:#?}");
    }
}
