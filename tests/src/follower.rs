//! A reader of the daemon's events that only counts them, so that it keeps up with a flood, or that reads nothing at
//! all.

use crate::wait::{SOON, patient};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// How a line begins that announces lost events.
const GAP: &str = "{\"schema\":1,\"lost\":";

/// A connection to the daemon's socket that has requested all events from now on.
#[derive(Debug)]
pub struct Subscriber {
    stream: BufReader<UnixStream>,
}

impl Subscriber {
    /// Subscribes; the daemon has accepted the subscription when this returns.
    ///
    /// # Errors
    /// When the daemon refuses the subscription.
    pub fn new(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket).with_context(|| format!("connecting to {}", socket.display()))?;
        stream.set_read_timeout(Some(patient(SOON)))?;
        // HTTP/1.0: the body is not chunked and ends with the connection.
        (&stream).write_all(b"GET /v1/events?history=0 HTTP/1.0\r\nHost: test\r\n\r\n")?;
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.read_line(&mut line).context("reading the answer")?;
        ensure!(line.split(' ').nth(1) == Some("200"), "the daemon answered {line:?}");
        while line != "\r\n" {
            line.clear();
            ensure!(stream.read_line(&mut line)? > 0, "the answer has no body");
        }
        Ok(Self { stream })
    }

    /// Starts a thread that reads as fast as possible.
    ///
    /// # Errors
    /// When the socket cannot be configured.
    pub fn follow(self) -> Result<Follower> {
        self.stream.get_ref().set_read_timeout(Some(Duration::from_millis(100)))?;
        let tally = Arc::new(LineCounts::default());
        let kept = Arc::clone(&tally);
        thread::spawn(move || kept.read(self.stream));
        Ok(Follower(tally))
    }
}

#[derive(Debug, Default)]
struct LineCounts {
    seen: AtomicU64,
    lost: AtomicU64,
    nonsense: AtomicU64,
    ended: AtomicBool,
    leave: AtomicBool,
}

impl LineCounts {
    fn read(&self, mut stream: BufReader<UnixStream>) {
        let mut line = String::new();
        while !self.leave.load(Ordering::Relaxed) {
            match stream.read_line(&mut line) {
                Ok(0) => break,
                Ok(_) => self.count(&line),
                // The part of a line that has arrived stays in the buffer.
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(_) => break,
            }
            line.clear();
        }
        self.ended.store(true, Ordering::Release);
    }

    fn count(&self, line: &str) {
        let number = if line.starts_with(GAP) {
            serde_json::from_str::<Value>(line).ok().and_then(|gap| gap["lost"].as_u64()).map(|lost| (&self.lost, lost))
        } else {
            // A whole event. It is not parsed: that would take longer than the daemon needs to write it.
            (line.starts_with('{') && line.ends_with("}\n")).then_some((&self.seen, 1))
        };
        let (counter, by) = number.unwrap_or((&self.nonsense, 1));
        counter.fetch_add(by, Ordering::Relaxed);
    }
}

/// A thread that reads events; ended on drop.
#[derive(Debug)]
pub struct Follower(Arc<LineCounts>);

impl Follower {
    /// The number of events read.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.0.seen.load(Ordering::Relaxed)
    }

    /// The number of events that the daemon reported as lost for this reader.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Ordering::Relaxed)
    }

    /// The number of lines that are neither events nor reports of losses.
    #[must_use]
    pub fn nonsense(&self) -> u64 {
        self.0.nonsense.load(Ordering::Relaxed)
    }

    /// Whether the daemon has closed the connection.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.0.ended.load(Ordering::Acquire)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.leave.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_gaps_and_nonsense_are_distinguished() {
        let tally = LineCounts::default();
        for line in ["{\"schema\":1,\"cause\":\"x\"}\n", "{\"schema\":1,\"lost\":7}\n", "{\"schema\":1,\"ca", "\n"] {
            tally.count(line);
        }
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        assert_eq!((read(&tally.seen), read(&tally.lost), read(&tally.nonsense)), (1, 7, 2));
    }
}
