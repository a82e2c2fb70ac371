//! What a host counted in a span of time that ends now, and what of its events is remembered. docs/events.md documents
//! the schema; under one schema number, fields are only added.

use super::snapshot::SeriesCount;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Version of the document's JSON form.
pub(crate) const SPAN_SCHEMA: u32 = 1;

/// The answer to `GET /v1/counts`. A reset between two processes of the host counts at both ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpanCounts {
    /// The number is [`SPAN_SCHEMA`].
    pub(crate) schema: u32,
    /// When counting began, RFC 3339 in UTC.
    pub(crate) started: Timestamp,
    /// The beginning of the span: at most five seconds before what was asked for, or later where counting began later
    /// or older growth is forgotten.
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Events of the span that the kernel half did not send (rate limit) or lost (ring).
    pub(crate) events_lost: u64,
    /// Events since the start that the memory has dropped to make room.
    pub(crate) events_forgotten: u64,
    /// Time of the oldest event that is remembered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) oldest_event: Option<Timestamp>,
    /// Network namespaces that are known, with that of the daemon.
    pub(crate) network_namespaces: u64,
    /// The growth of each series that grew, as `total`.
    pub(crate) series: Vec<SeriesCount>,
}
