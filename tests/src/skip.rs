//! Records which tests did not run and why: otherwise they would be counted as passed.

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

/// Environment variable: the file to which a line is appended for each skipped test.
pub const SKIP_LOG: &str = "RSTMON_SKIP_LOG";

/// Prefix of the line of a test that was skipped although it could have run.
pub const SKIPPED: &str = "SKIPPED: ";

/// Prefix of the line of a test that did not run because it is not possible on this kernel.
pub const NOT_POSSIBLE: &str = "NOT POSSIBLE: ";

/// Prefix of the line of a part of a test that is not possible on this kernel; the rest of the test has run.
pub const LEFT_OUT: &str = "LEFT OUT: ";

/// Records that test `name` is skipped because of `why`, on stderr and in the file that [`SKIP_LOG`] names.
pub fn note(name: &str, why: &str) {
    log(&format!("{SKIPPED}{name}: {why}\n"));
}

/// Records that test `name` is not possible on this kernel because of `why`.
pub fn not_possible(name: &str, why: &str) {
    log(&format!("{NOT_POSSIBLE}{name}: {why}\n"));
}

/// Records that `part` of a test is left out because it is not possible on this kernel, because of `why`.
pub fn left_out(part: &str, why: &str) {
    log(&format!("{LEFT_OUT}{part}: {why}\n"));
}

fn log(line: &str) {
    // The captured output of a test that passes is lost, hence the file. A failed write must not fail the test.
    let _ = io::stderr().write_all(line.as_bytes());
    if let Some(path) = env::var_os(SKIP_LOG)
        && let Ok(mut log) = OpenOptions::new().create(true).append(true).open(path)
    {
        let _ = log.write_all(line.as_bytes());
    }
}

/// Whether test `name` can run as root, which namespaces, sysctls and raw sockets need. Records a skipped test if not.
#[must_use]
pub fn unless_root(name: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        note(name, "needs root");
    }
    root
}

/// Whether all `tools` are installed. Records test `name` as skipped if not.
#[must_use]
pub fn unless_installed(name: &str, tools: &[&str]) -> bool {
    let missing: Vec<&str> = tools.iter().copied().filter(|tool| find(tool).is_none()).collect();
    if !missing.is_empty() {
        note(name, &format!("not installed: {}", missing.join(", ")));
    }
    missing.is_empty()
}

/// The path of an installed tool, searched in `PATH` and in the administrator's directories.
#[must_use]
pub fn find(tool: &str) -> Option<std::path::PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(|dir| Path::new(dir).to_path_buf()))
        .map(|dir| dir.join(tool))
        .find(|candidate| candidate.is_file())
}
