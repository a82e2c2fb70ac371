//! What the server shows. The daemon implements [`Source`]; nothing in `serve` knows where the data comes from.

use crate::{
    event::{filter::Filter, snapshot::Snapshot},
    metrics::Format,
    sink::hub::{Subscription, TooManySubscribers},
};
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
    /// `reason` is shown as it is to whoever asks `/-/ready`: one line, no secrets.
    #[cfg_attr(not(test), expect(dead_code, reason = "a daemon that serves is ready; made-up sources are not"))]
    pub(crate) fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into() }
    }
}

/// The data behind the routes.
///
/// Every method may block: the server calls it on a blocking thread. A panic in one costs that request a 500, no more.
pub(crate) trait Source: Send + Sync + 'static {
    /// All metrics in this format. Never called twice at the same time.
    fn metrics(&self, format: Format) -> Result<String, SourceError>;

    /// Whether resets are being counted right now.
    fn ready(&self) -> Result<(), NotReady>;

    /// What this host's kernel can and cannot show.
    fn doctor(&self) -> serde_json::Value;

    /// The remembered events no older than `since`, oldest first, one JSON object each without a line end.
    /// `since` may be as long as [`Duration::MAX`]: everything.
    ///
    /// Lines are made as they are taken: a reader that does not read costs no more than the events do.
    fn history(&self, since: Duration) -> Box<dyn Iterator<Item = Arc<str>> + Send>;

    /// The exact totals and what is hidden. Never called twice at the same time.
    fn snapshot(&self) -> Result<Snapshot, SourceError>;

    /// The last `history` remembered events and then those from now on, none missed and none twice, as far as they pass
    /// `filter`.
    fn subscribe(&self, history: usize, filter: Filter) -> Result<Subscription, TooManySubscribers>;
}
