//! Reads recordings, which are output of `rstmon tail --json`, plain or compressed by gzip. Lines that are not events
//! are skipped and counted, so that a file with other text in it, or one that was cut off, can still be read.

mod error;
mod input;

use super::{
    line::{StreamLine, is_mark, quick_time},
    span::TimeSpan,
};
use crate::host::regular_file;
pub(crate) use error::RecordingError;
use input::RecordedInput;
use jiff::Timestamp;
use std::{
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

/// More than the JSON of any event.
const MAX_LINE_BYTES: u64 = 64 * 1024;
/// A file that holds no event in so many bytes is not read further: a few kilobytes of gzip inflate to gigabytes.
const MAX_BYTES_WITHOUT_EVENT: u64 = 64 * 1024 * 1024;

pub(crate) struct Recording {
    path: PathBuf,
    input: RecordedInput,
    buffer: Vec<u8>,
    line: u64,
    span: TimeSpan,
    /// The first and the last time of an event so far, also outside of the span.
    extent: Option<TimeSpan>,
    /// Time of the last event, which dates a gap behind it.
    last: Option<Timestamp>,
    bytes_without_event: u64,
    /// The number of lines that were skipped, and the number of the first of them.
    passed_over: Option<(u64, u64)>,
    /// Why the rest of the file was not read.
    damage: Option<String>,
}

impl Recording {
    /// Opens a regular file, plain or gzip; `-` is standard input, whatever that is.
    pub(crate) fn open(path: &Path) -> Result<Self, RecordingError> {
        let reader: Box<dyn BufRead + Send> = if path == Path::new("-") {
            Box::new(BufReader::new(io::stdin()))
        } else {
            let file = regular_file::open(path).map_err(|source| RecordingError::Open { path: path.into(), source })?;
            Box::new(BufReader::new(file))
        };
        Self::new(reader, path)
    }

    /// Reads from `reader`; `path` is for messages.
    pub(crate) fn new(reader: Box<dyn BufRead + Send>, path: &Path) -> Result<Self, RecordingError> {
        let input = RecordedInput::new(reader).map_err(|source| RecordingError::Read { path: path.into(), source })?;
        Ok(Self {
            path: path.into(),
            input,
            buffer: Vec::new(),
            line: 0,
            span: TimeSpan::ALWAYS,
            extent: None,
            last: None,
            bytes_without_event: 0,
            passed_over: None,
            damage: None,
        })
    }

    /// Leaves out the events outside of a span from here on.
    pub(crate) fn set_span(&mut self, span: TimeSpan) {
        self.span = span;
    }

    /// The times of the first and the last event so far, also outside of the span.
    #[must_use]
    pub(crate) fn extent(&self) -> Option<TimeSpan> {
        self.extent
    }

    /// The next line of the span that is an event or a gap; `None` at the end.
    pub(crate) fn next_line(&mut self) -> Result<Option<StreamLine>, RecordingError> {
        while self.read_line()? {
            let text = self.buffer.trim_ascii();
            if text.is_empty() {
                continue;
            }
            // Most events outside of the span are recognised without parsing them.
            if let Some(time) = quick_time(text)
                && !self.span.contains(time)
            {
                self.count_event(time);
                continue;
            }
            match StreamLine::parse(text) {
                Ok(StreamLine::Event(event)) => {
                    self.count_event(event.time);
                    if self.span.contains(event.time) {
                        return Ok(Some(StreamLine::Event(event)));
                    }
                }
                Ok(StreamLine::Lost(lost)) => {
                    if self.last.is_none_or(|last| self.span.contains(last)) {
                        return Ok(Some(StreamLine::Lost(lost)));
                    }
                }
                // A recording may come out of a store.
                Err(_) if is_mark(text) => {}
                Err(_) => self.pass_over(),
            }
        }
        if self.extent.is_none() {
            let path = self.path.clone();
            return Err(match &self.damage {
                Some(reason) => RecordingError::Damaged { path, reason: reason.clone() },
                None => RecordingError::Empty { path, wrong: self.passed_over.map(|(_, first)| first) },
            });
        }
        Ok(None)
    }

    /// A message for the user about what was not read, if anything.
    #[must_use]
    pub(crate) fn complaint(&self) -> Option<String> {
        let skipped = self.passed_over.map(|(count, first)| {
            let plural = if count == 1 { "line is no event" } else { "lines are no events" };
            format!("{count} {plural}, the first is line {first}")
        });
        let damage = self.damage.as_ref().map(|reason| format!("{reason}; the rest was not read"));
        let both: Vec<String> = skipped.into_iter().chain(damage).collect();
        (!both.is_empty()).then(|| format!("{}: {}", self.path.display(), both.join("; ")))
    }

    fn count_event(&mut self, time: Timestamp) {
        self.bytes_without_event = 0;
        self.last = Some(time);
        let at_once = TimeSpan { since: time, until: time };
        self.extent = Some(self.extent.map_or(at_once, |extent| extent.hull(at_once)));
    }

    fn pass_over(&mut self) {
        let (count, first) = self.passed_over.unwrap_or((0, self.line));
        self.passed_over = Some((count + 1, first));
    }

    /// Returns false at the end of the file. A line that is too long comes in pieces, none of which is an event.
    fn read_line(&mut self) -> Result<bool, RecordingError> {
        self.buffer.clear();
        if self.damage.is_some() {
            return Ok(false);
        }
        if self.bytes_without_event > MAX_BYTES_WITHOUT_EVENT {
            let megabytes = MAX_BYTES_WITHOUT_EVENT / (1024 * 1024);
            self.damage = Some(format!("{megabytes} MiB without an event, up to line {}", self.line));
            return Ok(false);
        }
        self.line += 1;
        match self.input.read_line(MAX_LINE_BYTES, &mut self.buffer) {
            Ok(_) => {}
            // What was inflated before the damage is good.
            Err(error) if self.input.is_damage(&error) => {
                let what = match error.kind() {
                    io::ErrorKind::UnexpectedEof => "the gzip data is cut off".to_owned(),
                    _ => format!("the gzip data is damaged ({error})"),
                };
                self.damage = Some(format!("{what} at line {}", self.line));
            }
            Err(source) => return Err(RecordingError::Read { path: self.path.clone(), source }),
        }
        self.bytes_without_event += self.buffer.len() as u64;
        Ok(!self.buffer.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::{Recording, RecordingError, StreamLine, TimeSpan};
    use crate::event::{
        line::event_line,
        testing::{event, event_with},
    };
    use flate2::{Compression, write::GzEncoder};
    use serde_json::json;
    use std::{
        io::{Cursor, Write as _},
        path::Path,
    };

    /// A line with an event.
    fn line() -> String {
        event_line(&event()).expect("an event serialises").to_string()
    }

    /// A line with an event at a second of the minute.
    fn line_at(second: u8) -> String {
        let event = event_with(json!({"time": format!("2026-11-21T03:00:{second:02}Z")}));
        format!("{}\n", event_line(&event).expect("an event serialises"))
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).expect("it is memory");
        encoder.finish().expect("it is memory")
    }

    fn open(bytes: impl Into<Vec<u8>>) -> Recording {
        Recording::new(Box::new(Cursor::new(bytes.into())), Path::new("file")).expect("it is memory")
    }

    fn rest(recording: &mut Recording) -> Result<Vec<StreamLine>, RecordingError> {
        let mut lines = Vec::new();
        while let Some(line) = recording.next_line()? {
            lines.push(line);
        }
        Ok(lines)
    }

    fn read(bytes: impl Into<Vec<u8>>) -> (Result<Vec<StreamLine>, RecordingError>, Option<String>) {
        let mut recording = open(bytes);
        let lines = rest(&mut recording);
        (lines, recording.complaint())
    }

    #[test]
    fn events_and_gaps_are_read_back() {
        let text = format!("{0}\n{{\"schema\":1,\"lost\":2}}\n\n{0}\n", line());
        for bytes in [text.clone().into_bytes(), gzip(text.as_bytes())] {
            let (lines, complaint) = read(bytes);
            let lines = lines.expect("a recording");
            assert!(
                matches!(&lines[..], [StreamLine::Event(_), StreamLine::Lost(2), StreamLine::Event(_)]),
                "{lines:?}"
            );
            assert_eq!(complaint, None);
        }
    }

    #[test]
    fn gzip_members_follow_each_other() {
        // The second member begins inside of a line.
        let text = format!("{0}\n{0}\n", line());
        let (first, second) = text.split_at(text.len() * 2 / 3);
        let (lines, complaint) = read([gzip(first.as_bytes()), gzip(b""), gzip(second.as_bytes())].concat());
        assert_eq!((lines.expect("a recording").len(), complaint), (2, None));
    }

    #[test]
    fn gzip_that_is_cut_off_anywhere_gives_the_lines_before() {
        let text: String = (0..9).map(line_at).collect();
        let bytes = [gzip(&text.as_bytes()[..text.len() / 2]), gzip(&text.as_bytes()[text.len() / 2..])].concat();
        let mut counts = Vec::new();
        for end in 0..bytes.len() {
            let (lines, complaint) = read(&bytes[..end]);
            match lines {
                Ok(lines) => {
                    counts.push(lines.len());
                    // Between two members, or behind the first byte of one, the rest is not missed.
                    assert!(complaint.is_some() || lines.len() < 9, "cut at byte {end}");
                }
                Err(error) => assert!(
                    error.to_string().starts_with("file holds no") || error.to_string().contains("cut off"),
                    "{error}"
                ),
            }
        }
        assert!(counts.is_sorted() && counts.contains(&4) && counts.contains(&9), "{counts:?}");
        let complaint = read(&bytes[..bytes.len() - 9]).1.expect("it is cut off");
        assert!(complaint.starts_with("file: the gzip data is cut off at line "), "{complaint}");
    }

    #[test]
    fn damaged_gzip_gives_the_lines_before_and_says_so() {
        let text: String = (0..9).map(line_at).collect();
        let mut bytes = [gzip(text.as_bytes()), gzip(text.as_bytes())].concat();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 20].fill(0xff);
        let (lines, complaint) = read(bytes);
        assert_eq!(lines.expect("the first member is good").len(), 9);
        assert!(complaint.as_deref().is_some_and(|text| text.contains("the gzip data is damaged (")), "{complaint:?}");
        let error = read([0x1f, 0x8b, 0xff, 0xff]).0.expect_err("no events").to_string();
        assert!(error.starts_with("cannot read the recording file: the gzip data is "), "{error}");
    }

    #[test]
    fn a_gzip_bomb_is_bounded() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(line_at(0).as_bytes()).expect("it is memory");
        let mut piece = vec![0; 1 << 20];
        piece[1000] = b'\n';
        for _ in 0..66 {
            encoder.write_all(&piece).expect("it is memory");
        }
        let mut recording = open(encoder.finish().expect("it is memory"));
        assert_eq!(rest(&mut recording).expect("it begins with an event").len(), 1);
        let complaint = recording.complaint().expect("it was not read to its end");
        assert!(complaint.contains("; 64 MiB without an event, up to line "), "{complaint}");
        assert!(recording.buffer.capacity() < 1 << 20, "{}", recording.buffer.capacity());
    }

    #[test]
    fn events_outside_of_the_span_are_left_out_with_their_gaps() {
        let lost = "{\"schema\":1,\"lost\":2}\n";
        // The order of its fields keeps the last one from being recognised without parsing it.
        let late = format!(
            "{{\"time\":\"2026-11-21T03:00:09Z\",{}",
            &line()[1..].replace("\"time\":\"2026-11-21T03:00:00Z\",", "")
        );
        let mut recording = open([&*line_at(1), lost, &*line_at(2), lost, &*line_at(3), lost, &*late].concat());
        let at = |second: u8| format!("2026-11-21T03:00:{second:02}Z").parse().expect("a time");
        recording.set_span(TimeSpan { since: at(2), until: at(2) });
        let lines = rest(&mut recording).expect("a recording");
        assert!(matches!(&lines[..], [StreamLine::Event(_), StreamLine::Lost(2)]), "{lines:?}");
        assert_eq!(recording.extent(), Some(TimeSpan { since: at(1), until: at(9) }));
        assert_eq!(recording.complaint(), None);
        // A span without events is no file without events.
        let mut recording = open(line_at(1));
        recording.set_span(TimeSpan { since: at(2), until: at(2) });
        assert_eq!(rest(&mut recording).expect("a recording").len(), 0);
    }

    #[test]
    fn marks_of_a_store_are_no_complaint() {
        let mark = r#"{"schema":1,"stop":"2026-11-28T03:12:00Z"}"#;
        let (lines, complaint) = read(format!("{mark}\n{}\n{mark}\n", line()));
        assert_eq!((lines.expect("a recording").len(), complaint), (1, None));
    }

    #[test]
    fn only_a_regular_file_is_opened() {
        let error = Recording::open(Path::new("/dev/null")).err().expect("an error").to_string();
        assert!(error.contains("not a regular file; `-` reads standard input"), "{error}");
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
