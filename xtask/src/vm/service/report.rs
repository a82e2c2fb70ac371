//! What the guest says of its checks (`tests/src/bin/service-vm/report.rs`), line by line, and what becomes of it here.

use std::time::Duration;

/// One line out of the guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A check came to its end.
    Check { passed: bool, took: Duration, name: String },
    /// More on the check before: why it failed, the journal.
    Detail(String),
    /// All checks are done; how many there are.
    End { checks: usize },
    /// The program with the checks is gone; how it ended.
    Gone(String),
}

impl Said {
    /// Reads a line; `None` for what is not ours.
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

    /// The line for a person.
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

/// The checks so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: Vec<String>,
}

impl Tally {
    /// Counts a line.
    pub(super) fn count(&mut self, said: &Said) {
        match said {
            Said::Check { passed: true, .. } => self.passed += 1,
            Said::Check { passed: false, name, .. } => self.failed.push(name.clone()),
            Said::Detail(_) | Said::End { .. } | Said::Gone(_) => {}
        }
    }

    /// How many checks there were.
    pub(super) fn total(&self) -> usize {
        self.passed + self.failed.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_counted_and_shown() {
        let mut tally = Tally::default();
        let lines = ["passed 1250 starting", "failed 20 a b c", "| why", "end 2", "gone 1", "systemd[1]: noise", ""];
        let said: Vec<Said> = lines.iter().filter_map(|line| Said::read(line)).collect();
        for said in &said {
            tally.count(said);
        }
        assert_eq!(tally, Tally { passed: 1, failed: vec!["a b c".to_owned()] });
        assert_eq!(tally.total(), 2);
        assert_eq!(said[0].display().as_deref(), Some("  passed    1.2 s  starting"));
        assert_eq!(said[1].display().as_deref(), Some("  FAILED    0.0 s  a b c"));
        assert_eq!(said[3..], [Said::End { checks: 2 }, Said::Gone("1".to_owned())]);
    }

    #[test]
    fn half_a_line_is_not_taken_for_a_verdict() {
        for line in ["passed", "passed 12", "passed x y", "end", "end soon"] {
            assert_eq!(Said::read(line), None, "{line}");
        }
    }
}
