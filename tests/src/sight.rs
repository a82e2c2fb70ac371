//! What rstmon can see on the running kernel according to `rstmon doctor`, from which tests derive what to expect. No
//! test checks the kernel's version.

use crate::{
    daemon, judge,
    scene::{Direction, Expected, Scene},
    skip,
};
use anyhow::{Context as _, Result};
use serde_json::Value;
use std::{env, fs, sync::OnceLock};

/// Environment variable: a file with the output of `rstmon doctor --json`, for machines where it takes long.
pub const REPORT: &str = "RSTMON_TEST_DOCTOR";

/// A report of `rstmon doctor`: which aspects of a reset rstmon sees on a kernel.
#[derive(Clone, Debug)]
pub struct Sight(Value);

/// The reason why a reset cannot be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden(pub String);

impl Sight {
    /// The report for the running kernel. `rstmon doctor` runs once in each process.
    ///
    /// # Errors
    /// When `rstmon doctor` fails.
    pub fn of_kernel() -> Result<&'static Self> {
        static SIGHT: OnceLock<Sight> = OnceLock::new();
        if let Some(sight) = SIGHT.get() {
            return Ok(sight);
        }
        let report = match env::var_os(REPORT) {
            Some(path) => fs::read(&path).with_context(|| path.display().to_string())?,
            None => daemon::rstmon(&["doctor", "--json"])?.stdout,
        };
        let report: Value = serde_json::from_slice(&report).context("rstmon doctor --json")?;
        Ok(SIGHT.get_or_init(|| Self(report)))
    }

    /// How clearly an aspect is seen (`exact`, `less_certain` or `unseen`), and why not better.
    ///
    /// # Panics
    /// When the report lacks the aspect: a misspelt name must not be taken for an aspect that is not seen.
    #[must_use]
    pub fn of(&self, aspect: &str) -> (&str, &str) {
        let all = self.0["shows"].as_array().map_or(&[][..], Vec::as_slice);
        let found = all.iter().find(|one| one["aspect"] == aspect);
        let Some(found) = found else { panic!("rstmon doctor does not report {aspect}: {}", self.0) };
        (found["clarity"].as_str().unwrap_or_default(), found["why"].as_str().unwrap_or_default())
    }

    /// What to expect of a reset on this kernel, derived from what to expect on a kernel that shows everything.
    ///
    /// # Errors
    /// Why it cannot be seen.
    pub fn expect(&self, reset: &Expected) -> Result<Expected, Hidden> {
        let mut expected = reset.clone();
        let Some(reason) = reset.reason.filter(|_| reset.direction == Direction::Sent) else { return Ok(expected) };
        let aspect = match reason {
            "no_socket" => "sent_without_socket",
            "tcp_timewait_socket" => "sent_time_wait",
            _ => "sent_with_socket",
        };
        if let ("unseen", why) = self.of(aspect) {
            return Err(Hidden(why.to_owned()));
        }
        match self.of("reason").0 {
            "exact" => {}
            "unseen" => expected.reason = Some("unsupported"),
            _ => expected.reason = None,
        }
        if self.of("cause").0 != "exact" {
            match reset.verdict_without_reason {
                Some(other) => expected.verdict = other,
                None if judge::needs_reason(reset) => expected.verdict.1 = "likely",
                None => {}
            }
        }
        Ok(expected)
    }

    /// The resets of a scene that can be seen, as they are to be expected; records the others as left out of the test.
    #[must_use]
    pub fn of_scene(&self, name: &str, scene: &Scene) -> Vec<Expected> {
        let seen = scene.resets.iter().filter_map(|reset| match self.expect(reset) {
            Ok(expected) => Some(expected),
            Err(Hidden(why)) => {
                skip::left_out(&format!("{name}, {}", reset.direction.word()), &why);
                None
            }
        });
        seen.collect()
    }
}

/// Whether test `name` is possible on this kernel: all of `aspects` have to be seen. Records it as not possible if not.
///
/// # Panics
/// When `rstmon doctor` fails.
#[must_use]
pub fn unless_unseen(name: &str, aspects: &[&str]) -> bool {
    unless(name, aspects, |clarity| clarity == "unseen")
}

/// Whether test `name` is possible on this kernel: all of `aspects` have to be seen exactly. Records it as not possible
/// if not.
///
/// # Panics
/// When `rstmon doctor` fails.
#[must_use]
pub fn unless_blurred(name: &str, aspects: &[&str]) -> bool {
    unless(name, aspects, |clarity| clarity != "exact")
}

fn unless(name: &str, aspects: &[&str], hidden: fn(&str) -> bool) -> bool {
    let sight = Sight::of_kernel().unwrap_or_else(|error| panic!("{error:#}"));
    let found = aspects.iter().map(|aspect| sight.of(aspect)).find(|(clarity, _)| hidden(clarity));
    if let Some((_, why)) = found {
        skip::not_possible(name, why);
    }
    found.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::End;
    use serde_json::json;
    use std::net::SocketAddr;

    fn sight(clarity: &[(&str, &str)]) -> Sight {
        let names = ["sent_without_socket", "sent_time_wait", "sent_with_socket", "reason", "cause"];
        let shows: Vec<Value> = names
            .iter()
            .map(|name| {
                let clarity = clarity.iter().find(|(other, _)| other == name).map_or("exact", |(_, clarity)| clarity);
                json!({"aspect": name, "clarity": clarity, "why": "because"})
            })
            .collect();
        Sight(json!({ "shows": shows }))
    }

    fn end() -> End {
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        End { pid: 7, comm: "web".to_owned(), local: address(80), remote: address(4000) }
    }

    #[test]
    fn everything_is_expected_where_everything_is_seen() {
        let reset = Expected::sent(&end(), "tcp_abort_on_linger", "fin_wait2").because("linger_abort", "certain");
        let expected = sight(&[]).expect(&reset).expect("seen");
        assert_eq!((expected.reason, expected.verdict), (reset.reason, reset.verdict));
    }

    #[test]
    fn without_a_reason_there_is_none_and_less_certainty() {
        let old = sight(&[("reason", "unseen"), ("cause", "less_certain")]);
        let reset = Expected::sent(&end(), "tcp_abort_on_linger", "fin_wait2").because("linger_abort", "certain");
        let expected = old.expect(&reset).expect("seen");
        assert_eq!((expected.reason, expected.verdict.1), (Some("unsupported"), "likely"));
        let received = Expected::received(&end(), "established").because("refused", "certain");
        assert_eq!(old.expect(&received).expect("seen").verdict.1, "certain", "received resets never had one");
    }

    #[test]
    fn what_is_unseen_is_not_expected() {
        let blind = sight(&[("sent_without_socket", "unseen"), ("reason", "unseen")]);
        let reset = Expected::sent_without_socket(end().local, end().remote, "no_socket");
        assert_eq!(blind.expect(&reset).expect_err("hidden"), Hidden("because".to_owned()));
        assert!(sight(&[("sent_time_wait", "unseen")]).expect(&reset).is_ok());
    }
}
