//! Both servers without their listeners, for the fuzz target `http`: a connection is any stream.

use super::{
    exporter::{self, TelemetryPath},
    gate::{self, Gate},
    http::{
        ConnectionLimits,
        connection::{ConnectionContext, serve},
        shutdown::{Stopper, stop_signal},
    },
    socket::{connection_limits, routes},
    source::Source,
    web_config::{Reloader, WebConfigError},
};
use std::{path::PathBuf, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};

/// The routes that [`super::Server`] serves, with the limits of the daemon.
pub(crate) struct Servers {
    tcp: ConnectionContext,
    unix: ConnectionContext,
    /// Dropping it would stop them.
    _stopper: Stopper,
}

impl Servers {
    /// With `web_config`, requests pass the gate as with `--web.config.file`; its TLS settings are not used.
    pub(crate) fn new(source: Arc<dyn Source>, web_config: Option<PathBuf>) -> Result<Self, WebConfigError> {
        let (stopper, stopping) = stop_signal();
        let limits = ConnectionLimits::tcp();
        let mut router = exporter::router(Arc::clone(&source), TelemetryPath::default(), limits.answer);
        if let Some(path) = web_config {
            router = gate::protect(router, Arc::new(Gate::new(Reloader::new(path)?)));
        }
        let tcp = ConnectionContext::new(router, limits, stopping.clone());
        let unix = ConnectionContext::new(routes::router(source, stopping.clone()), connection_limits(), stopping);
        Ok(Self { tcp, unix, _stopper: stopper })
    }

    /// Serves one connection of the exporter to its end.
    pub(crate) async fn tcp(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        connect(stream, &self.tcp).await;
    }

    /// Serves one connection of the Unix socket to its end.
    pub(crate) async fn unix(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        connect(stream, &self.unix).await;
    }
}

async fn connect(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, context: &ConnectionContext) {
    if let Some(slot) = context.admission.admit().await {
        serve(stream, context.clone(), Arc::clone(&slot.state)).await;
    }
}
