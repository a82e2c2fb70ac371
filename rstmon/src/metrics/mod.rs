//! Counts and events -> Prometheus series.

pub mod coverage;
pub mod exposition;
pub mod fold;
pub mod format;
pub mod histograms;
pub mod kernel;
pub mod listeners;
pub mod namespaces;
pub mod openmetrics;
pub mod series;
pub mod trend;

pub use exposition::{Exporter, Health};
pub use fold::Fold;
pub use format::Format;
pub use namespaces::{Namespaces, Standing};
pub use series::{LabelSet, Series};
