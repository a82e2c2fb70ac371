//! Saying out loud that a test did not run, and why: a test that passes without having tested is a lie.

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

/// Environment variable: the file to which each skipped test is appended, one line each.
pub const SKIP_LOG: &str = "RSTMON_SKIP_LOG";

/// How the line of a test begins that did not run though it could have.
pub const SKIPPED: &str = "SKIPPED: ";

/// How the line of a test begins that did not run because this kernel cannot do what it is about.
pub const NOT_POSSIBLE: &str = "NOT POSSIBLE: ";

/// How the line of a part of a test begins that this kernel cannot do; the rest of the test has run.
pub const LEFT_OUT: &str = "LEFT OUT: ";

/// Notes that test `name` is skipped because of `why`, on stderr and in the file that [`SKIP_LOG`] names.
pub fn note(name: &str, why: &str) {
    log(&format!("{SKIPPED}{name}: {why}\n"));
}

/// Notes that test `name` cannot be on this kernel, because of `why`.
pub fn not_possible(name: &str, why: &str) {
    log(&format!("{NOT_POSSIBLE}{name}: {why}\n"));
}

/// Notes that a test has done without `part`, which cannot be on this kernel because of `why`.
pub fn left_out(part: &str, why: &str) {
    log(&format!("{LEFT_OUT}{part}: {why}\n"));
}

fn log(line: &str) {
    // A test's captured output is lost when it passes, hence the file as well. Neither may fail the test.
    let _ = io::stderr().write_all(line.as_bytes());
    if let Some(path) = env::var_os(SKIP_LOG)
        && let Ok(mut log) = OpenOptions::new().create(true).append(true).open(path)
    {
        let _ = log.write_all(line.as_bytes());
    }
}

/// Whether test `name` can run: root is needed for namespaces, sysctls and raw sockets. Notes the skip if not.
#[must_use]
pub fn unless_root(name: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        note(name, "needs root");
    }
    root
}

/// Whether every one of the `tools` is installed. Notes the skip of test `name` if not.
#[must_use]
pub fn unless_installed(name: &str, tools: &[&str]) -> bool {
    let missing: Vec<&str> = tools.iter().copied().filter(|tool| find(tool).is_none()).collect();
    if !missing.is_empty() {
        note(name, &format!("not installed: {}", missing.join(", ")));
    }
    missing.is_empty()
}

/// The path of an installed tool, looked for in `PATH` and in the administrator's directories.
#[must_use]
pub fn find(tool: &str) -> Option<std::path::PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin"].map(|dir| Path::new(dir).to_path_buf()))
        .map(|dir| dir.join(tool))
        .find(|candidate| candidate.is_file())
}
