//! The server as a whole: options -> [`Server::bind`] (everything that can fail, done before the daemon reports that it
//! is up) -> [`Server::run`] (cannot fail).

use super::{
    accept,
    exporter::{self, TelemetryPath},
    gate::{self, Gate},
    http::{
        ConnectionLimits,
        connection::ConnectionContext,
        inherit::{InheritError, Inherited},
        listen::{ListenAddress, ListenError, bind_all},
        shutdown::Stopping,
    },
    socket::{
        file::{DaemonSocket, SocketError, SocketOptions},
        routes,
    },
    source::Source,
    web_config::{Refusal, Reloader, Successor, WebConfigError},
};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{net::TcpListener, task::JoinSet};

#[derive(Clone, Debug)]
pub(crate) struct ServerOptions {
    /// `--web.listen-address`; empty for no TCP at all.
    pub(crate) listen: Vec<ListenAddress>,
    /// `--web.telemetry-path`.
    pub(crate) telemetry_path: TelemetryPath,
    /// `--web.config.file`.
    pub(crate) web_config: Option<PathBuf>,
    /// Absent when the daemon makes no Unix socket itself.
    pub(crate) socket: Option<SocketOptions>,
    pub(crate) tcp_limits: ConnectionLimits,
    pub(crate) unix_limits: ConnectionLimits,
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    WebConfig(#[from] WebConfigError),
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Inherit(#[from] InheritError),
}

/// Reads the web configuration of a running server again.
#[derive(Clone)]
pub(crate) struct WebReload(Arc<Gate>);

impl WebReload {
    /// Reads the configuration and every file that it names, and judges them. Nothing comes into force yet. Blocks for
    /// file access.
    pub(crate) fn read_again(&self) -> Result<JudgedWebConfig, Refusal> {
        Ok(JudgedWebConfig { gate: Arc::clone(&self.0), successor: self.0.read_again()? })
    }
}

/// A web configuration that was read again and may come into force.
pub(crate) struct JudgedWebConfig {
    gate: Arc<Gate>,
    successor: Successor,
}

impl JudgedWebConfig {
    pub(crate) fn apply(self) {
        let Self { gate, successor } = self;
        gate.apply(successor);
    }
}

/// A server that holds its addresses and is ready to run.
pub(crate) struct Server {
    listeners: Vec<TcpListener>,
    socket: Option<DaemonSocket>,
    gate: Option<Arc<Gate>>,
    options: ServerOptions,
}

impl Server {
    /// Binds all addresses, or none. Listeners that the service manager opened replace the configured ones: inherited
    /// TCP listeners replace all of `options.listen`, an inherited Unix socket replaces `options.socket`.
    ///
    /// Blocks for a few file operations, so it has to be called before the server is under load.
    pub(crate) async fn bind(options: ServerOptions, inherited: Inherited) -> Result<Self, ServeError> {
        let (tcp, unix) = inherited.into_parts()?;
        let gate =
            options.web_config.clone().map(Reloader::new).transpose()?.map(|reloader| Arc::new(Gate::new(reloader)));
        let listeners = match tcp {
            inherited if !inherited.is_empty() => inherited,
            _ if options.listen.is_empty() => Vec::new(),
            _ => bind_all(&options.listen).await?,
        };
        let socket = match unix {
            Some(inherited) => Some(DaemonSocket::inherit(inherited)),
            None => options.socket.as_ref().map(DaemonSocket::bind).transpose()?,
        };
        Ok(Self { listeners, socket, gate, options })
    }

    /// The addresses that were bound, with the port that the kernel chose where port 0 was asked for.
    pub(crate) fn tcp_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// The handle that reloads the web configuration; `None` without `--web.config.file`.
    #[must_use]
    pub(crate) fn web_reload(&self) -> Option<WebReload> {
        self.gate.clone().map(WebReload)
    }

    #[must_use]
    pub(crate) fn socket_path(&self) -> Option<&Path> {
        self.socket.as_ref().map(DaemonSocket::path)
    }

    /// Lowers the number of connections that each server accepts to `most`.
    pub(crate) fn limit_connections(&mut self, most: usize) {
        let ServerOptions { tcp_limits, unix_limits, .. } = &mut self.options;
        for limits in [tcp_limits, unix_limits] {
            limits.connections = limits.connections.min(most);
        }
    }

    /// Serves `source` until `stopping` is signalled; returns after the last connection has ended or was cut.
    pub(crate) async fn run(self, source: Arc<dyn Source>, stopping: Stopping) {
        let Self { listeners, socket, gate, options } = self;
        let ServerOptions { telemetry_path, tcp_limits, unix_limits, .. } = options;

        let mut router = exporter::router(Arc::clone(&source), telemetry_path, tcp_limits.answer);
        if let Some(gate) = &gate {
            router = gate::protect(router, Arc::clone(gate));
        }
        let context = ConnectionContext::new(router, tcp_limits, stopping.clone());

        // Dropping this future drops the set, which ends all accept loops.
        let mut loops = JoinSet::new();
        for listener in listeners {
            loops.spawn(accept::tcp(listener, context.clone(), gate.clone()));
        }
        if let Some(socket) = socket {
            let router = routes::router(source, stopping.clone());
            loops.spawn(accept::unix(socket, ConnectionContext::new(router, unix_limits, stopping)));
        }
        while let Some(ended) = loops.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a listener failed");
            }
        }
    }
}
