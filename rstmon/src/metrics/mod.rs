//! Counts and events -> Prometheus series.

pub mod coverage;
pub mod exposition;
pub mod fold;
pub mod histograms;
pub mod kernel;
pub mod listeners;
pub mod namespaces;
pub mod series;

pub use exposition::{Exporter, Health};
pub use fold::Fold;
pub use namespaces::{Namespaces, Standing};
pub use series::{LabelSet, Series};
