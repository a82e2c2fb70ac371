//! What the host wants of this run, on the kernel's command line: `rstmon.report=ttyS1 rstmon.slowness=N
//! rstmon.only=PART,PART rstmon.trampolines=off`.

use anyhow::{Context as _, Result};
use std::fs;

/// The orders.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Orders {
    /// How much longer than usual a condition may take.
    pub(crate) slowness: u32,
    /// Whether the kernel is to allow trampolines.
    pub(crate) trampolines: bool,
    /// The serial line that takes the report: which one that is depends on the machine.
    pub(crate) report: String,
    only: Vec<String>,
}

impl Orders {
    /// Those that were given.
    pub(crate) fn given() -> Result<Self> {
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

    /// Whether a test is to be run.
    pub(crate) fn include(&self, test: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| test.contains(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_words_of_the_command_line() {
        let parse = |line: &str| Orders::parse(&format!("console=ttyS0 rstmon.report=ttyS1 {line}\n"));
        let orders = parse("quiet rstmon.slowness=8 rstmon.only=causes::,nginx").expect("valid");
        assert_eq!((orders.slowness, orders.trampolines, orders.report.as_str()), (8, true, "ttyS1"));
        assert!(!parse("rstmon.trampolines=off").expect("valid").trampolines);
        assert!(orders.include("causes::every") && orders.include("owners::nginx_resets") && !orders.include("why::x"));
        assert!(parse("quiet").expect("valid").include("anything"));
        assert!(parse("rstmon.slowness=soon").is_err());
        assert!(Orders::parse("quiet").is_err(), "nobody would hear it");
    }
}
