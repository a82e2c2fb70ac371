//! Why a command failed, and the exit code that says so.

use super::config::ConfigError;
use crate::{
    probe::ProbeError,
    serve::{self, ServeError, filter::FilterError},
};
use std::{io, process::ExitCode};

/// Why a command failed. Each prints as one line: the cause and the fix.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// Wrong configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Wrong filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Wrong argument.
    #[error("{0}")]
    Usage(#[from] UsageError),
    /// Wrong address to listen on.
    #[error("web.listen_address: {0}")]
    Listen(#[from] serve::ListenError),
    /// Wrong path of the metrics.
    #[error("web.telemetry_path: {0}")]
    TelemetryPath(#[from] serve::TelemetryPathError),
    /// Wrong web configuration.
    #[error(transparent)]
    WebConfig(#[from] serve::web_config::WebConfigError),
    /// The probe.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The server cannot start.
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    /// The daemon does not answer.
    #[error(transparent)]
    Client(#[from] serve::ClientError),
    /// The daemon does not answer, and there is another way.
    #[error("{source}; or watch for a while without it: rstmon why --for 30s")]
    NoDaemon {
        /// What the client says.
        source: serve::ClientError,
    },
    /// A metric could not be registered.
    #[error("cannot set up the metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    /// Privileges could not be given up.
    #[error("cannot give up privileges: {0}; run rstmon with CAP_BPF and CAP_PERFMON only")]
    Privileges(#[from] caps::errors::CapsError),
    /// A recording cannot be read.
    #[error(transparent)]
    Recording(#[from] super::recording::RecordingError),
    /// The server ended by itself; the panic hook has said why.
    #[error("the server ended unexpectedly; see the log above")]
    ServerEnded,
    /// Something of the operating system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// This host cannot be monitored; doctor has said why.
    #[error("this host cannot be monitored: {reason}")]
    Host {
        /// The first thing that is missing.
        reason: String,
    },
}

/// An argument that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// Not a duration.
    #[error("{text:?} is no duration; write it like 30s, 10m or 2h")]
    Duration {
        /// As given.
        text: String,
    },
    /// Not a speed.
    #[error("--speed is {factor}: it has to be 0 (all at once) or more")]
    Speed {
        /// As given.
        factor: f64,
    },
    /// A view without a screen.
    #[error("the view needs a terminal; for scripts there are `rstmon top --once` and `rstmon top --json`")]
    NoTerminal,
    /// Not a cause.
    #[error(transparent)]
    Cause(#[from] crate::explain::cause::UnknownCause),
}

impl Failure {
    /// A failed operation of the operating system.
    pub fn io(what: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { what, source }
    }

    /// A document that cannot be written as JSON.
    #[must_use]
    pub fn json(error: serde_json::Error) -> Self {
        Self::Io { what: "cannot write JSON", source: error.into() }
    }

    /// 1 failed at run time, 2 wrong usage or configuration, 3 this host cannot be monitored.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Config(_)
            | Self::Filter(_)
            | Self::Usage(_)
            | Self::Listen(_)
            | Self::TelemetryPath(_)
            | Self::WebConfig(_)
            | Self::Recording(_)
            | Self::Serve(ServeError::WebConfig(_)) => 2,
            Self::Host { .. } => 3,
            Self::Probe(error) if error.is_host() => 3,
            _ => 1,
        })
    }
}
