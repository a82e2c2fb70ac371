//! The command line, as `cargo xtask stress` writes it.

use anyhow::{Context as _, Result, bail};
use rstmon_tests::random::Random;
use std::{str::FromStr, time::Duration};

/// How long the short form's soak lasts.
const SHORT_SOAK: Duration = Duration::from_secs(8);
/// How long the long form's soak lasts, if nobody says.
const LONG_SOAK: Duration = Duration::from_mins(10);

/// What to do, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    /// Everything many times more often.
    pub(crate) full: bool,
    /// How long the soak lasts.
    pub(crate) soak: Duration,
    /// Where all randomness comes from.
    pub(crate) seed: u64,
    /// Scenarios to play; all of them if there are none.
    pub(crate) only: Vec<String>,
    /// A JSON document instead of a table.
    pub(crate) json: bool,
    /// This machine's clock may be stepped.
    pub(crate) step_clock: bool,
}

impl Arguments {
    /// From the words of a command line.
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
        Ok(Self { full, soak, seed: seed.unwrap_or_else(any), only, json, step_clock })
    }

    /// A number of repetitions: `short`, or `long` where there is time.
    pub(crate) fn times(&self, short: u64, long: u64) -> u64 {
        if self.full { long } else { short }
    }
}

fn value<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(name: &str, word: Option<String>) -> Result<T> {
    let word = word.with_context(|| format!("{name} needs a value"))?;
    word.parse().with_context(|| format!("{name} {word}"))
}

/// A seed that no other run has, short enough to be typed.
fn any() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Random(u64::from(now.subsec_nanos()) ^ now.as_secs() ^ u64::from(std::process::id())).number() % 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn words_become_arguments() {
        let found = parse("--full --seed 7 --only kill --only flood --json").expect("valid");
        assert_eq!((found.full, found.seed, found.soak, found.json), (true, 7, LONG_SOAK, true));
        assert_eq!(found.only, ["kill", "flood"]);
        assert_eq!(parse("--duration 30").expect("valid").soak, Duration::from_secs(30));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--seed", "--seed x", "--fool"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
