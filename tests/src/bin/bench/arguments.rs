//! The command line, as `cargo xtask bench` writes it; the descriptions for people are there.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Rounds of a quick run, unless fewer are asked for.
const QUICK_ROUNDS: u32 = 2;

#[derive(Clone, Debug, Parser)]
#[command(name = "bench")]
pub(crate) struct BenchArguments {
    #[arg(long)]
    pub(crate) json: bool,
    #[arg(long)]
    pub(crate) write_docs: bool,
    #[arg(long)]
    pub(crate) from: Option<PathBuf>,
    #[arg(long, value_delimiter = ',')]
    only: Vec<BenchSection>,
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    #[arg(long)]
    pub(crate) quick: bool,
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchSection {
    Hooks,
    Throughput,
    Keepalive,
    Flood,
    Pace,
    Start,
    Sockets,
    Scrape,
    Processes,
    Subscribers,
    Cpus,
    View,
}

impl BenchArguments {
    pub(crate) fn includes(&self, section: BenchSection) -> bool {
        self.only.is_empty() || self.only.contains(&section)
    }

    pub(crate) fn rounds(&self) -> u32 {
        if self.quick { self.rounds.min(QUICK_ROUNDS) } else { self.rounds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_run_has_few_rounds_and_sections_are_chosen_by_name() {
        let parse = |line: &str| BenchArguments::try_parse_from(line.split(' '));
        let found = parse("bench --only flood,hooks --only cpus --rounds 9 --quick").expect("valid");
        assert_eq!((found.rounds(), found.quick, found.json), (QUICK_ROUNDS, true, false));
        let chosen: Vec<_> = BenchSection::value_variants().iter().filter(|one| found.includes(**one)).collect();
        assert_eq!(chosen, [&BenchSection::Hooks, &BenchSection::Flood, &BenchSection::Cpus]);
        assert!(parse("bench --only nonsense").is_err());
        assert_eq!(parse("bench --json").expect("valid").rounds(), 5);
    }
}
