//! Why a command failed, and its exit code.

use super::run::DescriptorError;
use crate::{
    config::ConfigError,
    event::{filter::FilterError, recording::RecordingError},
    explain::cause::UnknownCause,
    host::terminal::OutputError,
    monitor::MonitorError,
    query::{self, AskedError, local::LocalError, time::TimeError},
    sandbox::confine::ConfineError,
    serve::{self, ServeError},
    sink::store::StoreError,
};
use std::{io, process::ExitCode};

/// The error of a command. Its message is one line that names the cause and, where there is one, the fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("{0}")]
    Usage(#[from] UsageError),
    #[error("web.listen_address: {0}")]
    Listen(#[from] serve::ListenError),
    #[error("web.telemetry_path: {0}")]
    TelemetryPath(#[from] serve::TelemetryPathError),
    #[error(transparent)]
    WebConfig(#[from] serve::web_config::WebConfigError),
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    #[error(transparent)]
    Local(#[from] LocalError),
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    #[error(transparent)]
    Descriptors(#[from] DescriptorError),
    #[error(transparent)]
    Client(#[from] serve::ClientError),
    /// The daemon does not answer, and the command can watch without it.
    #[error("{source}; or watch for a while without it: rstmon why --for 30s")]
    NoDaemon { source: serve::ClientError },
    /// The daemon ended while the command followed its events.
    #[error("the daemon has stopped")]
    DaemonStopped,
    #[error(transparent)]
    Confine(#[from] ConfineError),
    #[error(transparent)]
    Runtime(#[from] query::RuntimeError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// `rstmon history check` found something.
    #[error("the store is damaged in {problems} {}; what can be read is not affected", if *problems == 1 { "place" } else { "places" })]
    DamagedStore { problems: usize },
    /// The server ended without being stopped. If it panicked, the panic hook has logged it.
    #[error("the server ended unexpectedly; see the log above")]
    ServerEnded,
    #[error("{what}: {source}")]
    Io {
        /// The failed operation, as in "cannot start a thread".
        what: &'static str,
        source: io::Error,
    },
    /// `rstmon doctor` found that this host cannot be monitored.
    #[error("this host cannot be monitored: {reason}")]
    Host {
        /// The first failed check and what it found.
        reason: String,
    },
}

/// An argument that clap accepts and the command does not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    #[error(transparent)]
    Duration(#[from] query::DurationError),
    #[error(transparent)]
    Time(#[from] TimeError),
    /// A probe in this process was asked for the past.
    #[error("a probe in this process sees no past: leave out --standalone, or --since, --until and --at")]
    NoPast,
    /// `top` was asked for a time that it cannot go to.
    #[error("--since, --until and --at of the view need a recording: --replay FILE")]
    NoReplay,
    /// A speed that is negative or not a number.
    #[error("--speed is {factor}: it has to be 0 (all at once) or more")]
    Speed { factor: f64 },
    /// `top` was started without a terminal.
    #[error("the view needs a terminal; for scripts there are `rstmon top --once` and `rstmon top --json`")]
    NoTerminal,
    /// `top` was started on a terminal that has no full screen.
    #[error(
        "TERM is `dumb` or not set, so there is no full screen; `rstmon top --once` prints the view as text, \
         `rstmon tail` a line for each reset"
    )]
    DumbTerminal,
    #[error(transparent)]
    Cause(#[from] UnknownCause),
}

impl From<AskedError> for Failure {
    fn from(error: AskedError) -> Self {
        match error {
            AskedError::Time(error) => UsageError::from(error).into(),
            AskedError::Recording(error) => error.into(),
        }
    }
}

impl Failure {
    /// Makes the error of a failed system call, for `map_err`.
    pub(crate) fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    #[must_use]
    pub(crate) fn json(error: serde_json::Error) -> Self {
        Self::Io { what: "cannot write JSON", source: error.into() }
    }

    /// Whether the cause is that no daemon runs, so that a command may watch without one.
    #[must_use]
    pub(crate) fn is_no_daemon(&self) -> bool {
        matches!(self, Self::Client(error) if error.is_no_daemon())
    }

    /// Returns 1 for a failure at run time, 2 for wrong usage or configuration, 3 if this host cannot be monitored.
    #[must_use]
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Config(_)
            | Self::Filter(_)
            | Self::Usage(_)
            | Self::Listen(_)
            | Self::TelemetryPath(_)
            | Self::WebConfig(_)
            | Self::Recording(_)
            | Self::Local(LocalError::Config(_))
            | Self::Serve(ServeError::WebConfig(_)) => 2,
            Self::Host { .. } => 3,
            Self::Monitor(error) | Self::Local(LocalError::Monitor(error)) if error.is_host() => 3,
            _ => 1,
        })
    }
}
