//! The two formats that a scraper may request. Both show the same families, samples and label values.

use super::openmetrics;
use prometheus::{TextEncoder, proto::MetricFamily};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Format {
    /// Prometheus' text format 0.0.4, which every scraper understands.
    #[default]
    Text,
    /// OpenMetrics 1.0 text.
    OpenMetrics,
}

impl Format {
    /// Value of the `Content-Type` header, including parameters.
    #[must_use]
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// Writes `families`, none of which may be empty.
    pub(crate) fn encode(self, families: &[MetricFamily]) -> Result<String, prometheus::Error> {
        match self {
            Self::Text => TextEncoder::new().encode_to_string(families),
            Self::OpenMetrics => Ok(openmetrics::encode(families)),
        }
    }
}
