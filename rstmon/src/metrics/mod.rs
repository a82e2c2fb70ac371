//! Counts and events -> Prometheus series.

pub(crate) mod coverage;
pub(crate) mod exposition;
pub(crate) mod fold;
pub(crate) mod format;
pub(crate) mod histograms;
pub(crate) mod namespaces;
pub(crate) mod openmetrics;
#[cfg(test)]
mod properties;
pub(crate) mod series;
pub(crate) mod tally;
pub(crate) mod trend;

pub(crate) use exposition::{Exporter, Health};
pub(crate) use fold::Fold;
pub(crate) use format::Format;
pub(crate) use namespaces::{Namespaces, Standing};
pub(crate) use series::{LabelSet, Series};
pub(crate) use tally::Tally;
