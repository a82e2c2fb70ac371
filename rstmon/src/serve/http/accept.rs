//! The accept loops.

use super::{
    super::{auth::gate::Gate, socket::unix::Socket},
    connection::{Shared, serve},
    crowd::Turn,
};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream, UnixStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// After accept(2) failed for want of file descriptors or memory: retrying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// Something that connections come from.
trait Listener: Send + Sync + 'static {
    type Stream: Send;

    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        Ok(Self::accept(self).await?.0)
    }
}

impl Listener for Socket {
    type Stream = UnixStream;

    async fn accept(&self) -> io::Result<UnixStream> {
        Ok(self.listener().accept().await?.0)
    }
}

/// Serves one TCP listener until the stop signal, then lets its connections end for the time that the limits give.
pub(crate) async fn tcp(listener: TcpListener, shared: Shared, gate: Option<Arc<Gate>>) {
    run(listener, shared, move |stream, shared, turn| connection(stream, shared, turn, gate.clone())).await;
}

/// The same for the Unix socket.
pub(crate) async fn unix(socket: Socket, shared: Shared) {
    run(socket, shared, serve).await;
}

async fn run<L, F>(listener: L, shared: Shared, connection: impl Fn(L::Stream, Shared, Arc<Turn>) -> F + Send)
where
    L: Listener,
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut stopping = shared.stopping.clone();
    loop {
        let accepted = tokio::select! {
            // In this order: in a crowd there is always somebody to accept, and what ended connections leave behind has to
            // be freed all the same.
            biased;
            () = stopping.stopped() => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                let seat = tokio::select! {
                    () = stopping.stopped() => break,
                    seat = shared.crowd.join() => seat,
                };
                let Some(seat) = seat else { break };
                let connection = connection(stream, shared.clone(), Arc::clone(&seat.turn));
                connections.spawn(async move {
                    tokio::select! {
                        () = connection => {}
                        () = seat.asked_to_leave() => tracing::debug!("a slow client gives its place to the next"),
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
    // The listener goes first: the next client finds nobody rather than a server that is going.
    drop(listener);
    drain(connections, shared.limits.grace).await;
}

async fn drain(mut connections: JoinSet<()>, grace: Duration) {
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(grace, all).await.is_err() {
        tracing::debug!(left = connections.len(), "connections cut at shutdown");
        connections.shutdown().await;
    }
}

async fn connection(stream: TcpStream, shared: Shared, turn: Arc<Turn>, gate: Option<Arc<Gate>>) {
    // Answers are written whole; waiting to fill segments would only delay their end.
    let _ = stream.set_nodelay(true);
    let tls = match gate {
        None => None,
        Some(gate) => match gate.current().await {
            Ok(config) => config.tls.clone(),
            // Never fall back to plain HTTP.
            Err(_) => return,
        },
    };
    let Some(tls) = tls else { return serve(stream, shared, turn).await };
    match timeout(shared.limits.handshake, TlsAcceptor::from(tls).accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, shared, turn).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}
