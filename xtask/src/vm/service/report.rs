//! The guest's report on its checks (`tests/src/bin/service-vm/report.rs`): parses, prints and counts its lines.

use std::time::Duration;

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CheckLine {
    /// A check has ended.
    Check { passed: bool, took: Duration, name: String },
    /// Detail on the check before it: why it failed, the journal.
    Detail(String),
    /// The last check has ended; `checks` is their number.
    End { checks: usize },
    /// The check program has ended; with its exit status.
    Gone(String),
}

impl CheckLine {
    /// Parses a line; `None` if it is no part of the report.
    pub(super) fn read(line: &str) -> Option<Self> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "passed" | "failed" => {
                let (millis, name) = rest.split_once(' ')?;
                let took = Duration::from_millis(millis.parse().ok()?);
                Some(Self::Check { passed: verb == "passed", took, name: name.to_owned() })
            }
            "|" => Some(Self::Detail(rest.to_owned())),
            "end" => Some(Self::End { checks: rest.parse().ok()? }),
            "gone" => Some(Self::Gone(rest.to_owned())),
            _ => None,
        }
    }

    /// The line as it is printed for the user.
    pub(super) fn display(&self) -> Option<String> {
        match self {
            Self::Check { passed, took, name } => {
                let verdict = if *passed { "passed" } else { "FAILED" };
                Some(format!("  {verdict} {:6.1} s  {name}", took.as_secs_f64()))
            }
            Self::Detail(text) => Some(format!("           {text}")),
            Self::End { .. } | Self::Gone(_) => None,
        }
    }
}

/// The results so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CheckTally {
    pub(super) passed: usize,
    pub(super) failed: Vec<String>,
}

impl CheckTally {
    pub(super) fn count(&mut self, said: &CheckLine) {
        match said {
            CheckLine::Check { passed: true, .. } => self.passed += 1,
            CheckLine::Check { passed: false, name, .. } => self.failed.push(name.clone()),
            CheckLine::Detail(_) | CheckLine::End { .. } | CheckLine::Gone(_) => {}
        }
    }

    /// The number of checks that have ended.
    pub(super) fn total(&self) -> usize {
        self.passed + self.failed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_counted_and_shown() {
        let mut tally = CheckTally::default();
        let lines = ["passed 1250 starting", "failed 20 a b c", "| why", "end 2", "gone 1", "systemd[1]: noise", ""];
        let said: Vec<CheckLine> = lines.iter().filter_map(|line| CheckLine::read(line)).collect();
        for said in &said {
            tally.count(said);
        }
        assert_eq!(tally, CheckTally { passed: 1, failed: vec!["a b c".to_owned()] });
        assert_eq!(tally.total(), 2);
        assert_eq!(said[0].display().as_deref(), Some("  passed    1.2 s  starting"));
        assert_eq!(said[1].display().as_deref(), Some("  FAILED    0.0 s  a b c"));
        assert_eq!(said[3..], [CheckLine::End { checks: 2 }, CheckLine::Gone("1".to_owned())]);
    }

    #[test]
    fn half_a_line_is_not_taken_for_a_verdict() {
        for line in ["passed", "passed 12", "passed x y", "end", "end soon"] {
            assert_eq!(CheckLine::read(line), None, "{line}");
        }
    }
}
