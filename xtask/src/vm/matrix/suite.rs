//! Which files of the end-to-end suite are about what the kernel shows. The rest is named here, with the reason: the
//! matrix is no place for what is the same on every kernel and slow under emulation.

/// A file of `tests/tests` that is not part of the matrix, and why.
pub(super) const EXCLUDED: [(&str, &str); 9] = [
    ("formats", "the metrics' formats do not depend on the kernel; needs promtool and Python"),
    ("hostile_http", "web server under siege: user space only"),
    ("hostile_names", "floods of a hundred thousand connections: minutes under emulation; counting has its own"),
    ("hostile_tls", "web server's certificates: user space only"),
    ("prometheus", "a real Prometheus: user space only"),
    (
        "access",
        "who may use the daemon's socket: user space only; users and groups are the service's virtual machine's",
    ),
    ("stress", "the reliability suite when it is interrupted: user space only"),
    ("service", "the life of a service: the service's own virtual machine tests it under systemd"),
    ("top", "a terminal: user space only"),
];

/// What CI runs: every hook and every fallback, each cause, each way to know an owner, exact counts, and the agreement
/// with the kernel's own. The rest is for `--full`.
const CORE: [&str; 8] =
    ["refusal::", "causes::", "clock::", "coverage::", "joined::", "owners::", "types::", "counting::each_scenario"];

/// What is different without trampolines.
const BARE: [&str; 4] = ["causes::", "coverage::what", "owners::", "counting::each_scenario"];

/// Which tests are asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// Parts of names, if only some tests are wanted.
    pub(super) only: Vec<String>,
    /// All of the matrix, instead of its core.
    pub(super) full: bool,
}

impl Scope {
    /// Parts of the names of the tests to run on a kernel; all tests if there are none.
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

    /// Where cargo finds a target of tests: in a file of its name, or in the main file of a directory of its name.
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
