//! What a guest says of its tests (`tests/src/bin/kernel-vm/report.rs`), line by line, and what becomes of it here.

use std::time::Duration;

/// One line out of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The kernel's release, at the beginning.
    Kernel(String),
    /// What `rstmon doctor --json` says.
    Doctor(String),
    /// A test has begun.
    Begun(String),
    /// A test came to its end.
    Test { name: String, took: Duration, verdict: Verdict },
    /// A part of the test before is not possible, and why.
    LeftOut(String),
    /// More on the test before: why it failed, why it is not possible.
    Detail(String),
    /// All tests are done; how many there are.
    End { tests: usize },
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed,
    Failed,
    /// This kernel cannot do it.
    NotPossible,
}

impl Said {
    /// Reads a line; `None` for what is not ours.
    pub(super) fn read(line: &str) -> Option<Self> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let verdict = match verb {
            "passed" => Verdict::Passed,
            "failed" => Verdict::Failed,
            "impossible" => Verdict::NotPossible,
            "kernel" => return Some(Self::Kernel(rest.to_owned())),
            "doctor" => return Some(Self::Doctor(rest.to_owned())),
            "begun" => return Some(Self::Begun(rest.to_owned())),
            "without" => return Some(Self::LeftOut(rest.to_owned())),
            "|" => return Some(Self::Detail(rest.to_owned())),
            "end" => return Some(Self::End { tests: rest.parse().ok()? }),
            _ => return None,
        };
        let (millis, name) = rest.split_once(' ')?;
        Some(Self::Test { name: name.to_owned(), took: Duration::from_millis(millis.parse().ok()?), verdict })
    }
}

/// A test on one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Test {
    /// File and function.
    pub(super) name: String,
    pub(super) took: Duration,
    pub(super) verdict: Verdict,
    /// Parts that were not possible, each with the reason.
    pub(super) left_out: Vec<String>,
    /// Why it failed, or is not possible.
    pub(super) detail: Vec<String>,
}

/// Everything that one guest has said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// As `uname -r` says it; empty until the guest has.
    pub(super) release: String,
    /// The report of `rstmon doctor --json`.
    pub(super) doctor: Option<serde_json::Value>,
    /// The tests that came to an end.
    pub(super) tests: Vec<Test>,
    /// The test that has begun and not ended.
    pub(super) current: Option<String>,
    /// How many tests there were, once the guest has come to its end.
    pub(super) announced: Option<usize>,
}

impl Record {
    /// What comes of a guest that says these lines.
    #[cfg(test)]
    pub(super) fn said(lines: &[&str]) -> Self {
        let mut record = Self::default();
        lines.iter().filter_map(|line| Said::read(line)).for_each(|said| record.take(said));
        record
    }

    /// Takes a line into account.
    pub(super) fn take(&mut self, said: Said) {
        match said {
            Said::Kernel(release) => self.release = release,
            Said::Doctor(json) => self.doctor = serde_json::from_str(&json).ok(),
            Said::Begun(name) => self.current = Some(name),
            Said::Test { name, took, verdict } => {
                self.current = None;
                self.tests.push(Test { name, took, verdict, left_out: Vec::new(), detail: Vec::new() });
            }
            Said::LeftOut(part) => self.tests.last_mut().map(|test| test.left_out.push(part)).unwrap_or_default(),
            Said::Detail(line) => self.tests.last_mut().map(|test| test.detail.push(line)).unwrap_or_default(),
            Said::End { tests } => self.announced = Some(tests),
        }
    }

    /// Whether rstmon can work on this kernel, as its doctor says.
    pub(super) fn usable(&self) -> Option<bool> {
        self.doctor.as_ref()?["usable"].as_bool()
    }

    /// The test of that name.
    pub(super) fn test(&self, name: &str) -> Option<&Test> {
        self.tests.iter().find(|test| test.name == name)
    }

    /// How many tests ended so.
    pub(super) fn count(&self, verdict: Verdict) -> usize {
        self.tests.iter().filter(|test| test.verdict == verdict).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_run_is_kept() {
        let mut record = Record::default();
        let lines = [
            "kernel 6.1.0-1-cloud-amd64",
            "doctor {\"usable\":true}",
            "begun causes::every",
            "passed 1250 causes::every",
            "without refused, sent: hidden before 6.10",
            "noise of the kernel",
            "failed 20 owners::one",
            "| why",
            "impossible 3 coverage::all",
            "| OutRsts",
            "begun why::last",
            "end 4",
        ];
        for said in lines.iter().filter_map(|line| Said::read(line)) {
            record.take(said);
        }
        assert_eq!((record.release.as_str(), record.usable()), ("6.1.0-1-cloud-amd64", Some(true)));
        assert_eq!((record.current.as_deref(), record.announced), (Some("why::last"), Some(4)));
        let counts = [Verdict::Passed, Verdict::Failed, Verdict::NotPossible].map(|verdict| record.count(verdict));
        assert_eq!(counts, [1, 1, 1]);
        let test = record.test("causes::every").expect("it passed");
        assert_eq!((test.took, test.left_out.len()), (Duration::from_millis(1250), 1));
        assert_eq!(record.test("coverage::all").expect("it ended").detail, ["OutRsts"]);
    }

    #[test]
    fn half_a_line_is_not_taken_for_a_verdict() {
        for line in ["passed", "passed 12", "failed x y", "end", "end soon", ""] {
            assert_eq!(Said::read(line), None, "{line}");
        }
    }
}
