//! One figure out of several rounds: a slow round, while something else ran, must not move it but has to be visible.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// Median and quartiles of some rounds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    /// A quarter of the rounds is below.
    pub(crate) lower: f64,
    /// A quarter of the rounds is above.
    pub(crate) upper: f64,
    pub(crate) rounds: usize,
}

impl Spread {
    /// `None` without rounds.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        Some(Self {
            median: quantile(&values, 2)?,
            lower: quantile(&values, 1)?,
            upper: quantile(&values, 3)?,
            rounds: values.len(),
        })
    }

    /// The spread of each column, a round being a row; `None` without rounds.
    pub(crate) fn of_columns<const N: usize>(rounds: &[[f64; N]]) -> Option<[Self; N]> {
        let columns: Option<Vec<Self>> =
            (0..N).map(|column| Self::of(rounds.iter().map(|round| round[column]))).collect();
        columns?.try_into().ok()
    }

    /// Formats as `median (lower..upper)`.
    pub(crate) fn show(&self, digits: usize) -> String {
        let mut text = format!("{:.digits$}", self.median);
        // Writing to a String does not fail.
        let _ = write!(text, " ({:.digits$}..{:.digits$})", self.lower, self.upper);
        text
    }
}

/// The text of a spread, or a dash.
pub(crate) fn show(spread: Option<&Spread>, digits: usize) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| spread.show(digits))
}

/// Quartile `quarter` of sorted values, interpolated between its two neighbours.
fn quantile(sorted: &[f64], quarter: usize) -> Option<f64> {
    let quarters = sorted.len().checked_sub(1)? * quarter;
    let (below, rest) = (quarters / 4, quarters % 4);
    let above = sorted.get(below + 1).unwrap_or(&sorted[below]);
    Some(sorted[below] + (above - sorted[below]) * float(rest) / 4.0)
}

/// Rounds of one configuration divided by those of another, each by its neighbour in time.
pub(crate) fn ratios(values: &[f64], others: &[f64]) -> Vec<f64> {
    values.iter().zip(others).map(|(value, other)| value / other).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds of a benchmark are far below 2^53")]
pub(crate) fn float(count: impl TryInto<u64>) -> f64 {
    count.try_into().unwrap_or(u64::MAX) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_ignores_an_outlier_and_the_quartiles_show_the_rest() {
        let found = Spread::of([3.0, 900.0, 1.0, 2.0, 4.0]).expect("rounds");
        assert_eq!(found, Spread { median: 3.0, lower: 2.0, upper: 4.0, rounds: 5 });
        assert_eq!(found.show(1), "3.0 (2.0..4.0)");
    }

    #[test]
    fn quartiles_lie_between_rounds() {
        let found = Spread::of([1.0, 2.0]).expect("rounds");
        assert_eq!(found, Spread { median: 1.5, lower: 1.25, upper: 1.75, rounds: 2 });
        assert_eq!(Spread::of([7.0]).map(|one| (one.lower, one.median, one.upper)), Some((7.0, 7.0, 7.0)));
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of_columns(&[[1.0, 7.0], [2.0, 7.0]]).map(|[first, _]| first), Some(found));
        assert_eq!(Spread::of_columns::<2>(&[]), None);
    }

    #[test]
    fn each_round_is_divided_by_its_neighbour() {
        // The machine was half as fast in the second round: the ratio does not see it.
        assert_eq!(ratios(&[1.25, 2.5], &[1.0, 2.0]), [1.25, 1.25]);
    }
}
