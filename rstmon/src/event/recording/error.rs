//! Why a recording cannot be read.

use jiff::Timestamp;
use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingError {
    #[error("cannot read the recording {}: {source}; `-` reads standard input, which may be a pipe", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot read the recording {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} holds no events{}; record some with: rstmon tail --json > FILE", path.display(), first_wrong(*.wrong))]
    Empty {
        path: PathBuf,
        /// Number of the first line that is not an event, from 1; `None` for an empty file.
        wrong: Option<u64>,
    },
    #[error("cannot read the recording {}: {reason}", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("none of the {count} recordings holds events; record some with: rstmon tail --json > FILE")]
    AllEmpty { count: usize },
    #[error("{} has no recordings: files *.json, *.ndjson or *.jsonl, plain or with .gz behind", path.display())]
    NoRecordings { path: PathBuf },
    #[error("no event is in the span that was asked for: the recorded ones are from {since} to {until}")]
    NotInSpan { since: Timestamp, until: Timestamp },
    #[error("more than {most} recordings overlap in time: replay fewer at once")]
    Overlap { most: usize },
    /// Relative times count from the end of a recording, which is not known before it is read.
    #[error(
        "{} can be read only once, so that 10m or 03:12 before its end cannot be found: give times with their date, as \
         in --at \"2026-11-27 03:12\"",
        if path.as_os_str() == "-" { "standard input".into() } else { path.display().to_string() }
    )]
    EndUnknown { path: PathBuf },
}

fn first_wrong(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line} is something else)"))
}
