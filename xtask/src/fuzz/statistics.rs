//! Parses libFuzzer's output at the end of a run.

use std::path::PathBuf;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct RunStatistics {
    /// Number of inputs run.
    pub(super) runs: u64,
    /// Number of inputs run per second.
    pub(super) runs_per_second: u64,
    /// Number of inputs that reached new code.
    pub(super) new_inputs: u64,
    /// Peak resident memory.
    pub(super) peak_mib: u64,
}

/// From the lines `stat::name: number` that `-print_final_stats=1` asks for; a missing number is 0.
pub(super) fn parse(log: &str) -> RunStatistics {
    let stat = |name: &str| {
        let mut value =
            log.lines().filter_map(|line| line.strip_prefix("stat::")?.strip_prefix(name)?.strip_prefix(':'));
        value.next_back().and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    };
    RunStatistics {
        runs: stat("number_of_executed_units"),
        runs_per_second: stat("average_exec_per_sec"),
        new_inputs: stat("new_units_added"),
        peak_mib: stat("peak_rss_mb"),
    }
}

/// The file that libFuzzer wrote the crashing input to.
pub(super) fn crashing_input(log: &str) -> Option<PathBuf> {
    log.lines()
        .filter_map(|line| line.split_once("Test unit written to "))
        .next_back()
        .map(|(_, path)| path.trim().into())
}

/// The panic's message, or else libFuzzer's own error.
pub(super) fn message(log: &str) -> Option<String> {
    let mut lines = log.lines();
    if let Some(place) = lines.by_ref().find(|line| line.contains("' panicked at ") || line.contains(") panicked at "))
    {
        let place = place.split_once(" panicked at ").map_or(place, |(_, place)| place);
        return Some(format!("{place} {}", lines.next().unwrap_or_default()));
    }
    log.lines().find_map(|line| line.split_once("ERROR: ")).map(|(_, error)| error.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: &str = "#2\tINITED cov: 5\n#100\tDONE\nDone 3205 runs in 61 second(s)\n\
        stat::number_of_executed_units: 3205\nstat::average_exec_per_sec:     52\nstat::new_units_added:          17\n\
        stat::slowest_unit_time_sec:    0\nstat::peak_rss_mb:              88\n";

    const LOUD: &str = "\nthread '<unnamed>' (23684) panicked at src/config.rs:44:5:\nthe error has '\\u{202e}' in it\n\
        stack backtrace:\n==7== ERROR: libFuzzer: deadly signal\n\
        artifact_prefix='/f/'; Test unit written to /f/crash-00ff\nBase64: eA==\n";

    #[test]
    fn figures_are_read() {
        let expected = RunStatistics { runs: 3205, runs_per_second: 52, new_inputs: 17, peak_mib: 88 };
        assert_eq!(parse(QUIET), expected);
        assert_eq!(parse("killed"), RunStatistics::default());
    }

    #[test]
    fn a_panic_is_reported_with_its_location_and_its_input() {
        assert_eq!(crashing_input(LOUD), Some("/f/crash-00ff".into()));
        assert_eq!(message(LOUD).as_deref(), Some("src/config.rs:44:5: the error has '\\u{202e}' in it"));
    }

    #[test]
    fn other_errors_are_reported_as_libfuzzer_words_them() {
        let hang = "==1== ERROR: libFuzzer: timeout after 10 seconds\n";
        assert_eq!(message(hang).as_deref(), Some("libFuzzer: timeout after 10 seconds"));
        assert_eq!((message(QUIET), crashing_input(QUIET)), (None, None));
    }
}
