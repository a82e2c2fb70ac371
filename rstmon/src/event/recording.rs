//! Reads recordings, which are output of `rstmon tail --json`. Lines that are not events are skipped and counted, so
//! that a file with other text in it, or one that was cut off, can still be read.

use super::line::{StreamLine, is_mark};
use crate::host::regular_file;
use std::{
    io::{self, BufRead, BufReader, Read as _},
    path::{Path, PathBuf},
};

/// More than the JSON of any event.
const MAX_LINE_BYTES: u64 = 64 * 1024;

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
}

fn first_wrong(line: Option<u64>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line} is something else)"))
}

pub(crate) struct Recording {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    buffer: Vec<u8>,
    line: u64,
    events: u64,
    /// The number of lines that were skipped, and the number of the first of them.
    pub(crate) passed_over: Option<(u64, u64)>,
}

impl Recording {
    /// Opens a regular file; `-` is standard input, whatever that is.
    pub(crate) fn open(path: &Path) -> Result<Self, RecordingError> {
        let reader: Box<dyn BufRead + Send> = if path == Path::new("-") {
            Box::new(BufReader::new(io::stdin()))
        } else {
            let file = regular_file::open(path).map_err(|source| RecordingError::Open { path: path.into(), source })?;
            Box::new(BufReader::new(file))
        };
        Ok(Self::new(reader, path))
    }

    /// Reads from `reader`; `path` is for messages.
    #[must_use]
    pub(crate) fn new(reader: Box<dyn BufRead + Send>, path: &Path) -> Self {
        Self { path: path.into(), reader, buffer: Vec::new(), line: 0, events: 0, passed_over: None }
    }

    /// The next line that is an event or a gap; `None` at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<StreamLine>, RecordingError> {
        while self.read_line()? {
            let text = self.buffer.trim_ascii();
            if text.is_empty() {
                continue;
            }
            match StreamLine::parse(text) {
                Ok(line) => {
                    self.events += u64::from(matches!(line, StreamLine::Event(_)));
                    return Ok(Some(line));
                }
                // A recording may come out of a store.
                Err(_) if is_mark(text) => {}
                Err(_) => self.pass_over(),
            }
        }
        if self.events == 0 {
            let wrong = self.passed_over.map(|(_, first)| first);
            return Err(RecordingError::Empty { path: self.path.clone(), wrong });
        }
        Ok(None)
    }

    /// A message for the user about the lines that were skipped, if any.
    #[must_use]
    pub(crate) fn complaint(&self) -> Option<String> {
        let (count, first) = self.passed_over?;
        let plural = if count == 1 { "line is no event" } else { "lines are no events" };
        Some(format!("{}: {count} {plural}, the first is line {first}", self.path.display()))
    }

    fn pass_over(&mut self) {
        let (count, first) = self.passed_over.unwrap_or((0, self.line));
        self.passed_over = Some((count + 1, first));
    }

    /// Returns false at the end of the file. A line that is too long comes in pieces, none of which is an event.
    fn read_line(&mut self) -> Result<bool, RecordingError> {
        self.buffer.clear();
        let mut limited = (&mut self.reader).take(MAX_LINE_BYTES);
        let read = limited
            .read_until(b'\n', &mut self.buffer)
            .map_err(|source| RecordingError::Read { path: self.path.clone(), source })?;
        self.line += 1;
        Ok(read > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{Recording, RecordingError, StreamLine};
    use crate::event::{line::event_line, testing::event};
    use std::{io::Cursor, path::Path};

    /// A line with an event.
    fn line() -> String {
        event_line(&event()).expect("an event serialises").to_string()
    }

    fn read(text: impl Into<Vec<u8>>) -> (Result<Vec<StreamLine>, RecordingError>, Option<String>) {
        let mut recording = Recording::new(Box::new(Cursor::new(text.into())), Path::new("file"));
        let mut lines = Vec::new();
        let result = loop {
            match recording.next_line() {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => break Ok(lines),
                Err(error) => break Err(error),
            }
        };
        (result, recording.complaint())
    }

    #[test]
    fn events_and_gaps_are_read_back() {
        let (lines, complaint) = read(format!("{0}\n{{\"schema\":1,\"lost\":2}}\n\n{0}\n", line()));
        let lines = lines.expect("a recording");
        assert!(matches!(&lines[..], [StreamLine::Event(_), StreamLine::Lost(2), StreamLine::Event(_)]), "{lines:?}");
        assert_eq!(complaint, None);
    }

    #[test]
    fn what_is_no_event_is_counted_with_the_first_line() {
        let event = line();
        let (lines, complaint) = read(format!("{event}\nrstmon: watching\n\u{1}\n{}", &event[..100]));
        assert_eq!(lines.expect("a recording").len(), 1);
        assert_eq!(complaint.as_deref(), Some("file: 3 lines are no events, the first is line 2"));
    }

    #[test]
    fn a_file_without_events_says_how_to_make_one() {
        let error = read("hello\n").0.expect_err("no events").to_string();
        assert_eq!(
            error,
            "file holds no events (line 1 is something else); record some with: rstmon tail --json > FILE"
        );
        assert!(matches!(read("").0, Err(RecordingError::Empty { wrong: None, .. })));
    }

    #[test]
    fn an_endless_line_is_bounded() {
        let mut text = vec![b'x'; 1 << 20];
        text.extend_from_slice(format!("\n{}\n", line()).as_bytes());
        let (lines, complaint) = read(text);
        assert_eq!(lines.expect("a recording").len(), 1);
        assert!(complaint.is_some());
    }
}
