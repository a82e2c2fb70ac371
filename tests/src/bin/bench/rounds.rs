//! Configurations that are compared are measured in turn, round by round, so that other load of the machine affects all
//! of them alike.

use anyhow::Result;
use rstmon_tests::interruption;

/// Measures every configuration once a round, each round beginning with another one. Returns the rounds of each.
pub(crate) fn interleaved<T>(
    rounds: u32,
    configurations: usize,
    mut measure: impl FnMut(usize) -> Result<T>,
) -> Result<Vec<Vec<T>>> {
    let mut found: Vec<Vec<T>> = (0..configurations).map(|_| Vec::new()).collect();
    for round in 0..rounds as usize {
        for turn in 0..configurations {
            interruption::check()?;
            let configuration = (round + turn) % configurations;
            found[configuration].push(measure(configuration)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_comes_first_once() {
        let mut turns = Vec::new();
        let found = interleaved(3, 3, |one| {
            turns.push(one);
            Ok(turns.len())
        });
        assert_eq!(turns, [0, 1, 2, 1, 2, 0, 2, 0, 1]);
        assert_eq!(found.expect("rounds"), [vec![1, 6, 8], vec![2, 4, 9], vec![3, 5, 7]]);
    }

    #[test]
    fn a_failure_ends_it() {
        assert!(interleaved(3, 3, |_| anyhow::bail!("no") as Result<()>).is_err());
    }
}
