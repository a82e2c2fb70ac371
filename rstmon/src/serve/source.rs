//! What the server serves: the daemon implements [`Source`], and nothing else in `serve` knows where the data comes
//! from.

use crate::{
    event::{counted::SpanCounts, filter::Filter, snapshot::Snapshot, span::TimeSpan},
    metrics::Format,
    sink::{
        history::HistoryExtent,
        hub::{Subscription, TooManySubscribers},
    },
};
use jiff::Timestamp;
use std::{borrow::Cow, error::Error, sync::Arc, time::Duration};

/// Any error of a [`Source`], kept whole so that its chain reaches the log.
pub(crate) type SourceError = Box<dyn Error + Send + Sync + 'static>;

/// Why the daemon cannot serve yet (or any more), in words for an operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct NotReady {
    reason: Cow<'static, str>,
}

impl NotReady {
    /// `reason` goes unchanged into the answer of `/-/ready`: one line, no secrets.
    pub(crate) fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into() }
    }
}

/// The remembered events of a span.
pub(crate) struct RememberedLines {
    pub(crate) extent: HistoryExtent,
    /// Oldest first, one JSON object each without a line end. A line is serialised when the iterator yields it: a
    /// client that reads slowly costs no more memory than the events.
    pub(crate) lines: Box<dyn Iterator<Item = Arc<str>> + Send>,
}

/// Which remembered events come before the live ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Past {
    /// At most so many, the last ones.
    pub(crate) last: usize,
    /// None before this time.
    pub(crate) since: Timestamp,
}

/// The data behind the routes.
///
/// Every method may block: the server calls it on a blocking thread. A panic in a method fails that one request with
/// status 500.
pub(crate) trait Source: Send + Sync + 'static {
    /// All metrics in this format. Never called twice at the same time.
    fn metrics(&self, format: Format) -> Result<String, SourceError>;

    /// Whether resets are being counted, and events delivered, right now.
    fn ready(&self) -> Result<(), NotReady>;

    /// What this host's kernel can and cannot show.
    fn doctor(&self) -> serde_json::Value;

    /// The remembered events of a span that pass `filter`.
    fn history(&self, span: TimeSpan, filter: Filter) -> RememberedLines;

    /// The exact totals, and what rstmon cannot see. Never called twice at the same time.
    fn snapshot(&self) -> Result<Snapshot, SourceError>;

    /// What was counted since then.
    fn counts(&self, since: Duration) -> Result<SpanCounts, SourceError>;

    /// Those of the remembered events of `past` and of all events from now on that pass `filter`; none is missed and
    /// none comes twice.
    fn subscribe(&self, past: Past, filter: Filter) -> Result<(HistoryExtent, Subscription), TooManySubscribers>;
}
