//! The command line, as `cargo xtask stress` writes it.

use anyhow::{Context as _, Result, bail};
use rstmon_tests::random::SplitMix;
use std::{str::FromStr, time::Duration};

/// How long the short form's soak lasts.
const SHORT_SOAK: Duration = Duration::from_secs(8);
/// How long the long form's soak lasts, unless --duration says otherwise.
const LONG_SOAK: Duration = Duration::from_mins(10);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StressArguments {
    /// The long form: more repetitions of everything.
    pub(crate) full: bool,
    pub(crate) soak: Duration,
    /// Of all random numbers.
    pub(crate) seed: u64,
    /// Names of the scenarios to play; empty for all.
    pub(crate) only: Vec<String>,
    /// A JSON document instead of a table.
    pub(crate) json: bool,
    /// Whether the scenario that steps this machine's clock is played.
    pub(crate) step_clock: bool,
}

impl StressArguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let (mut full, mut json, mut step_clock) = (false, false, false);
        let (mut soak, mut seed, mut only) = (None, None, Vec::new());
        while let Some(word) = words.next() {
            match word.as_str() {
                "--full" => full = true,
                "--json" => json = true,
                "--step-clock" => step_clock = true,
                "--duration" => soak = Some(Duration::from_secs(value(&word, words.next())?)),
                "--seed" => seed = Some(value(&word, words.next())?),
                "--only" => only.push(value(&word, words.next())?),
                _ => bail!("unknown argument {word}"),
            }
        }
        let soak = soak.unwrap_or(if full { LONG_SOAK } else { SHORT_SOAK });
        Ok(Self { full, soak, seed: seed.unwrap_or_else(random_seed), only, json, step_clock })
    }

    /// Repetitions: `short`, or `long` in the long form.
    pub(crate) fn times(&self, short: u64, long: u64) -> u64 {
        if self.full { long } else { short }
    }
}

fn value<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(name: &str, word: Option<String>) -> Result<T> {
    let word = word.with_context(|| format!("{name} needs a value"))?;
    word.parse().with_context(|| format!("{name} {word}"))
}

/// A seed for this run, short enough to be typed.
fn random_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    SplitMix(u64::from(now.subsec_nanos()) ^ now.as_secs() ^ u64::from(std::process::id())).number() % 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<StressArguments> {
        StressArguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn words_become_arguments() {
        let found = parse("--full --seed 7 --only kill --only flood --json").expect("valid");
        assert_eq!((found.full, found.seed, found.soak, found.json), (true, 7, LONG_SOAK, true));
        assert_eq!(found.only, ["kill", "flood"]);
        assert_eq!(parse("--duration 30").expect("valid").soak, Duration::from_secs(30));
    }

    #[test]
    fn unknown_arguments_are_refused() {
        for line in ["--seed", "--seed x", "--fool"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
