//! Evaluates the log of end-to-end tests that did not run. It has one line for each: `SKIPPED: name: why`, or
//! `NOT POSSIBLE: name: why` and `LEFT OUT: part: why` for what the kernel of this machine cannot do.

/// Tests were skipped in CI.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} end-to-end tests were skipped, which is not allowed with CI=true:\n  {}", .0.len(), .0.join("\n  "))]
pub(super) struct Skipped(Vec<String>);

/// Prefix of the line of a test that could have run.
const SKIPPED: &str = "SKIPPED: ";

/// Evaluates the log of skipped tests: `None` if it is empty; in CI an error if a test that could have run was skipped;
/// otherwise a message for the user.
pub(super) fn judge(log: &str, ci: bool) -> Result<Option<String>, Skipped> {
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    let skipped: Vec<String> = lines().filter_map(|line| line.strip_prefix(SKIPPED)).map(str::to_owned).collect();
    if ci && !skipped.is_empty() {
        return Err(Skipped(skipped));
    }
    let mut report = lines().filter(|line| !line.starts_with(SKIPPED)).map(str::to_owned).collect::<Vec<_>>();
    if !skipped.is_empty() {
        let count = skipped.len();
        report.push(format!(
            "!!! {count} end-to-end tests were SKIPPED and have tested nothing:\n  {}",
            skipped.join("\n  ")
        ));
    }
    Ok((!report.is_empty()).then(|| report.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "SKIPPED: accept_hook: kernel lockdown\nSKIPPED: nginx: not installed: nginx\n";

    #[test]
    fn nothing_skipped_is_nothing_to_say() {
        assert_eq!(judge("", true), Ok(None));
        assert_eq!(judge("\n", false), Ok(None));
    }

    #[test]
    fn skipping_fails_in_ci() {
        let error = judge(LOG, true).expect_err("two skipped").to_string();
        assert!(error.starts_with("2 end-to-end tests"), "found `{error}`");
        assert!(error.contains("nginx: not installed"), "found `{error}`");
    }

    #[test]
    fn what_the_kernel_cannot_do_is_reported_and_no_fault() {
        let log = "NOT POSSIBLE: SCM_RIGHTS: reads are not followed\nLEFT OUT: refused, sent: hidden\n";
        let report = judge(log, true).expect("no fault").expect("a report");
        assert!(
            report.contains("NOT POSSIBLE: SCM_RIGHTS") && report.contains("LEFT OUT: refused"),
            "found `{report}`"
        );
        assert!(judge(&format!("{log}{LOG}"), true).is_err());
    }

    #[test]
    fn skipping_is_reported_outside_of_ci() {
        let report = judge(LOG, false).expect("no error").expect("a report");
        assert!(report.contains("2 end-to-end tests were SKIPPED"), "found `{report}`");
        assert!(report.contains("\n  accept_hook: kernel lockdown"), "found `{report}`");
    }
}
