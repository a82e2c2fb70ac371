//! Options of a run, which the host puts on the kernel's command line: `rstmon.report=ttyS1 rstmon.slowness=N
//! rstmon.only=PART,PART rstmon.trampolines=off`.

use anyhow::{Context as _, Result};
use std::fs;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GuestOptions {
    /// Factor of all deadlines.
    pub(crate) slowness: u32,
    /// Whether the kernel may attach fentry and fexit programs.
    pub(crate) trampolines: bool,
    /// Device of the serial line for the report: its name depends on the machine.
    pub(crate) report: String,
    only: Vec<String>,
}

impl GuestOptions {
    pub(crate) fn read() -> Result<Self> {
        Self::parse(&fs::read_to_string("/proc/cmdline").context("reading /proc/cmdline")?)
    }

    fn parse(line: &str) -> Result<Self> {
        let value = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        let slowness = value("rstmon.slowness").unwrap_or("1").parse().context("rstmon.slowness")?;
        let only = value("rstmon.only").unwrap_or_default().split(',').filter(|part| !part.is_empty());
        let trampolines = value("rstmon.trampolines") != Some("off");
        let report = value("rstmon.report").context("no rstmon.report")?.to_owned();
        Ok(Self { slowness, trampolines, report, only: only.map(str::to_owned).collect() })
    }

    /// Whether a test is run: all of them unless parts of names are given.
    pub(crate) fn include(&self, test: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| test.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_words_of_the_command_line() {
        let parse = |line: &str| GuestOptions::parse(&format!("console=ttyS0 rstmon.report=ttyS1 {line}\n"));
        let options = parse("quiet rstmon.slowness=8 rstmon.only=causes::,nginx").expect("valid");
        assert_eq!((options.slowness, options.trampolines, options.report.as_str()), (8, true, "ttyS1"));
        assert!(!parse("rstmon.trampolines=off").expect("valid").trampolines);
        assert!(
            options.include("causes::every") && options.include("owners::nginx_resets") && !options.include("why::x")
        );
        assert!(parse("quiet").expect("valid").include("anything"));
        assert!(parse("rstmon.slowness=soon").is_err());
        assert!(GuestOptions::parse("quiet").is_err(), "no serial line for the report");
    }
}
