//! Structured logs on standard error. Level and format can change while rstmon runs.

use super::LogSection;
use std::{
    env,
    io::{self, IsTerminal},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    layer::{Layered, SubscriberExt as _},
    reload,
    util::SubscriberInitExt as _,
};

type Filtered = Layered<reload::Layer<EnvFilter, Registry>, Registry>;
type Output = Box<dyn Layer<Filtered> + Send + Sync>;

/// Handles to the running log.
pub(crate) struct Logging {
    filter: reload::Handle<EnvFilter, Registry>,
    output: reload::Handle<Output, Filtered>,
}

/// Starts logging. If `RUST_LOG` is set and valid, it replaces the level and may set one per module.
pub(crate) fn start(log: &LogSection) -> Logging {
    let (filter, filter_handle) = reload::Layer::new(filter(log));
    let (output, output_handle) = reload::Layer::new(output(log));
    // The error means that logging was started before, as in tests; the first start stays in effect.
    let _ = tracing_subscriber::registry().with(filter).with(output).try_init();
    Logging { filter: filter_handle, output: output_handle }
}

/// Whether `RUST_LOG` sets the level instead of the configuration.
#[must_use]
pub(crate) fn level_is_overridden() -> bool {
    env::var_os(EnvFilter::DEFAULT_ENV).is_some() && EnvFilter::try_from_default_env().is_ok()
}

impl Logging {
    /// Changes level and format.
    pub(crate) fn change(&self, log: &LogSection) {
        // Reloading fails only if the subscriber is gone, and it lives until the process ends.
        let _ = self.filter.reload(filter(log));
        let _ = self.output.reload(output(log));
    }
}

fn filter(log: &LogSection) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&log.level))
}

fn output(log: &LogSection) -> Output {
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    if log.format == "json" { layer.json().boxed() } else { layer.with_ansi(io::stderr().is_terminal()).boxed() }
}
