//! Selects the files of the end-to-end suite that depend on the kernel. The others are listed here with the reason:
//! under emulation they are slow, and their result is the same on every kernel.

/// Files of `tests/tests` that are not part of the matrix, with the reason.
pub(super) const EXCLUDED: &[(&str, &str)] = &[
    ("formats", "the metrics' formats do not depend on the kernel; needs promtool and Python"),
    ("hostile_http", "the web server under attack: user space only"),
    ("robustness", "signals, descriptors, passwords: user space only"),
    (
        "hostile_names",
        "floods of a hundred thousand connections: minutes under emulation; `counting` has a smaller one",
    ),
    ("hostile_tls", "the web server's certificates: user space only"),
    ("oom", "a cgroup with a memory limit, which the guest does not have: user space reads its count of kills"),
    ("past", "times and recordings: user space only"),
    ("programs", "programs of others and a packet filter: they do the same on every kernel"),
    ("prometheus", "a real Prometheus: user space only"),
    ("access", "access to the daemon's socket: user space only; the service's virtual machine tests users and groups"),
    ("stress", "an interruption of the reliability suite: user space only"),
    ("service", "the life of a service: the service's own virtual machine tests it under systemd"),
    ("store", "files of the daemon: user space only; needs mount"),
    ("top", "a terminal: user space only"),
    ("terminals", "signals and terminals: user space only"),
    ("switches", "a program that no package has: user space only"),
];

/// What CI runs: every hook and every fallback, each cause, each provenance of an owner, exact counts, and agreement
/// with the kernel's counters. The rest runs with `--full`.
const CORE: [&str; 8] =
    ["refusal::", "causes::", "clock::", "coverage::", "joined::", "owners::", "types::", "counting::each_scenario"];

/// Tests whose result differs without trampolines.
const BARE: [&str; 4] = ["causes::", "coverage::what", "owners::", "counting::each_scenario"];

/// The selection of tests.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Parts of test names, if only some tests are wanted.
    pub(super) only: Vec<String>,
    /// Run the whole matrix instead of its core.
    pub(super) full: bool,
}

impl Scope {
    /// Parts of the names of the tests to run on a kernel; empty for all tests.
    pub(super) fn parts(&self, trampolines: bool) -> Vec<&str> {
        match (self.only.is_empty(), trampolines, self.full) {
            (false, ..) => self.only.iter().map(String::as_str).collect(),
            (true, false, _) => BARE.to_vec(),
            (true, true, false) => CORE.to_vec(),
            (true, true, true) => Vec::new(),
        }
    }
}

/// Whether a file of tests is part of the matrix.
pub(super) fn includes(file: &str) -> bool {
    EXCLUDED.iter().all(|(excluded, _)| *excluded != file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    #[test]
    fn names_on_the_command_line_are_all_that_runs() {
        let only = Scope { only: vec!["why::".to_owned()], full: true };
        assert_eq!((only.parts(true), only.parts(false)), (vec!["why::"], vec!["why::"]));
        assert!(Scope { full: true, ..Scope::default() }.parts(true).is_empty());
        assert_eq!(Scope::default().parts(true), CORE);
        assert_eq!(Scope::default().parts(false), BARE);
    }

    /// The root of a test target: `NAME.rs`, or `NAME/main.rs`.
    fn root_of(target: &str) -> PathBuf {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/tests");
        let file = tests.join(target).with_extension("rs");
        if file.is_file() { file } else { tests.join(target).join("main.rs") }
    }

    #[test]
    fn what_is_excluded_exists() {
        for (file, why) in EXCLUDED {
            assert!(root_of(file).is_file(), "no tests/tests/{file}.rs");
            assert!(!why.is_empty(), "{file} is excluded for no reason");
        }
        for part in CORE.iter().chain(&BARE).filter(|part| **part != "refusal::") {
            let (file, test) = part.split_once("::").expect("FILE::PART");
            let content = std::fs::read_to_string(root_of(file)).expect("a file of tests");
            assert!(includes(file) && content.contains(&format!("fn {test}")), "nothing is called {part}");
        }
        assert!(includes("scenarios") && includes("causes") && !includes("top"));
    }
}
