//! Counts and events -> Prometheus series.

mod coverage;
mod exposition;
mod family;
pub(crate) mod fold;
mod format;
mod growth;
mod health;
mod histograms;
pub(crate) mod namespaces;
mod openmetrics;
#[cfg(test)]
mod properties;
mod series;
mod snapshot_counts;
pub(crate) mod trend;

pub(crate) use exposition::MetricsRegistry;
use fold::Fold;
pub(crate) use format::Format;
pub(crate) use growth::Growth;
pub(crate) use health::{Health, StoreFigures};
pub(crate) use namespaces::{Namespaces, Reconciliation};
pub(crate) use series::{LabelSet, Series, is_reserved};
pub(crate) use snapshot_counts::{SnapshotCounts, growth_counts};
