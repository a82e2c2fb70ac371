//! A strict parser of OpenMetrics 1.0 text, as far as rstmon uses it: no timestamps, exemplars, infos or state sets.

use crate::metrics::{Metrics, Sample, sample};
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeSet;

/// A metric family: its name, its type, and the number of its samples so far.
#[derive(Debug, Default)]
struct MetricFamily {
    name: String,
    kind: String,
    samples: usize,
}

impl MetricFamily {
    /// Whether a sample of this name belongs to the family.
    fn has(&self, sample: &Sample) -> bool {
        let suffixes: &[&str] = match self.kind.as_str() {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_count", "_sum"],
            _ => &[""],
        };
        suffixes.iter().any(|suffix| sample.name.strip_suffix(suffix) == Some(&self.name))
    }
}

/// Parses the text of a scrape. Types are stored under the names of families; the samples of counters have the suffix
/// `_total` besides.
/// # Errors
/// At the first line that OpenMetrics forbids.
pub fn parse(text: &str) -> Result<Metrics> {
    let body = text.strip_suffix("# EOF\n").context("no # EOF at the end")?;
    let mut metrics = Metrics::default();
    let mut family = MetricFamily::default();
    let mut seen = BTreeSet::new();
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let (keyword, rest) = comment.split_once(' ').with_context(|| line.to_owned())?;
            let (name, value) = rest.split_once(' ').with_context(|| line.to_owned())?;
            if keyword == "TYPE" {
                let kinds = ["counter", "gauge", "histogram", "summary", "unknown"];
                ensure!(kinds.contains(&value), "type in {line:?}");
                let before = metrics.types.insert(name.to_owned(), value.to_owned());
                ensure!(before.is_none(), "{name} comes twice");
                family = MetricFamily { name: name.to_owned(), kind: value.to_owned(), samples: 0 };
            }
            ensure!(family.name == name && family.samples == 0, "{line:?} is out of place");
            match keyword {
                "TYPE" | "HELP" => {}
                "UNIT" => ensure!(name.ends_with(&format!("_{value}")), "{name} does not end in its unit {value}"),
                _ => bail!("{line:?} is no comment of OpenMetrics"),
            }
            continue;
        }
        let sample = sample(line).with_context(|| format!("line {line:?}"))?;
        ensure!(family.has(&sample), "{line:?} is no sample of {} ({})", family.name, family.kind);
        ensure!(seen.insert((sample.name.clone(), sample.labels.clone())), "{line:?} comes twice");
        if sample.name.ends_with("_bucket") {
            let bound = sample.labels.get("le").with_context(|| format!("no le in {line:?}"))?;
            ensure!(bound == "+Inf" || bound.contains(['.', 'e']), "{bound} is no canonical bound");
        }
        ensure!(family.kind != "counter" || sample.value >= 0.0, "{line:?} counts down or not at all");
        family.samples += 1;
        metrics.samples.push(sample);
    }
    Ok(metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_right() {
        let text = "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n# HELP a_seconds x\na_seconds_total{l=\"\\n\"} 2\n\
                    # TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_count 1\nh_sum 0.5\n# EOF\n";
        let metrics = parse(text).expect("well-formed");
        assert_eq!(metrics.count("a_seconds_total", &[("l", "\n")]), 2);
        assert_eq!(metrics.types["a_seconds"], "counter");
    }

    #[test]
    fn refuses_what_is_wrong() {
        for text in [
            "",
            "# TYPE a gauge\na 1\n",
            "# EOF\n# EOF\n",
            "a 1\n# EOF\n",
            "# TYPE a counter\na 1\n# EOF\n",
            "# TYPE a_total counter\na_total 1\n# EOF\n",
            "# TYPE a counter\na_total -1\n# EOF\n",
            "# TYPE a gauge\n# UNIT a seconds\na 1\n# EOF\n",
            "# TYPE a gauge\na 1\n# HELP a late\n# EOF\n",
            "# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\na{x=\"1\"} 1\n# EOF\n",
            "# TYPE a gauge\n# TYPE a gauge\n# EOF\n",
            "# TYPE a histogram\na_bucket{le=\"1\"} 1\n# EOF\n",
            "# TYPE a untyped\n# EOF\n",
            "# a comment\n# EOF\n",
            "\n# EOF\n",
        ] {
            assert!(parse(text).is_err(), "{text:?} was accepted");
        }
    }
}
