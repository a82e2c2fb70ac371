//! Several recordings as one stream of events in the order of their time.
//!
//! Only recordings whose spans overlap are open at the same time, and of each only a line is in memory: a directory of
//! hourly files takes the memory of two.

mod paths;

use crate::event::{
    Event, EventIdentity,
    line::StreamLine,
    recording::{Recording, RecordingError},
    span::TimeSpan,
};
use jiff::Timestamp;
pub(crate) use paths::files_and_filter;
use std::{
    cmp::Reverse,
    fs,
    path::{Path, PathBuf},
};

/// Recordings that may be open at the same time: a quarter of the usual limit of open files.
const MAX_OPEN: usize = 256;

pub(crate) struct Recordings {
    span: TimeSpan,
    /// Those whose events come later, the earliest last.
    waiting: Vec<WaitingRecording>,
    open: Vec<OpenRecording>,
    count: usize,
    extent: Option<TimeSpan>,
    complaints: Vec<String>,
    /// The last events, all of the same time, to recognise those that several recordings have.
    last: Vec<EventIdentity>,
}

/// A recording that is opened again when its first event is due.
struct WaitingRecording {
    path: PathBuf,
    first: Timestamp,
}

struct OpenRecording {
    recording: Recording,
    /// The next line. A gap comes at once, behind the event before it.
    next: StreamLine,
}

impl OpenRecording {
    fn time(&self) -> Timestamp {
        match &self.next {
            StreamLine::Event(event) => event.time,
            StreamLine::Lost(_) => Timestamp::MIN,
        }
    }
}

impl Recordings {
    /// Opens files, plain or gzip, standard input (`-`), and the recordings in directories, and leaves out the events
    /// outside of the span. Fails if one of them cannot be read, or if none holds an event.
    pub(crate) fn open(paths: &[PathBuf], span: TimeSpan) -> Result<Self, RecordingError> {
        let files = paths::expand(paths)?;
        let count = files.len();
        let (waiting, open, complaints) = (Vec::new(), Vec::new(), Vec::new());
        let mut this = Self { span, waiting, open, count, extent: None, complaints, last: Vec::new() };
        for path in files {
            let mut recording = Recording::open(&path)?;
            if count == 1 || path == Path::new("-") {
                this.add(recording)?;
                continue;
            }
            match first_event(&mut recording) {
                Ok(first) => this.waiting.push(WaitingRecording { path, first }),
                Err(error) => this.empty(error)?,
            }
        }
        if this.waiting.is_empty() && this.open.is_empty() && this.extent.is_none() {
            return Err(RecordingError::AllEmpty { count });
        }
        this.waiting.sort_by_key(|waiting| Reverse(waiting.first));
        Ok(this)
    }

    /// The next event or gap; `None` at the end. An event that several recordings have comes once.
    pub(crate) fn next_line(&mut self) -> Result<Option<StreamLine>, RecordingError> {
        loop {
            match self.next_of_all()? {
                Some(StreamLine::Event(event)) if self.is_repeated(&event) => {}
                line => return Ok(line),
            }
        }
    }

    fn is_repeated(&mut self, event: &Event) -> bool {
        if self.count == 1 {
            return false;
        }
        let identity = event.identity();
        if self.last.first().is_some_and(|(time, ..)| *time != event.time) {
            self.last.clear();
        }
        let is_repeated = self.last.contains(&identity);
        self.last.push(identity);
        is_repeated
    }

    fn next_of_all(&mut self) -> Result<Option<StreamLine>, RecordingError> {
        loop {
            let earliest = (0..self.open.len()).min_by_key(|&index| self.open[index].time());
            let due = earliest.map(|index| self.open[index].time());
            if let Some(waiting) = self.waiting.pop_if(|waiting| due.is_none_or(|due| waiting.first <= due)) {
                self.add(Recording::open(&waiting.path)?)?;
                continue;
            }
            let Some(index) = earliest else { return Ok(None) };
            let OpenRecording { recording, next } = &mut self.open[index];
            let line = match recording.next_line()? {
                Some(line) => std::mem::replace(next, line),
                None => self.close(index),
            };
            return Ok(Some(line));
        }
    }

    /// The times of the first and the last event, also outside of the span. Complete at the end.
    #[must_use]
    pub(crate) fn extent(&self) -> Option<TimeSpan> {
        self.extent
    }

