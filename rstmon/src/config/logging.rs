//! Structured logs on standard error. Level and format can change while rstmon runs.

use super::Log;
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

/// The running log.
pub(crate) struct Logging {
    filter: reload::Handle<EnvFilter, Registry>,
    output: reload::Handle<Output, Filtered>,
}

/// Starts logging. `RUST_LOG`, when set and valid, refines the level per module.
pub(crate) fn start(log: &Log) -> Logging {
    let (filter, filter_handle) = reload::Layer::new(filter(log));
    let (output, output_handle) = reload::Layer::new(output(log));
    // A second start (in tests) keeps the first.
    let _ = tracing_subscriber::registry().with(filter).with(output).try_init();
    Logging { filter: filter_handle, output: output_handle }
}

/// Whether `RUST_LOG` decides on the level, whatever the configuration says.
#[must_use]
pub(crate) fn level_is_overridden() -> bool {
    env::var_os(EnvFilter::DEFAULT_ENV).is_some() && EnvFilter::try_from_default_env().is_ok()
}

impl Logging {
    /// Logs by this from now on.
    pub(crate) fn change(&self, log: &Log) {
        // An error is a log that is gone, and it stays until the process ends.
        let _ = self.filter.reload(filter(log));
        let _ = self.output.reload(output(log));
    }
}

fn filter(log: &Log) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&log.level))
}

fn output(log: &Log) -> Output {
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_target(false);
    if log.format == "json" { layer.json().boxed() } else { layer.with_ansi(io::stderr().is_terminal()).boxed() }
}
