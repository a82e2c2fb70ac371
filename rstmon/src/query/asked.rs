//! The time flags of a command line, as the span that the command looks at.

use super::{
    recordings,
    time::{AskedSpan, TimeError, TimeReader, TimeTexts},
};
use crate::event::recording::RecordingError;
use jiff::{Timestamp, tz::TimeZone};
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum AskedError {
    #[error(transparent)]
    Time(#[from] TimeError),
    #[error(transparent)]
    Recording(#[from] RecordingError),
}

/// Reads the flags. Without recordings, `10m` and `03:12` are seen from the present; with recordings, from their end,
/// which is searched for only if it matters.
pub(crate) fn asked(texts: TimeTexts<'_>, recordings: &[PathBuf], zone: &TimeZone) -> Result<AskedSpan, AskedError> {
    let depends_on_now = texts.depend_on_now()?;
    let zone = zone.clone();
    let reader = if recordings.is_empty() {
        TimeReader::present(Timestamp::now(), zone)
    } else if depends_on_now {
        TimeReader::of_recording(recordings::end(recordings)?, zone)
    } else {
        TimeReader::of_recording(Timestamp::MAX, zone)
    };
    Ok(reader.span(texts)?)
}

/// The zone that times are read and written in.
#[must_use]
pub(crate) fn zone(is_utc: bool) -> TimeZone {
    if is_utc { TimeZone::UTC } else { TimeZone::system() }
}
