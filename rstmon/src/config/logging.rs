//! Structured logs on standard error. Level and format can change while rstmon runs.

use super::LogSection;
use crate::host::log_output::LogLines;
use std::{
    backtrace::{Backtrace, BacktraceStatus},
    env,
    io::{self, IsTerminal},
    panic,
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    fmt::writer::BoxMakeWriter,
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
    way: LogWay,
}

/// How lines get to standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogWay {
    /// At once, as the other output of a command in the foreground.
    Direct,
    /// By the thread of a [`LogOutput`](crate::host::log_output::LogOutput), for a process that must not wait.
    Queued,
}

/// Starts logging. If `RUST_LOG` is set and valid, it replaces the level and may set one per module.
pub(crate) fn start(log: &LogSection, way: LogWay) -> Logging {
    let (filter, filter_handle) = reload::Layer::new(filter(log));
    let (output, output_handle) = reload::Layer::new(output(log, way));
    // The error means that logging was started before, as in tests; the first start stays in effect.
    let _ = tracing_subscriber::registry().with(filter).with(output).try_init();
    Logging { filter: filter_handle, output: output_handle, way }
}

/// Reports panics as lines of the log: the default hook writes to standard error itself, and waits there.
pub(crate) fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("without a message");
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        let thread = std::thread::current();
        tracing::error!(thread = thread.name(), location, backtrace, "panicked: {message}");
    }));
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
        let _ = self.output.reload(output(log, self.way));
    }
}

fn filter(log: &LogSection) -> EnvFilter {
    EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(&log.level))
}

fn output(log: &LogSection, way: LogWay) -> Output {
    let writer = match way {
        LogWay::Direct => BoxMakeWriter::new(io::stderr),
        LogWay::Queued => BoxMakeWriter::new(|| LogLines),
    };
    // Errors of the subscriber itself would be written to standard error directly.
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).with_target(false).log_internal_errors(false);
    if log.format == "json" { layer.json().boxed() } else { layer.with_ansi(io::stderr().is_terminal()).boxed() }
}
