//! Why a command failed, and the exit code that says so.

use crate::{
    config::ConfigError,
    event::{filter::FilterError, recording::RecordingError},
    explain::cause::UnknownCause,
    host::terminal::OutputError,
    monitor::MonitorError,
    query::{self, local::LocalError},
    sandbox::confine::ConfineError,
    serve::{self, ServeError},
};
use std::{io, process::ExitCode};

/// Why a command failed. Each prints as one line: the cause and the fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum Failure {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A filter is wrong.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// An argument is wrong.
    #[error("{0}")]
    Usage(#[from] UsageError),
    /// An address to listen on is wrong.
    #[error("web.listen_address: {0}")]
    Listen(#[from] serve::ListenError),
    /// The path of the metrics is wrong.
    #[error("web.telemetry_path: {0}")]
    TelemetryPath(#[from] serve::TelemetryPathError),
    /// The web configuration is wrong.
    #[error(transparent)]
    WebConfig(#[from] serve::web_config::WebConfigError),
    /// The probe cannot be attached or read.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// This process cannot watch without a daemon.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The server cannot start.
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    /// The daemon does not answer.
    #[error(transparent)]
    Client(#[from] serve::ClientError),
    /// The daemon does not answer, and there is another way.
    #[error("{source}; or watch for a while without it: rstmon why --for 30s")]
    NoDaemon {
        /// The client's error.
        source: serve::ClientError,
    },
    /// Privileges could not be given up.
    #[error(transparent)]
    Confine(#[from] ConfineError),
    /// The async runtime cannot be started.
    #[error(transparent)]
    Runtime(#[from] query::RuntimeError),
    /// Standard output cannot be written to.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The server ended by itself; the panic hook has said why.
    #[error("the server ended unexpectedly; see the log above")]
    ServerEnded,
    /// An operation of the operating system failed.
    #[error("{what}: {source}")]
    Io {
        /// The operation, as in "cannot start a thread".
        what: &'static str,
        /// The error of the operating system.
        source: io::Error,
    },
    /// This host cannot be monitored; doctor has said why.
    #[error("this host cannot be monitored: {reason}")]
    Host {
        /// The first failed check and what it found.
        reason: String,
    },
}

/// An argument that makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    /// A duration that cannot be parsed.
    #[error(transparent)]
    Duration(#[from] query::DurationError),
    /// A speed that is negative or not a number.
    #[error("--speed is {factor}: it has to be 0 (all at once) or more")]
    Speed {
        /// The speed as it was given.
        factor: f64,
    },
    /// `top` was started without a terminal.
    #[error("the view needs a terminal; for scripts there are `rstmon top --once` and `rstmon top --json`")]
    NoTerminal,
    /// An id that no cause has.
    #[error(transparent)]
    Cause(#[from] UnknownCause),
}

impl Failure {
    /// Makes the error of a failed operation of the operating system, for `map_err`.
    pub(crate) fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    /// The failure of writing a document as JSON.
    #[must_use]
    pub(crate) fn json(error: serde_json::Error) -> Self {
        Self::Io { what: "cannot write JSON", source: error.into() }
    }

    /// Whether the reason is that no daemon runs, so that a command may do without it.
    #[must_use]
    pub(crate) fn is_no_daemon(&self) -> bool {
        matches!(self, Self::Client(error) if error.is_no_daemon())
    }

    /// 1: failed at run time; 2: wrong usage or configuration; 3: this host cannot be monitored.
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
