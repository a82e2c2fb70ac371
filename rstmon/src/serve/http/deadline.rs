//! Deadlines on one connection. hyper has only some of them: none for a client that does not read, and for an
//! unfinished header one that would also end an idle kept-alive connection.
//!
//! [`DeadlineStream`] wraps the stream. From the bytes that pass, and from the [`ConnectionState`] that the handler
//! sets, it knows whether the connection is in a request's header, waits for the server, or is idle, and it fails the
//! pending operation when the client exceeds its limit. At the end it lingers: it reads on until the client has closed
//! too, because closing a socket with unread data resets the connection, and the client would lose the answer.

use super::{
    limits::ConnectionLimits,
    state::{ConnectionState, HoldReason},
};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// The size of one read while lingering.
const SCRATCH_BYTES: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No request was answered yet: the header deadline runs from the connect.
    Opening,
    /// Some of a request was received.
    Header,
    /// All requests were answered.
    Idle,
}

/// A stream that fails with `TimedOut` when its client does not send or read in time.
#[derive(Debug)]
pub(crate) struct DeadlineStream<S> {
    stream: S,
    state: Arc<ConnectionState>,
    header: Duration,
    idle: Option<Duration>,
    write: Option<Duration>,
    phase: Phase,
    read_deadline: Option<Pin<Box<Sleep>>>,
    write_deadline: Option<Pin<Box<Sleep>>>,
    linger: Option<Duration>,
    linger_bytes: u64,
    /// Runs from when the server closed its end.
    linger_deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> DeadlineStream<S> {
    pub(crate) fn new(stream: S, limits: &ConnectionLimits, state: Arc<ConnectionState>) -> Self {
        let ConnectionLimits { header, idle, write, linger, linger_bytes, .. } = *limits;
        Self {
            stream,
            state,
            header,
            idle,
            write,
            phase: Phase::Opening,
            read_deadline: None,
            write_deadline: None,
            linger,
            linger_bytes,
            linger_deadline: None,
        }
    }

    fn received(&mut self) {
        if self.phase == Phase::Idle {
            self.phase = Phase::Header;
            self.read_deadline = None;
            self.state.hold(HoldReason::Slow);
        }
    }

    fn sent(&mut self) {
        self.phase = Phase::Idle;
        self.read_deadline = None;
        // A client that has yet to read some of the answer is not idle but slow, from the first write that waited.
        if self.write_deadline.is_none() {
            self.state.hold(HoldReason::Idle);
        }
    }

    fn poll_read_deadline(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let allowed = match self.phase {
            _ if !self.state.waits_for_client() => None,
            Phase::Opening | Phase::Header => Some(self.header),
            Phase::Idle => self.idle,
        };
        poll_deadline(&mut self.read_deadline, allowed, context)
    }

    /// The deadline runs from the first write that had to wait, until everything is written: a client that reads a byte
    /// now and then does not extend it.
    fn watch_write<T>(&mut self, result: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_pending() {
            if self.write_deadline.is_none() {
                self.phase = Phase::Idle;
                self.state.hold(HoldReason::Slow);
            }
            let expired = poll_deadline(&mut self.write_deadline, self.write, context);
            if expired.is_ready() {
                self.state.cut_off();
            }
            return expired.map(Err);
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

impl<S: AsyncRead + Unpin> AsyncRead for DeadlineStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let filled = buffer.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(context, buffer);
        if result.is_pending() {
            return this.poll_read_deadline(context).map(Err);
        }
        if buffer.filled().len() > filled {
            this.received();
        }
        result
    }
}

impl<S: AsyncRead + Unpin> DeadlineStream<S> {
    /// Discards what the client sends until it closes, up to `linger` and `linger_bytes`.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(allowed) = self.linger else { return Poll::Ready(()) };
        if self.linger_deadline.is_none() {
            self.state.hold(HoldReason::Slow);
        }
        let mut scratch = [0; SCRATCH_BYTES];
        while self.linger_bytes > 0 {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.linger_bytes = self.linger_bytes.saturating_sub(buffer.filled().len() as u64);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return poll_deadline(&mut self.linger_deadline, Some(allowed), context).map(drop),
            }
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for DeadlineStream<S> {
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
        // hyper flushes the stream only after its own buffer is empty: all of the answer was taken.
        if result.is_ready() {
            if this.write_deadline.take().is_some() {
                this.state.hold(HoldReason::Idle);
            }
            // hyper reads before it writes and then sleeps, so the idle deadline can only start here.
            if let Poll::Ready(error) = this.poll_read_deadline(context) {
                return Poll::Ready(Err(error));
            }
        }
        this.watch_write(result, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger_deadline.is_none() {
            let result = Pin::new(&mut this.stream).poll_shutdown(context);
            if !matches!(result, Poll::Ready(Ok(()))) {
                return this.watch_write(result, context);
            }
        }
        this.poll_linger(context).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const SHORT: Duration = Duration::from_millis(30);
    const LONG: Duration = Duration::from_mins(1);

    fn limits(header: Duration, idle: Option<Duration>, write: Option<Duration>) -> ConnectionLimits {
        ConnectionLimits { header, write, idle, ..ConnectionLimits::tcp() }
    }

    #[tokio::test]
    async fn a_trickled_header_is_cut_at_its_deadline() {
        let (mut client, server) = duplex(64);
        let mut guarded = DeadlineStream::new(server, &limits(SHORT, Some(LONG), None), Arc::default());
        let trickle = async {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(SHORT / 10).await;
            }
        };
        let read = async {
            let mut byte = [0];
            loop {
                if let Err(error) = guarded.read_exact(&mut byte).await {
                    break error.kind();
                }
            }
        };
        tokio::select! {
            kind = read => assert_eq!(kind, io::ErrorKind::TimedOut),
            () = trickle => panic!("the client must not see the end before the server does"),
        }
    }

    #[tokio::test]
    async fn an_idle_connection_has_its_own_deadline() {
        let (_client, server) = duplex(64);
        let state = Arc::<ConnectionState>::default();
        let mut guarded = DeadlineStream::new(server, &limits(LONG, Some(SHORT), None), Arc::clone(&state));
        guarded.write_all(b"answer").await.expect("room for the answer");
        let error = guarded.read(&mut [0]).await.expect_err("nothing comes");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(!state.is_cut_off(), "the client took all of its answer");
    }

    #[tokio::test]
    async fn the_client_does_not_pay_for_a_slow_server() {
        let (_client, stream) = duplex(64);
        let state = Arc::<ConnectionState>::default();
        let mut guarded = DeadlineStream::new(stream, &limits(SHORT, Some(SHORT), None), Arc::clone(&state));
        state.work();
        let mut byte = [0];
        let read = tokio::time::timeout(SHORT * 3, guarded.read(&mut byte)).await;
        assert!(read.is_err(), "expected the read to go on waiting, found {read:?}");
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut() {
        let (_client, server) = duplex(4);
        let state = Arc::<ConnectionState>::default();
        let mut guarded = DeadlineStream::new(server, &limits(LONG, Some(LONG), Some(SHORT)), Arc::clone(&state));
        guarded.write_all(b"fits").await.expect("room");
        assert!(!state.is_cut_off());
        let error = guarded.write_all(b"more than fits").await.expect_err("the client does not read");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(state.is_cut_off());
    }

    #[tokio::test]
    async fn data_after_the_last_answer_is_discarded_until_the_client_closes() {
        let (mut client, server) = duplex(64);
        let limits = ConnectionLimits { linger: Some(LONG), linger_bytes: 1000, ..ConnectionLimits::tcp() };
        let mut guarded = DeadlineStream::new(server, &limits, Arc::default());
        let talk = async {
            client.write_all(&[b'x'; 500]).await.expect("it is read");
            drop(client);
        };
        let (closed, ()) = tokio::join!(guarded.shutdown(), talk);
        closed.expect("closed");
    }

    #[tokio::test]
    async fn lingering_ends_by_time_and_by_bytes() {
        for (linger, linger_bytes) in [(SHORT, 1000), (LONG, 10)] {
            let (mut client, server) = duplex(64);
            let limits = ConnectionLimits { linger: Some(linger), linger_bytes, ..ConnectionLimits::tcp() };
            let mut guarded = DeadlineStream::new(server, &limits, Arc::default());
            client.write_all(&[b'x'; 50]).await.expect("it fits");
            tokio::time::timeout(LONG / 2, guarded.shutdown()).await.expect("an end").expect("closed");
        }
    }
}
