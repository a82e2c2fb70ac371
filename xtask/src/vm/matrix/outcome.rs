//! The guest's report on its tests (`tests/src/bin/kernel-vm/report.rs`): parses its lines and collects the results.

use std::time::Duration;

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TestLine {
    /// The kernel's release, which is the first line.
    Kernel(String),
    /// The output of `rstmon doctor --json`.
    Doctor(String),
    /// A test has begun.
    Begun(String),
    /// A test has ended.
    Test { name: String, took: Duration, verdict: TestVerdict },
    /// The part of the test before it that is not possible, with the reason.
    LeftOut(String),
    /// Detail on the test before it: why it failed, why it is not possible.
    Detail(String),
    /// The last test has ended; `tests` is their number.
    End { tests: usize },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TestVerdict {
    Passed,
    Failed,
    /// The test cannot run on this kernel.
    NotPossible,
}

impl TestLine {
    /// Parses a line; `None` if it is no part of the report.
    pub(super) fn read(line: &str) -> Option<Self> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let verdict = match verb {
            "passed" => TestVerdict::Passed,
            "failed" => TestVerdict::Failed,
            "impossible" => TestVerdict::NotPossible,
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

/// The result of a test on one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TestResult {
    pub(super) name: String,
    pub(super) took: Duration,
    pub(super) verdict: TestVerdict,
    /// Parts that were not possible, each with the reason.
    pub(super) left_out: Vec<String>,
    /// Why it failed, or why it is not possible.
    pub(super) detail: Vec<String>,
}

/// The collected report of one guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GuestRecord {
    /// As printed by `uname -r`; empty until it is reported.
    pub(super) release: String,
    /// The report of `rstmon doctor --json`.
    pub(super) doctor: Option<serde_json::Value>,
    /// The tests that have ended.
    pub(super) tests: Vec<TestResult>,
    /// The test that has begun and not ended.
    pub(super) current: Option<String>,
    /// The number of tests, once the guest has reported its end.
    pub(super) announced: Option<usize>,
}

impl GuestRecord {
    /// The record of a guest that reports these lines.
    #[cfg(test)]
    pub(super) fn said(lines: &[&str]) -> Self {
        let mut record = Self::default();
        lines.iter().filter_map(|line| TestLine::read(line)).for_each(|said| record.take(said));
        record
    }

    /// Adds a line of the report.
    pub(super) fn take(&mut self, said: TestLine) {
        match said {
            TestLine::Kernel(release) => self.release = release,
            TestLine::Doctor(json) => self.doctor = serde_json::from_str(&json).ok(),
            TestLine::Begun(name) => self.current = Some(name),
            TestLine::Test { name, took, verdict } => {
                self.current = None;
                self.tests.push(TestResult { name, took, verdict, left_out: Vec::new(), detail: Vec::new() });
            }
            TestLine::LeftOut(part) => self.tests.last_mut().map(|test| test.left_out.push(part)).unwrap_or_default(),
            TestLine::Detail(line) => self.tests.last_mut().map(|test| test.detail.push(line)).unwrap_or_default(),
            TestLine::End { tests } => self.announced = Some(tests),
        }
    }

    /// Whether `rstmon doctor` says that rstmon can work on this kernel; `None` if it did not answer.
    pub(super) fn usable(&self) -> Option<bool> {
        self.doctor.as_ref()?["usable"].as_bool()
    }

    pub(super) fn test(&self, name: &str) -> Option<&TestResult> {
        self.tests.iter().find(|test| test.name == name)
    }

    /// The number of tests that ended with `verdict`.
    pub(super) fn count(&self, verdict: TestVerdict) -> usize {
        self.tests.iter().filter(|test| test.verdict == verdict).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_run_is_kept() {
        let mut record = GuestRecord::default();
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
        for said in lines.iter().filter_map(|line| TestLine::read(line)) {
            record.take(said);
        }
        assert_eq!((record.release.as_str(), record.usable()), ("6.1.0-1-cloud-amd64", Some(true)));
        assert_eq!((record.current.as_deref(), record.announced), (Some("why::last"), Some(4)));
        let counts =
            [TestVerdict::Passed, TestVerdict::Failed, TestVerdict::NotPossible].map(|verdict| record.count(verdict));
        assert_eq!(counts, [1, 1, 1]);
        let test = record.test("causes::every").expect("it passed");
        assert_eq!((test.took, test.left_out.len()), (Duration::from_millis(1250), 1));
        assert_eq!(record.test("coverage::all").expect("it ended").detail, ["OutRsts"]);
    }

    #[test]
    fn half_a_line_is_not_taken_for_a_verdict() {
        for line in ["passed", "passed 12", "failed x y", "end", "end soon", ""] {
            assert_eq!(TestLine::read(line), None, "{line}");
        }
    }
}
