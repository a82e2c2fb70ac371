//! A strict parser of the Prometheus text format: like Prometheus it refuses everything that it does not understand.

use anyhow::{Context as _, Result, bail, ensure};
use std::collections::{BTreeMap, BTreeSet};

/// Names and values of a sample's labels.
pub type Labels = BTreeMap<String, String>;

/// One sample of a scrape.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name of the metric.
    pub name: String,
    /// Labels without the name.
    pub labels: Labels,
    /// Its numeric value.
    pub value: f64,
}

/// The samples of one scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// All samples, in the order of the text.
    pub samples: Vec<Sample>,
    /// The type of every metric family that declares one.
    pub types: BTreeMap<String, String>,
}

impl Metrics {
    /// Parses the text of a scrape.
    ///
    /// # Errors
    /// At the first line that is not in the format, at a second sample of the same series, or at a family in two
    /// pieces.
    pub fn parse(text: &str) -> Result<Self> {
        ensure!(text.ends_with('\n'), "the last line is not terminated");
        let mut metrics = Self::default();
        let mut seen = BTreeSet::new();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(comment) = line.strip_prefix("# TYPE ") {
                let (name, kind) = comment.split_once(' ').with_context(|| line.to_owned())?;
                ensure!(["counter", "gauge", "histogram", "summary", "untyped"].contains(&kind), "type {kind}");
                let before = metrics.types.insert(name.to_owned(), kind.to_owned());
                ensure!(before.is_none(), "{name} is declared twice");
            } else if !line.starts_with('#') {
                let sample = sample(line).with_context(|| format!("line {line:?}"))?;
                ensure!(seen.insert((sample.name.clone(), sample.labels.clone())), "{line:?} comes twice");
                metrics.samples.push(sample);
            }
        }
        Ok(metrics)
    }

    /// The sum of all samples of `name` that have these labels.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.select(name, labels).map(|sample| sample.value).sum()
    }

    /// [`Metrics::sum`] of a metric with integer values.
    ///
    /// # Panics
    /// When the sum is no integer that an `f64` can hold exactly.
    #[must_use]
    pub fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        // The sum of no samples is -0.
        let sum = self.sum(name, labels).abs();
        format!("{sum:.0}").parse().ok().filter(|_| sum.fract() == 0.0).unwrap_or_else(|| panic!("{name}: {sum}"))
    }

    /// The samples of `name` that have all these labels.
    pub fn select<'a>(&'a self, name: &'a str, labels: &'a [(&str, &str)]) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| {
            sample.name == name
                && labels.iter().all(|(label, value)| sample.labels.get(*label).is_some_and(|have| have == value))
        })
    }
}

pub(crate) fn sample(line: &str) -> Result<Sample> {
    let end = line.find(['{', ' ']).context("no value")?;
    let (name, mut rest) = line.split_at(end);
    ensure!(is_name(name, true), "metric name {name:?}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = read_labels(inside, &mut labels)?;
    }
    let value = rest.strip_prefix(' ').context("no blank before the value")?;
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        // Rust would also accept "inf" and "infinity", which Prometheus does not write.
        _ if value.starts_with(|first: char| first == '-' || first.is_ascii_digit()) => {
            value.parse().context("value")?
        }
        _ => bail!("value {value:?}"),
    };
    Ok(Sample { name: name.to_owned(), labels, value })
}

/// Parses `name="value",...}` and returns the rest.
fn read_labels<'a>(mut rest: &'a str, labels: &mut Labels) -> Result<&'a str> {
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        let (name, quoted) = rest.split_once("=\"").context("label without a quoted value")?;
        ensure!(is_name(name, false), "label name {name:?}");
        let (value, after) = unquote(quoted)?;
        ensure!(labels.insert(name.to_owned(), value).is_none(), "label {name} comes twice");
        rest = after.strip_prefix(',').unwrap_or(after);
        ensure!(after.starts_with([',', '}']), "after label {name}: {after:?}");
    }
}

/// Undoes the three escapes up to the closing quote and returns the rest.
fn unquote(text: &str) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(match letters.next() {
                Some((_, '\\')) => '\\',
                Some((_, '"')) => '"',
                Some((_, 'n')) => '\n',
                other => bail!("escape {other:?}"),
            }),
            _ => value.push(letter),
        }
    }
    bail!("no closing quote in {text:?}")
}

fn is_name(name: &str, colons: bool) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || (colons && letter == ':');
    !name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit()) && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_escapes_and_sums_by_label() {
        let text = "# HELP a b\n# TYPE a counter\na{x=\"1\",y=\"q\\\"\\\\\\n}\"} 2\na{x=\"1\",y=\"\"} 3\na{x=\"2\"} 4\nb 1.5\n";
        let metrics = Metrics::parse(text).expect("well-formed");
        assert_eq!(metrics.count("a", &[("x", "1")]), 5);
        assert_eq!(metrics.count("a", &[]), 9);
        assert_eq!(metrics.samples[0].labels["y"], "q\"\\\n}");
        assert_eq!(metrics.types["a"], "counter");
        assert!((metrics.sum("b", &[]) - 1.5).abs() < f64::EPSILON);
    }

    #[test]
    fn refuses_what_prometheus_refuses() {
        for text in [
            "a 1",
            "a{x=\"1\"} 1\na{x=\"1\"} 2\n",
            "a{x=\"1} 2\n",
            "a{x=\"\\t\"} 2\n",
            "a{x=\"1\"y=\"2\"} 2\n",
            "a{x=\"1\",x=\"2\"} 2\n",
            "a{1x=\"1\"} 2\n",
            "1a 2\n",
            "a two\n",
            "a inf\n",
            "a\n",
            "# TYPE a counter\n# TYPE a counter\n",
        ] {
            assert!(Metrics::parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
