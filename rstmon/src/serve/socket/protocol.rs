//! The names of the protocol on the Unix socket, used by its routes and by its client.

pub(super) const EVENTS_PATH: &str = "/v1/events";
pub(super) const COUNTS_PATH: &str = "/v1/counts";
pub(super) const HISTORY_PATH: &str = "/v1/history";
pub(super) const SNAPSHOT_PATH: &str = "/v1/snapshot";
pub(super) const DOCTOR_PATH: &str = "/v1/doctor";
pub(super) const VERSION_PATH: &str = "/v1/version";

/// Of [`HISTORY_PATH`] and [`COUNTS_PATH`]: the length of the span in whole seconds.
pub(super) const AGE_PARAMETER: &str = "since_seconds";
/// Of [`HISTORY_PATH`] and [`EVENTS_PATH`]: the time of the oldest event, RFC 3339.
pub(super) const SINCE_PARAMETER: &str = "since";
/// Of [`HISTORY_PATH`]: the time of the newest event, RFC 3339.
pub(super) const UNTIL_PARAMETER: &str = "until";
/// Of [`EVENTS_PATH`]: how many remembered events come first.
pub(super) const HISTORY_PARAMETER: &str = "history";
/// Of [`EVENTS_PATH`] and [`HISTORY_PATH`]: a line in the filter grammar.
pub(super) const FILTER_PARAMETER: &str = "filter";

/// Header of both answers: after this time, RFC 3339, all events are remembered.
pub(super) const COMPLETE_SINCE_HEADER: &str = "rstmon-complete-since";
/// Header of both answers: `true` if older events made room for newer ones, `false` if the memory began then.
pub(super) const HAS_FORGOTTEN_HEADER: &str = "rstmon-has-forgotten";
