//! An HTTP body as a stream of text lines, each of bounded length.

use super::{
    error::ClientError,
    peer::{PATIENCE, PeerProcess},
};
use crate::sink::history::HistoryExtent;
use futures_util::Stream;
use hyper::body::{Body, Bytes, Incoming};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep, sleep};

/// More than the longest event that rstmon writes.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// The lines of an answer, without their line ends. The stream ends after an error.
#[derive(Debug)]
pub(crate) struct Lines {
    body: Incoming,
    splitter: LineSplitter,
    ended: bool,
    /// Of an answer that is complete soon.
    silence: Option<SilenceLimit>,
    /// Which events the daemon remembers at all; `None` if it does not say.
    pub(crate) extent: Option<HistoryExtent>,
}

/// How long the daemon may send nothing, and which process it is.
#[derive(Debug)]
struct SilenceLimit {
    peer: PeerProcess,
    end: Pin<Box<Sleep>>,
}

impl Lines {
    /// The lines of a stream that may be silent for ever.
    pub(super) fn live(body: Incoming, extent: Option<HistoryExtent>) -> Self {
        Self { body, splitter: LineSplitter::new(MAX_LINE_BYTES), ended: false, silence: None, extent }
    }

    /// The lines of an answer whose parts follow each other at once.
    pub(super) fn finite(body: Incoming, extent: Option<HistoryExtent>, peer: PeerProcess) -> Self {
        Self { silence: Some(SilenceLimit { peer, end: Box::pin(sleep(PATIENCE)) }), ..Self::live(body, extent) }
    }
}

impl Stream for Lines {
    type Item = Result<String, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            match this.splitter.next_line() {
                Some(Ok(line)) => return Poll::Ready(Some(Ok(line))),
                Some(Err(error)) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(error)));
                }
                None => {}
            }
            let frame = match (Pin::new(&mut this.body).poll_frame(context), &mut this.silence) {
                (Poll::Ready(frame), _) => frame,
                (Poll::Pending, None) => return Poll::Pending,
                (Poll::Pending, Some(SilenceLimit { peer, end })) => {
                    ready!(end.as_mut().poll(context));
                    this.ended = true;
                    return Poll::Ready(Some(Err(peer.silent())));
                }
            };
            if let Some(SilenceLimit { end, .. }) = &mut this.silence {
                end.as_mut().reset(Instant::now() + PATIENCE);
            }
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        this.splitter.push(data);
                    }
                }
                Some(Err(source)) => {
                    this.ended = true;
                    return Poll::Ready(Some(Err(ClientError::Broken { source })));
                }
                None => this.ended = true,
            }
        }
    }
}

/// Cuts chunks into lines. Bytes after the last line end are not returned.
#[derive(Debug)]
struct LineSplitter {
    max: usize,
    chunk: Bytes,
    /// The beginning of a line whose end is in a later chunk.
    partial: Vec<u8>,
}

impl LineSplitter {
    fn new(max: usize) -> Self {
        Self { max, chunk: Bytes::new(), partial: Vec::new() }
    }

    /// To be called only after [`Self::next_line`] has returned `None`: it replaces the chunk.
    fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    fn next_line(&mut self) -> Option<Result<String, ClientError>> {
        let end = self.chunk.iter().position(|byte| *byte == b'\n');
        let part = self.chunk.split_to(end.unwrap_or(self.chunk.len()));
        if self.partial.len() + part.len() > self.max {
            return Some(Err(ClientError::LineTooLong { max: self.max }));
        }
        self.partial.extend_from_slice(&part);
        end?;
        // Skips the line end.
        self.chunk = self.chunk.slice(1..);
        let line = String::from_utf8(std::mem::take(&mut self.partial));
        Some(line.map_err(|source| ClientError::NotText { source }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(max: usize, chunks: &[&'static [u8]]) -> Vec<Result<String, String>> {
        let mut splitter = LineSplitter::new(max);
        let mut lines = Vec::new();
        for chunk in chunks {
            splitter.push(Bytes::from_static(chunk));
            while let Some(line) = splitter.next_line() {
                let failed = line.is_err();
                lines.push(line.map_err(|error| error.to_string()));
                if failed {
                    return lines;
                }
            }
        }
        lines
    }

    #[test]
    fn lines_are_independent_of_chunks() {
        let expected = vec![Ok("one".to_owned()), Ok(String::new()), Ok("two".to_owned())];
        assert_eq!(split(16, &[b"one\n\ntwo\n"]), expected);
        assert_eq!(split(16, &[b"on", b"", b"e\n", b"\nt", b"wo", b"\nunfinished"]), expected);
    }

    #[test]
    fn a_line_is_bounded_and_text() {
        assert_eq!(split(3, &[b"abc\n"]), [Ok("abc".to_owned())]);
        let too_long = &split(3, &[b"ab", b"cd"])[0];
        assert!(too_long.as_ref().is_err_and(|error| error.contains('3')), "found {too_long:?}");
        assert!(split(8, &[b"\xff\n"])[0].is_err());
    }
}
