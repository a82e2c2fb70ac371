//! The reliability suite, interrupted in the middle of a scenario: it reports the signal and cleans up.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rstmon_tests::{
    bpf::{self, ObjectKind},
    daemon::{self, StderrLog},
    skip,
    wait::{self, LATER, SOON},
};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The suite with one scenario, in a process group of its own as under a shell; ended at the latest on drop.
struct Suite {
    child: Child,
    said: StderrLog,
}

impl Suite {
    fn start(scenario: &str) -> Self {
        use std::os::unix::process::CommandExt as _;

        let mut command = Command::new(env!("CARGO_BIN_EXE_stress"));
        command.args(["--full", "--only", scenario]).process_group(0).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = StderrLog::collect(child.stderr.take().unwrap());
        Self { child, said }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// The paths of its namespaces.
    fn namespaces(&self) -> Vec<PathBuf> {
        let prefix = format!("rstmon-test-{}-", self.child.id());
        let Ok(entries) = fs::read_dir("/run/netns") else { return Vec::new() };
        let names = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
        names.map(|entry| entry.path()).collect()
    }
}

impl Drop for Suite {
    fn drop(&mut self) {
        // No signal is sent if the process has already been reaped: its id may belong to another one.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = kill_process(self.pid(), Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

/// Parent and name of each process that is not a zombie.
fn processes() -> BTreeMap<u32, (u32, String)> {
    let stat = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (head, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
        (state != "Z").then(|| (pid, (parent, head.split_once('(').map_or("", |(_, name)| name).to_owned())))
    };
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(stat).collect()
}

/// All descendants of a process, with their names.
fn descendants(of: u32) -> BTreeMap<u32, String> {
    let all = processes();
    let (mut found, mut parents) = (BTreeMap::new(), vec![of]);
    while let Some(parent) = parents.pop() {
        for (pid, (_, name)) in all.iter().filter(|(_, (its, _))| *its == parent) {
            found.insert(*pid, name.clone());
            parents.push(*pid);
        }
    }
    found
}

/// The directory and the BPF objects of a process, if it is a daemon that has loaded its objects.
fn holdings(pid: u32) -> Option<(PathBuf, BTreeSet<(ObjectKind, u32)>)> {
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
    let socket = command.split('\0').find_map(|word| word.strip_prefix("--socket="))?;
    let objects = bpf::held_by(pid).ok().filter(|objects| !objects.is_empty())?;
    Some((Path::new(socket).parent()?.to_owned(), objects))
}

/// Interrupts the suite while a process whose name begins with `busy` is running.
fn interrupt(scenario: &str, busy: &str, signal: Signal, whole_group: bool) {
    let mut suite = Suite::start(scenario);
    let (mut family, mut held) = (BTreeMap::new(), None);
    wait::until_true("the load to be on", LATER, || {
        assert_eq!(suite.child.try_wait()?, None, "it ended early; stderr:\n{}", suite.said.text());
        family = descendants(suite.child.id());
        held = family.keys().find_map(|pid| holdings(*pid));
        let begun = suite.said.text().contains(&format!("stress: {scenario}\n"));
        Ok(begun && held.is_some() && family.values().any(|name| name.starts_with(busy)))
    })
    .unwrap();
    let (directory, objects) = held.unwrap();
    assert!(!suite.namespaces().is_empty() && directory.exists());

    // A terminal interrupts the whole process group: the suite's tools, daemons and actors get the signal as well.
    let send = if whole_group { kill_process_group } else { kill_process };
    send(suite.pid(), signal).unwrap();
    let status = wait::until("the suite to end", SOON, || Ok(suite.child.try_wait()?)).unwrap();
    assert_eq!(status.code(), Some(128 + signal.as_raw()), "stderr:\n{}", suite.said.text());
    wait::until_true("the name of the signal on stderr", SOON, || Ok(suite.said.text().contains("interrupted by SIG")))
        .unwrap();
    assert_eq!(suite.namespaces(), [""; 0].map(PathBuf::from));
    assert!(!directory.exists(), "{} still exists", directory.display());
    wait::until_true("the processes and BPF objects to be gone", LATER, || {
        let alive = processes();
        let same = |(pid, name): (&u32, &String)| alive.get(pid).is_some_and(|(_, now)| now == name);
        let objects = objects.iter().map(|object| bpf::exists(*object)).collect::<Result<Vec<_>, _>>()?;
        Ok(!family.iter().any(same) && !objects.contains(&true))
    })
    .unwrap();
}

#[test]
fn interrupted_it_cleans_up() {
    if !daemon::unless_ready("stress") || !skip::unless_installed("stress", &["ip"]) {
        return;
    }
    interrupt("kill", "st-storm", Signal::TERM, false);
    interrupt("processes", "st-a", Signal::INT, true);
}
