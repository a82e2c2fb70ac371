//! Deadlines on one connection, which hyper has only in part: it has none for a client that does not read, and one
//! for an unfinished header that would also end an idle kept-alive connection.
//!
//! [`Guard`] wraps the stream. It knows from the bytes, and from the handler's mark in [`Turn`], whether the connection is in a
//! request's header, waiting for the server, or idle, and fails the pending operation when the client overstays. At the
//! end it lingers: it reads on until the client, too, has closed, so that what the client had still to say does not
//! reset the connection before the answer is read.

use super::{crowd::Turn, limits::Limits};
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

/// Read at once while lingering.
const SCRATCH_BYTES: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
pub(crate) struct Guard<S> {
    stream: S,
    turn: Arc<Turn>,
    header: Duration,
    idle: Option<Duration>,
    write: Option<Duration>,
    phase: Phase,
    read_deadline: Option<Pin<Box<Sleep>>>,
    write_deadline: Option<Pin<Box<Sleep>>>,
    linger: Option<Duration>,
    linger_bytes: u64,
    /// Runs from when our end was closed.
    linger_deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Guard<S> {
    pub(crate) fn new(stream: S, limits: &Limits, turn: Arc<Turn>) -> Self {
        let Limits { header, idle, write, linger, linger_bytes, .. } = *limits;
        Self {
            stream,
            turn,
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
            self.turn.client(false);
        }
    }

    fn sent(&mut self) {
        self.phase = Phase::Idle;
        self.read_deadline = None;
        // While some of the answer has to wait for the client, it is not idle but slow, from the first wait on.
        if self.write_deadline.is_none() {
            self.turn.client(true);
        }
    }

    fn poll_overstayed(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let allowed = match self.phase {
            _ if self.turn.is_servers() => None,
            Phase::Opening | Phase::Header => Some(self.header),
            Phase::Idle => self.idle,
        };
        poll_deadline(&mut self.read_deadline, allowed, context)
    }

    /// The deadline runs from the first write that had to wait until everything is out, so that a client cannot hold
    /// an answer for ever by reading a byte now and then.
    fn watch_write<T>(&mut self, result: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if result.is_pending() {
            if self.write_deadline.is_none() {
                self.phase = Phase::Idle;
                self.turn.client(false);
            }
            let overstayed = poll_deadline(&mut self.write_deadline, self.write, context);
            if overstayed.is_ready() {
                self.turn.cut_off();
            }
            return overstayed.map(Err);
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

impl<S: AsyncRead + Unpin> Guard<S> {
    /// Throws away what comes until the client closes, for a while.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(allowed) = self.linger else { return Poll::Ready(()) };
        if self.linger_deadline.is_none() {
            self.turn.client(false);
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

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Guard<S> {
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
            if this.write_deadline.take().is_some() {
                this.turn.client(true);
            }
            // hyper reads before it writes and then sleeps: only here can the idle time begin to run.
            if let Poll::Ready(error) = this.poll_overstayed(context) {
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
        let turn = Arc::<Turn>::default();
        let mut guard = Guard::new(server, &limits(LONG, Some(SHORT), None), Arc::clone(&turn));
        guard.write_all(b"answer").await.expect("room for the answer");
        let error = guard.read(&mut [0]).await.expect_err("nothing comes");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(!turn.is_cut_off(), "it took all of its answer");
    }

    #[tokio::test]
    async fn the_client_does_not_pay_for_a_slow_server() {
        let (_client, stream) = duplex(64);
        let turn = Arc::<Turn>::default();
        let mut guard = Guard::new(stream, &limits(SHORT, Some(SHORT), None), Arc::clone(&turn));
        turn.server();
        let mut byte = [0];
        let read = tokio::time::timeout(SHORT * 3, guard.read(&mut byte)).await;
        assert!(read.is_err(), "expected the read to go on waiting, found {read:?}");
    }

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut() {
        let (_client, server) = duplex(4);
        let turn = Arc::<Turn>::default();
        let mut guard = Guard::new(server, &limits(LONG, Some(LONG), Some(SHORT)), Arc::clone(&turn));
        guard.write_all(b"fits").await.expect("room");
        assert!(!turn.is_cut_off());
        let error = guard.write_all(b"more than fits").await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(turn.is_cut_off());
    }

    #[tokio::test]
    async fn what_comes_after_the_last_answer_is_thrown_away_until_the_client_closes() {
        let (mut client, server) = duplex(64);
        let limits = Limits { linger: Some(LONG), linger_bytes: 1000, ..Limits::tcp() };
        let mut guard = Guard::new(server, &limits, Arc::default());
        let talk = async {
            client.write_all(&[b'x'; 500]).await.expect("it is read");
            drop(client);
        };
        let (closed, ()) = tokio::join!(guard.shutdown(), talk);
        closed.expect("closed");
    }

    #[tokio::test]
    async fn lingering_ends_by_time_and_by_bytes() {
        for (linger, linger_bytes) in [(SHORT, 1000), (LONG, 10)] {
            let (mut client, server) = duplex(64);
            let limits = Limits { linger: Some(linger), linger_bytes, ..Limits::tcp() };
            let mut guard = Guard::new(server, &limits, Arc::default());
            client.write_all(&[b'x'; 50]).await.expect("it fits");
            tokio::time::timeout(LONG / 2, guard.shutdown()).await.expect("an end").expect("closed");
        }
    }
}
