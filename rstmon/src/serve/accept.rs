//! The accept loops: one task per listener, one task per connection.

use super::{
    gate::Gate,
    http::{
        connection::{ConnectionContext, serve},
        state::ConnectionState,
    },
    socket::file::DaemonSocket,
};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream, UnixStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// Pause after accept(2) failed for want of file descriptors or memory: retrying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

trait Acceptor: Send + Sync + 'static {
    type Stream: Send;

    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Acceptor for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        Ok(Self::accept(self).await?.0)
    }
}

impl Acceptor for DaemonSocket {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener().accept().await?.0)
    }
}

/// Serves one TCP listener until the stop signal, then waits up to `ConnectionLimits::grace` for its connections.
pub(crate) async fn tcp(listener: TcpListener, context: ConnectionContext, gate: Option<Arc<Gate>>) {
    run(listener, context, move |stream, context, state| tcp_connection(stream, context, state, gate.clone())).await;
}

/// The same for the Unix socket.
pub(crate) async fn unix(socket: DaemonSocket, context: ConnectionContext) {
    run(socket, context, serve).await;
}

async fn run<A, F>(
    acceptor: A,
    context: ConnectionContext,
    connection: impl Fn(A::Stream, ConnectionContext, Arc<ConnectionState>) -> F + Send,
) where
    A: Acceptor,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut stopping = context.stopping.clone();
    loop {
        let accepted = tokio::select! {
            // In this order: under load a connection is always ready to be accepted, and finished tasks have to be
            // freed all the same.
            biased;
            () = stopping.stopped() => break,
            Some(_) = connections.join_next() => continue,
            accepted = acceptor.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                let slot = tokio::select! {
                    () = stopping.stopped() => break,
                    slot = context.admission.admit() => slot,
                };
                let Some(slot) = slot else { break };
                let connection = connection(stream, context.clone(), Arc::clone(&slot.state));
                connections.spawn(async move {
                    tokio::select! {
                        () = connection => {}
                        () = slot.evicted() => tracing::debug!("a slow client gives its place to the next"),
                    }
                });
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections, trying again");
                tokio::select! {
                    () = stopping.stopped() => break,
                    () = sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
    // Closed first: a new client is refused at once instead of reaching a server that is stopping.
    drop(acceptor);
    drain(connections, context.limits.grace).await;
}

async fn drain(mut connections: JoinSet<()>, grace: Duration) {
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(grace, all).await.is_err() {
        tracing::debug!(left = connections.len(), "connections cut at shutdown");
        connections.shutdown().await;
    }
}

async fn tcp_connection(
    stream: TcpStream,
    context: ConnectionContext,
    state: Arc<ConnectionState>,
    gate: Option<Arc<Gate>>,
) {
    // Answers are written whole: waiting to fill segments (Nagle's algorithm) would only delay their last segment.
    let _ = stream.set_nodelay(true);
    if let Ok(peer) = stream.peer_addr() {
        state.set_peer(peer.ip());
    }
    let tls = match gate {
        None => None,
        Some(gate) => match gate.current().await {
            Ok(config) => config.tls.clone(),
            // Never fall back to plain HTTP.
            Err(_) => return,
        },
    };
    let Some(tls) = tls else { return serve(stream, context, state).await };
    match timeout(context.limits.handshake, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, context, state).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}
