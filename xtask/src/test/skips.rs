//! What to make of end-to-end tests that did not run. They say so in a file, one line each: `SKIPPED: name: why`.

/// Tests were skipped where none may be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} end-to-end tests were skipped, and with CI=true none may be:\n  {}", .0.len(), .0.join("\n  "))]
pub(super) struct Skipped(Vec<String>);

/// Reads the log of skipped tests: fine if empty, a fault in CI, else something to be told.
pub(super) fn judge(log: &str, ci: bool) -> Result<Option<String>, Skipped> {
    let lines: Vec<String> = log
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| line.replacen("SKIPPED: ", "", 1))
        .collect();
    match (lines.len(), ci) {
        (0, _) => Ok(None),
        (_, true) => Err(Skipped(lines)),
        (count, false) => Ok(Some(format!(
            "!!! {count} end-to-end tests were SKIPPED, so they have shown nothing:\n  {}",
            lines.join("\n  ")
        ))),
    }
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
    fn skipping_is_told_elsewhere() {
        let report = judge(LOG, false).expect("no error").expect("a report");
        assert!(report.contains("2 end-to-end tests were SKIPPED"), "found `{report}`");
        assert!(report.contains("\n  accept_hook: kernel lockdown"), "found `{report}`");
    }
}