    /// Messages for the user about what was not read. Complete at the end.
    #[must_use]
    pub(crate) fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Takes a recording, at its beginning, among the open ones.
    fn add(&mut self, mut recording: Recording) -> Result<(), RecordingError> {
        if self.open.len() >= MAX_OPEN {
            return Err(RecordingError::Overlap { most: MAX_OPEN });
        }
        recording.set_span(self.span);
        match recording.next_line() {
            Ok(Some(next)) => self.open.push(OpenRecording { recording, next }),
            Ok(None) => self.finish(&recording),
            Err(error) => self.empty(error)?,
        }
        Ok(())
    }

    /// A recording without events among several is only mentioned.
    fn empty(&mut self, error: RecordingError) -> Result<(), RecordingError> {
        match error {
            RecordingError::Empty { .. } | RecordingError::Damaged { .. } if self.count > 1 => {
                self.complaints.push(error.to_string());
                Ok(())
            }
            error => Err(error),
        }
    }

    fn close(&mut self, index: usize) -> StreamLine {
        let OpenRecording { recording, next } = self.open.swap_remove(index);
        self.finish(&recording);
        next
    }

    fn finish(&mut self, recording: &Recording) {
        self.complaints.extend(recording.complaint());
        self.extent = match (self.extent, recording.extent()) {
            (Some(one), Some(other)) => Some(one.hull(other)),
            (one, other) => one.or(other),
        };
    }
}

/// The time of the last event of recordings, which relative times count from: reads them from begin to end.
pub(crate) fn end(paths: &[PathBuf]) -> Result<Timestamp, RecordingError> {
    if let Some(path) = paths.iter().find(|path| is_read_once(path)) {
        return Err(RecordingError::EndUnknown { path: path.clone() });
    }
    // No event is in this span, so none is parsed.
    let nothing = TimeSpan { since: Timestamp::MAX, until: Timestamp::MIN };
    let mut recordings = Recordings::open(paths, nothing)?;
    while recordings.next_line()?.is_some() {}
    Ok(recordings.extent().map_or(Timestamp::MIN, |extent| extent.until))
}

/// Up to the first event.
fn first_event(recording: &mut Recording) -> Result<Timestamp, RecordingError> {
    loop {
        match recording.next_line()? {
            Some(StreamLine::Event(event)) => return Ok(event.time),
            Some(StreamLine::Lost(_)) => {}
            // Without a span, a recording whose end is reached had an event before it.
            None => return Ok(Timestamp::MAX),
        }
    }
}

