//! Histograms of the idle time and the age of reset connections. They are made from events, so they leave out events
//! that were rate-limited or lost (`rstmon_events_lost_total`), and events for which the number is not known.

use crate::{
    explain::Cause,
    model::{Direction, Reset},
};
use prometheus::{HistogramOpts, HistogramVec, Registry};

/// From a millisecond to a day, which includes the timeouts of keep-alive and firewalls.
const BUCKETS_SECONDS: &[f64] =
    &[0.001, 0.01, 0.1, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0];

pub(crate) struct Histograms {
    idle: HistogramVec,
    age: HistogramVec,
}

impl Histograms {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = |name: &str, help: &str| {
            let options = HistogramOpts::new(name, help).buckets(BUCKETS_SECONDS.to_vec());
            let histogram = HistogramVec::new(options, &["direction", "cause"])?;
            registry.register(Box::new(histogram.clone()))?;
            Ok::<_, prometheus::Error>(histogram)
        };
        Ok(Self {
            idle: make(
                "rstmon_reset_idle_seconds",
                "Time without a byte in either direction before a reset, of delivered events where it is known.",
            )?,
            age: make(
                "rstmon_reset_age_seconds",
                "Age of the connection at its reset, of delivered events where it is known.",
            )?,
        })
    }

    pub(crate) fn observe(&self, reset: &Reset, cause: Cause) {
        let labels = [Direction::as_str(reset.direction), cause.id()];
        if let Some(idle) = reset.evidence.idle_before_close.or_else(|| reset.evidence.idle()) {
            self.idle.with_label_values(&labels).observe(idle.as_secs_f64());
        }
        if let Some(age) = reset.evidence.age {
            self.age.with_label_values(&labels).observe(age.as_secs_f64());
        }
    }
}
