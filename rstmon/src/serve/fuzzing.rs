//! The servers' connections without their sockets, for the fuzzer (`fuzz/src/http.rs`): any stream will do.

use super::{
    Limits, Source, TelemetryPath,
    auth::gate::{self, Gate},
    exporter,
    http::{
        connection::{Shared, serve},
        shutdown::{Stopper, stop_signal},
    },
    socket::live,
    web_config::{Reloader, WebConfigError},
};
use std::{path::PathBuf, sync::Arc};
use tokio::io::{AsyncRead, AsyncWrite};

/// What [`super::Server`] would serve, with the limits of the daemon.
pub(crate) struct Servers {
    tcp: Shared,
    unix: Shared,
    /// Dropping it would stop them.
    _stopper: Stopper,
}

impl Servers {
    /// As the daemon does with `--web.config.file`, its TLS left out.
    pub(crate) fn new(source: Arc<dyn Source>, web_config: Option<PathBuf>) -> Result<Self, WebConfigError> {
        let (stopper, stopping) = stop_signal();
        let limits = Limits::tcp();
        let mut routes = exporter::router(Arc::clone(&source), TelemetryPath::default(), limits.answer);
        if let Some(path) = web_config {
            routes = gate::guard(routes, Arc::new(Gate::new(Reloader::new(path)?)));
        }
        let tcp = Shared::new(routes, limits, stopping.clone());
        let unix = Shared::new(live::router(source, stopping.clone()), Limits::unix(), stopping);
        Ok(Self { tcp, unix, _stopper: stopper })
    }

    /// A connection to the metrics' server, to its end.
    pub(crate) async fn tcp(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        connect(stream, &self.tcp).await;
    }

    /// A connection to the Unix socket, to its end.
    pub(crate) async fn unix(&self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        connect(stream, &self.unix).await;
    }
}

async fn connect(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, shared: &Shared) {
    if let Some(seat) = shared.crowd.join().await {
        serve(stream, shared.clone(), Arc::clone(&seat.turn)).await;
    }
}
