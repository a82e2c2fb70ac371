//! The server as a whole: options -> [`Server::bind`] (everything that can fail, before the daemon says it is up) ->
//! [`Server::run`] (nothing fails any more).

use super::{
    Source,
    auth::gate::{self, Gate},
    exporter::{self, telemetry_path::TelemetryPath},
    http::{
        accept,
        connection::Shared,
        inherit::{InheritError, Inherited},
        limits::Limits,
        listen::{ListenAddress, ListenError, bind_all},
        shutdown::Stopping,
    },
    socket::{
        live,
        unix::{Socket, SocketError, SocketOptions},
    },
    web_config::{Refusal, Reloader, WebConfigError},
};
use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{net::TcpListener, task::JoinSet};

/// What to serve where.
#[derive(Clone, Debug)]
pub(crate) struct ServerOptions {
    /// `--web.listen-address`; empty for no TCP at all.
    pub(crate) listen: Vec<ListenAddress>,
    /// `--web.telemetry-path`.
    pub(crate) telemetry_path: TelemetryPath,
    /// `--web.config.file`.
    pub(crate) web_config: Option<PathBuf>,
    /// The Unix socket, if there is to be one.
    pub(crate) socket: Option<SocketOptions>,
    /// Bounds for TCP clients.
    pub(crate) tcp_limits: Limits,
    /// Bounds for clients of the Unix socket.
    pub(crate) unix_limits: Limits,
}

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// A TCP address cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The web configuration is wrong.
    #[error(transparent)]
    WebConfig(#[from] WebConfigError),
    /// The Unix socket cannot be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// What the service manager opened cannot be used.
    #[error(transparent)]
    Inherit(#[from] InheritError),
}

/// Reads the web configuration of a running server again.
#[derive(Clone)]
pub(crate) struct WebReload(Arc<Gate>);

impl WebReload {
    /// Reads it and everything it points to. What is wrong with it leaves the old one in force. Blocks for file access.
    pub(crate) fn now(&self) -> Result<(), Refusal> {
        self.0.reload()
    }
}

/// A server that holds its addresses and is ready to run.
pub(crate) struct Server {
    listeners: Vec<TcpListener>,
    socket: Option<Socket>,
    gate: Option<Arc<Gate>>,
    options: ServerOptions,
}

impl Server {
    /// Binds all addresses, or none. Listeners that the service manager opened take their place: those on TCP that of all
    /// addresses, the one on a Unix socket that of the socket. Blocks for a few file operations: call it before the load is
    /// on.
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
            Some(inherited) => Some(Socket::inherit(inherited)),
            None => options.socket.as_ref().map(Socket::bind).transpose()?,
        };
        Ok(Self { listeners, socket, gate, options })
    }

    /// The TCP addresses in fact bound: the ports that were given as 0 are known here.
    pub(crate) fn tcp_addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// What reads the web configuration again; none where there is none.
    #[must_use]
    pub(crate) fn web_reload(&self) -> Option<WebReload> {
        self.gate.clone().map(WebReload)
    }

    /// The Unix socket's file.
    #[must_use]
    pub(crate) fn socket_path(&self) -> Option<&Path> {
        self.socket.as_ref().map(Socket::path)
    }

    /// Serves `source` until `stopping` says so; returns after the last connection ended or was cut.
    pub(crate) async fn run(self, source: Arc<dyn Source>, stopping: Stopping) {
        let Self { listeners, socket, gate, options } = self;
        let ServerOptions { telemetry_path, tcp_limits, unix_limits, .. } = options;

        let mut router = exporter::router(Arc::clone(&source), telemetry_path, tcp_limits.answer);
        if let Some(gate) = &gate {
            router = gate::guard(router, Arc::clone(gate));
        }
        let shared = Shared::new(router, tcp_limits, stopping.clone());

        // Dropping the set, with the future of this function, ends them all.
        let mut loops = JoinSet::new();
        for listener in listeners {
            loops.spawn(accept::tcp(listener, shared.clone(), gate.clone()));
        }
        if let Some(socket) = socket {
            let router = live::router(source, stopping.clone());
            loops.spawn(accept::unix(socket, Shared::new(router, unix_limits, stopping)));
        }
        while let Some(ended) = loops.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a listener failed");
            }
        }
    }
}