/// Standard input, a pipe or the like. What does not exist is reported when it is opened.
fn is_read_once(path: &Path) -> bool {
    path == Path::new("-") || fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

#[cfg(test)]
mod tests {
    use super::{MAX_OPEN, RecordingError, Recordings, StreamLine, TimeSpan, end};
    use crate::event::{line::event_line, testing::event_with};
    use flate2::{Compression, write::GzEncoder};
    use jiff::Timestamp;
    use serde_json::json;
    use std::{fs, io::Write as _, path::PathBuf};
    use tempfile::TempDir;

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).expect("a time")
    }

    fn lines(seconds: impl IntoIterator<Item = i64>) -> String {
        let line = |second| event_line(&event_with(json!({"time": time(second)}))).expect("an event serialises");
        seconds.into_iter().flat_map(|second| [line(second).to_string(), "\n".to_owned()]).collect()
    }

    struct Place(TempDir);

    impl Place {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a directory"))
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            let bytes = if path.extension().is_some_and(|end| end == "gz") {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(text.as_bytes()).expect("it is memory");
                encoder.finish().expect("it is memory")
            } else {
                text.into()
            };
            fs::write(&path, bytes).expect("a file");
            path
        }

        fn directory(&self) -> PathBuf {
            self.0.path().into()
        }
    }

    /// The seconds of the events, in the order in which they come, and how many recordings were open at most.
    fn seconds(recordings: &mut Recordings) -> (Vec<i64>, usize) {
        let (mut seconds, mut most) = (Vec::new(), 0);
        while let Some(line) = recordings.next_line().expect("recordings") {
            most = most.max(recordings.open.len());
            if let StreamLine::Event(event) = line {
                seconds.push(event.time.as_second() - time(0).as_second());
            }
        }
        (seconds, most)
    }

    #[test]
    fn events_of_several_files_come_in_the_order_of_their_time() {
        let place = Place::new();
        let files = [
            place.write("b.json", &lines([10, 12, 14])),
            place.write("a.json.gz", &lines([11, 13, 20])),
            place.write("c.json", &lines([1, 2])),
        ];
        let mut recordings = Recordings::open(&files, TimeSpan::ALWAYS).expect("recordings");
        assert_eq!(seconds(&mut recordings).0, [1, 2, 10, 11, 12, 13, 14, 20]);
        assert_eq!(recordings.extent(), Some(TimeSpan { since: time(1), until: time(20) }));
        assert_eq!(recordings.complaints(), [""; 0]);
    }

    #[test]
    fn a_directory_of_many_files_has_few_of_them_open() {
        let place = Place::new();
        let count = i64::try_from(MAX_OPEN).expect("a small number") + 50;
        for hour in 0..count {
            place.write(&format!("{hour:05}.json"), &lines(hour * 10..hour * 10 + 3));
        }
        let mut recordings = Recordings::open(&[place.directory()], TimeSpan::ALWAYS).expect("recordings");
        let (found, most) = seconds(&mut recordings);
        assert_eq!(found, (0..count).flat_map(|hour| hour * 10..hour * 10 + 3).collect::<Vec<_>>());
        assert!(most <= 2, "{most} were open at once");
    }

    #[test]
    fn too_many_at_once_are_refused() {
        let place = Place::new();
        for number in 0..=MAX_OPEN {
            place.write(&format!("{number}.json"), &lines([0, 1000]));
        }
        let mut recordings = Recordings::open(&[place.directory()], TimeSpan::ALWAYS).expect("recordings");
        assert!(matches!(recordings.next_line(), Err(RecordingError::Overlap { .. })));
    }

    #[test]
    fn a_span_leaves_out_the_rest_of_each_file() {
        let place = Place::new();
        let files = [place.write("a.json", &lines(0..50)), place.write("b.json.gz", &lines(30..90))];
        let span = TimeSpan { since: time(48), until: time(52) };
        let mut recordings = Recordings::open(&files, span).expect("recordings");
        assert_eq!(seconds(&mut recordings).0, [48, 49, 50, 51, 52]);
        assert_eq!(recordings.extent(), Some(TimeSpan { since: time(0), until: time(89) }));
        let nothing = TimeSpan { since: time(1000), until: time(2000) };
        let mut recordings = Recordings::open(&files, nothing).expect("recordings");
        assert_eq!(seconds(&mut recordings).0, [0; 0]);
        assert_eq!(recordings.extent(), Some(TimeSpan { since: time(0), until: time(89) }));
    }

    #[test]
    fn an_event_that_several_recordings_have_comes_once() {
        let place = Place::new();
        let other = |second: i64| lines([second]).replace("\"port\":50000", "\"port\":50001");
        let files = [
            place.write("a.json", &[lines([1, 2]), other(2), lines([3])].concat()),
            place.write("b.json.gz", &[other(2), lines([2, 3, 4])].concat()),
        ];
        let mut recordings = Recordings::open(&files, TimeSpan::ALWAYS).expect("recordings");
        assert_eq!(seconds(&mut recordings).0, [1, 2, 2, 3, 4]);
        // A single recording is taken as it is.
        let mut recordings = Recordings::open(&[place.write("c.json", &lines([1, 1]))], TimeSpan::ALWAYS).expect("one");
        assert_eq!(seconds(&mut recordings).0, [1, 1]);
    }

    #[test]
    fn a_recording_without_events_is_mentioned_and_none_with_events_is_an_error() {
        let place = Place::new();
        let empty = [place.write("a.json", ""), place.write("b.json", "something else\n")];
        let good = place.write("c.json", &lines([1]));
        let mut recordings = Recordings::open(&[&empty[..], &[good]].concat(), TimeSpan::ALWAYS).expect("recordings");
        assert_eq!(seconds(&mut recordings).0, [1]);
        assert_eq!(recordings.complaints().len(), 2, "{:?}", recordings.complaints());
        let error = Recordings::open(&empty, TimeSpan::ALWAYS).err().expect("no events").to_string();
        assert!(error.starts_with("none of the 2 recordings holds events"), "{error}");
        let error = Recordings::open(&empty[1..], TimeSpan::ALWAYS).err().expect("no events").to_string();
        assert!(error.contains("b.json holds no events (line 1 is something else)"), "{error}");
    }

    #[test]
    fn the_end_of_recordings_is_that_of_the_last_event() {
        let place = Place::new();
        let files = [place.write("a.json", &lines([5, 40, 39])), place.write("b.json.gz", &lines([1, 7]))];
        assert_eq!(end(&files).expect("recordings"), time(40));
        let error = end(&["-".into()]).expect_err("it is read once").to_string();
        assert!(error.starts_with("standard input can be read only once"), "{error}");
    }
}
