//! What to make of end-to-end tests that did not run. They say so in a file, one line each: `SKIPPED: name: why`, or
//! `NOT POSSIBLE: name: why` and `LEFT OUT: part: why` for what this machine's kernel cannot do.

/// Tests were skipped where none may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} end-to-end tests were skipped, and with CI=true none may be:\n  {}", .0.len(), .0.join("\n  "))]
pub(super) struct Skipped(Vec<String>);

/// How the line of a test begins that could have run.
const SKIPPED: &str = "SKIPPED: ";

/// Reads the log of skipped tests: fine if empty; a fault in CI, if they could have run; else something to be told.
pub(super) fn judge(log: &str, ci: bool) -> Result<Option<String>, Skipped> {
    let lines = || log.lines().map(str::trim).filter(|line| !line.is_empty());
    let skipped: Vec<String> = lines().filter_map(|line| line.strip_prefix(SKIPPED)).map(str::to_owned).collect();
    if ci && !skipped.is_empty() {
        return Err(Skipped(skipped));
    }
    let mut told = lines().filter(|line| !line.starts_with(SKIPPED)).map(str::to_owned).collect::<Vec<_>>();
    if !skipped.is_empty() {
        let count = skipped.len();
        told.push(format!(
            "!!! {count} end-to-end tests were SKIPPED, so they have shown nothing:\n  {}",
            skipped.join("\n  ")
        ));
    }
    Ok((!told.is_empty()).then(|| told.join("\n")))
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
    fn what_the_kernel_cannot_do_is_told_and_no_fault() {
        let log = "NOT POSSIBLE: SCM_RIGHTS: reads are not followed\nLEFT OUT: refused, sent: hidden\n";
        let report = judge(log, true).expect("no fault").expect("a report");
        assert!(
            report.contains("NOT POSSIBLE: SCM_RIGHTS") && report.contains("LEFT OUT: refused"),
            "found `{report}`"
        );
        assert!(judge(&format!("{log}{LOG}"), true).is_err());
    }

    #[test]
    fn skipping_is_told_elsewhere() {
        let report = judge(LOG, false).expect("no error").expect("a report");
        assert!(report.contains("2 end-to-end tests were SKIPPED"), "found `{report}`");
        assert!(report.contains("\n  accept_hook: kernel lockdown"), "found `{report}`");
    }
}
