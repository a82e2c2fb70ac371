//! The table of a session, and advice on crashes.

use super::session::{Crash, RunOutcome};
use std::fmt;

#[derive(Clone, Debug, Default)]
pub(super) struct SessionReport {
    pub(super) outcomes: Vec<RunOutcome>,
}

impl SessionReport {
    /// The number of targets that crashed.
    pub(super) fn crashes(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.crash.is_some()).count()
    }
}

impl fmt::Display for SessionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<12} {:>10} {:>8} {:>10} {:>9} {:>8}",
            "target", "runs", "runs/s", "new inputs", "peak MiB", "crashes"
        )?;
        for RunOutcome { target, statistics, crash } in &self.outcomes {
            let (runs, rate, new) = (statistics.runs, statistics.runs_per_second, statistics.new_inputs);
            let (peak, crashes) = (statistics.peak_mib, u8::from(crash.is_some()));
            writeln!(f, "{target:<12} {runs:>10} {rate:>8} {new:>10} {peak:>9} {crashes:>8}")?;
        }
        for outcome in &self.outcomes {
            if let Some(crash) = &outcome.crash {
                advise(f, &outcome.target, crash)?;
            }
        }
        Ok(())
    }
}

fn advise(f: &mut fmt::Formatter<'_>, target: &str, Crash { input, message, program, log }: &Crash) -> fmt::Result {
    writeln!(f, "\n{target} crashed: {message}\n  log:        {}", log.display())?;
    let Some(input) = input else { return Ok(()) };
    let input = input.display();
    writeln!(f, "  input:      {input}")?;
    writeln!(f, "  reproduce:  cargo xtask fuzz {target} --input {input}")?;
    writeln!(f, "  minimise:   {} -minimize_crash=1 -max_total_time=60 {input}", program.display())?;
    writeln!(f, "  once fixed: move it to fuzz/seeds/{target}/ under a name that says what it is: a test runs it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::statistics::RunStatistics;

    fn outcome(crash: Option<Crash>) -> RunOutcome {
        let statistics = RunStatistics { runs: 3205, runs_per_second: 52, new_inputs: 17, peak_mib: 88 };
        RunOutcome { target: "btf".into(), statistics, crash }
    }

    #[test]
    fn a_quiet_run_is_a_row() {
        let report = SessionReport { outcomes: vec![outcome(None)] };
        let text = report.to_string();
        let row: Vec<_> = text.lines().nth(1).expect("a row").split_whitespace().collect();
        assert_eq!(row, ["btf", "3205", "52", "17", "88", "0"]);
        assert_eq!(report.crashes(), 0);
    }

    #[test]
    fn a_crash_says_how_to_reproduce_it() {
        let crash = Crash {
            input: Some("/f/crash-1".into()),
            message: "src/a.rs:1:1: no".into(),
            program: "/p".into(),
            log: "/l".into(),
        };
        let report = SessionReport { outcomes: vec![outcome(None), outcome(Some(crash))] };
        assert_eq!(report.crashes(), 1);
        let text = report.to_string();
        for expected in ["btf crashed: src/a.rs:1:1: no", "cargo xtask fuzz btf --input /f/crash-1", "fuzz/seeds/btf/"]
        {
            assert!(text.contains(expected), "expected {expected:?} in {text}");
        }
    }
}
