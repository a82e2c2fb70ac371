//! Deadlines on one connection, which hyper has only in part: it has none for a client that does not read, and one
//! for an unfinished header that would also end an idle kept-alive connection.
//!
//! [`Guard`] wraps the stream. It knows from the bytes, and from the mark in [`Served`], whether the connection is in a
//! request's header, waiting for the server, or idle, and fails the pending operation when the client overstays.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::limits::Limits;

/// Set by the request handler while the server, not the client, is to move next.
#[derive(Debug, Default)]
pub(super) struct Served(AtomicBool);

impl Served {
    /// A request's header is complete.
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was answered yet: the time runs from the connect.
    Opening,
    /// Some of a request came.
    Header,
    /// All that was asked for was answered.
    Idle,
}

/// A stream whose client has to keep moving.
#[derive(Debug)]
pub(super) struct Guard<S> {
    stream: S,
    served: Arc<Served>,
    header: Duration,
    idle: Option<Duration>,
    write: Option<Duration>,
    phase: Phase,
    read_deadline: Option<Pin<Box<Sleep>>>,
    write_deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Guard<S> {
    pub(super) fn new(stream: S, limits: &Limits, served: Arc<Served>) -> Self {
        let Limits { header, idle, write, .. } = *limits;
        Self { stream, served, header, idle, write, phase: Phase::Opening, read_deadline: None, write_deadline: None }
    }

    fn received(&mut self) {
        if self.phase == Phase::Idle {
            self.phase = Phase::Header;
            self.read_deadline = None;
        }
    }

    fn sent(&mut self) {
        self.served.0.store(false, Ordering::Relaxed);
        self.phase = Phase::Idle;
        self.read_deadline = None;
    }

    fn poll_overstayed(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let allowed = match self.phase {
            _ if self.served.0.load(Ordering::Relaxed) => None,
            Phase::Opening | Phase::Header => Some(self.header),
            Phase::Idle => self.idle,
        };
        poll_deadline(&mut self.read_deadline, allowed, context)
    }

    /// The deadline runs from the first write that had to wait until everything is out, so that a client cannot hold
    /// an answer for ever by reading a byte now and then.
    fn watch_write<T>(&mut self, result: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_pending() {
            return poll_deadline(&mut self.write_deadline, self.write, context).map(Err);
        }
        result
    }
}

fn poll_deadline(
    deadline: &mut Option<Pin<Box<Sleep>>>,
    allowed: Option<Duration>,
    context: &mut Context<'_>,
) -> Poll<io::Error> {
    let Some(allowed) = allowed else {
        *deadline = None;
        return Poll::Pending;
    };
    let running = deadline.get_or_insert_with(|| Box::pin(sleep(allowed)));
    running.as_mut().poll(context).map(|()| io::Error::from(io::ErrorKind::TimedOut))
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buffer.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(context, buffer);
        if result.is_pending() {
            return this.poll_overstayed(context).map(Err);
        }
        if buffer.filled().len() > filled {
            this.received();
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(context, bytes);
        if matches!(result, Poll::Ready(Ok(_))) {
            this.sent();
        }
        this.watch_write(result, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(context, slices);
        if matches!(result, Poll::Ready(Ok(_))) {
            this.sent();
        }
        this.watch_write(result, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(context);
        // hyper flushes the stream only after its own buffer is empty: the client took everything.
        if result.is_ready() {
            this.write_deadline = None;
            // hyper reads before it writes and then sleeps: only here can the idle time begin to run.
            if let Poll::Ready(error) = this.poll_overstayed(context) {
                return Poll::Ready(Err(error));
            }
        }
        this.watch_write(result, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_shutdown(context);
        this.watch_write(result, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_mins(1);

    fn limits(header: Duration, idle: Option<Duration>, write: Option<Duration>) -> Limits {
        Limits { header, write, idle, ..Limits::tcp() }
    }

    #[tokio::test]
    async fn a_trickled_header_is_cut_at_its_deadline() {
        let (mut client, server) = duplex(64);
        let mut guard = Guard::new(server, &limits(SHORT, Some(LONG), None), Arc::default());
        let trickle = async {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SHORT / 10).await;
            }
        };
        let read = async {
            let mut byte = [0];
            loop {
                if let Err(error) = guard.read_exact(&mut byte).await {
                    break error.kind();
                }
            }
        };
        tokio::select! {
            kind = read => assert_eq!(kind, io::ErrorKind::TimedOut),
            () = trickle => panic!("the client must not see the end before the guard does"),
        }
    }

    #[tokio::test]
    async fn an_idle_connection_has_its_own_deadline() {
        let (_client, server) = duplex(64);
        let mut guard = Guard::new(server, &limits(LONG, Some(SHORT), None), Arc::default());
        guard.write_all(b"answer").await.expect("room for the answer");
        let error = guard.read(&mut [0]).await.expect_err("nothing comes");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn the_client_does_not_pay_for_a_slow_server() {
        let (_client, stream) = duplex(64);
        let served = Arc::new(Served::default());
        let mut guard = Guard::new(stream, &limits(SHORT, Some(SHORT), None), Arc::clone(&served));
        served.begin();
        let mut byte = [0];
        let read = tokio::time::timeout(SHORT * 3, guard.read(&mut byte)).await;
        assert!(read.is_err(), "expected the read to go on waiting, found {read:?}");
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut() {
        let (_client, server) = duplex(4);
        let mut guard = Guard::new(server, &limits(LONG, Some(LONG), Some(SHORT)), Arc::default());
        let error = guard.write_all(b"more than fits").await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
