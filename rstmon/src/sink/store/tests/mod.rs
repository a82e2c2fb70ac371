//! The store as a whole, in a directory of each test, with a clock that the test moves.

mod damage;
mod failing;
mod limits;
mod runs;

use super::{
    Moment, StoreDirectory,
    files::RunFacts,
    line::{CountsLine, LossLine, RunId},
    options::{MinFree, Remotes, StoreOptions},
    read::{Preselection, ScanItem, StoreReader},
    status::SharedStatus,
    writer::StoreWriter,
};
use crate::{
    event::{Event, span::TimeSpan, testing::event_with},
    metrics::Series,
    model::Direction,
    sink::store::counts::CountReading,
    sync::lock,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{
    fmt::Write as _,
    fs,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A store in a temporary directory, with its clock and its counts.
struct TestStore {
    _place: TempDir,
    options: StoreOptions,
    now: Moment,
    counts: Arc<Mutex<CountReading>>,
    shared: Arc<SharedStatus>,
    random: u64,
}

impl TestStore {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut StoreOptions)) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        let mut options = StoreOptions {
            directory: place.path().join("store"),
            max_bytes: 64 << 20,
            counts_max_bytes: 8 << 20,
            max_age: Duration::from_hours(14 * 24),
            min_free: MinFree::Bytes(0),
            sync_interval: Duration::from_secs(30),
            remotes: Remotes::Full,
        };
        change(&mut options);
        let now = Moment { instant: Instant::now(), time: "2026-11-28T02:00:00Z".parse().expect("a time") };
        Self { _place: place, options, now, counts: Arc::default(), shared: Arc::new(SharedStatus::new()), random: 1 }
    }

    fn directory(&self) -> &Path {
        &self.options.directory
    }

    /// Starts a run of the daemon.
    fn run(&self) -> StoreWriter {
        let id = RunId { boot: "boot".to_owned(), start: self.now.time };
        let text = |text: &str| text.to_owned();
        let run = RunFacts { id, host: text("host"), kernel: text("6.12"), version: text("0.1.0") };
        let counts = Arc::clone(&self.counts);
        let mut writer = StoreWriter::new(
            StoreDirectory::open_or_make(self.directory()).expect("the directory"),
            self.options.clone(),
            run,
            Box::new(move || Some(lock(&counts).clone())),
            Arc::clone(&self.shared),
            self.now,
        );
        writer.start(self.now);
        writer
    }

    /// Moves both clocks.
    fn pass(&mut self, duration: Duration) {
        self.now.instant += duration;
        self.step(SignedDuration::try_from(duration).expect("a short time"));
    }

    /// Moves the wall clock only.
    fn step(&mut self, by: SignedDuration) {
        self.now.time = self.now.time.checked_add(by).expect("a time");
    }

    /// Hands over `count` events of now, and a second later lets the writer do what is due.
    fn write(&mut self, writer: &mut StoreWriter, count: u64) {
        self.write_noise(writer, count, 0);
    }

    /// The same, with events that do not compress: each has `noise` hexadecimal digits in its sentence.
    fn write_noise(&mut self, writer: &mut StoreWriter, count: u64, noise: usize) {
        for _ in 0..count {
            let mut sentence = String::new();
            while sentence.len() < noise {
                // Knuth's linear congruential generator.
                self.random =
                    self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let _ = write!(sentence, "{:08x}", self.random >> 32);
            }
            writer.take(&self.event(json!({"sentence": sentence})), self.now.instant);
            self.now.time = self.now.time.checked_add(SignedDuration::from_micros(1)).expect("a time");
        }
        self.pass(Duration::from_secs(1));
        writer.tick(self.now);
    }

    /// An event of now.
    fn event(&self, mut changes: Value) -> Event {
        changes["time"] = json!(self.now.time.to_string());
        event_with(changes)
    }

    /// Sets the sum of resets that `process` sent.
    fn count(&self, process: &str, sum: u64) {
        let series = Series { process: process.into(), ..Series::overflow(Direction::Sent, "no_socket".into()) };
        let mut counts = lock(&self.counts);
        counts.sums.retain(|(known, _)| *known != series);
        counts.sums.push((series, sum));
    }

    fn reader(&self) -> StoreReader {
        StoreReader::open(self.directory()).expect("the store")
    }

    /// All lines of events, losses, and whether something could not be read.
    fn read(&self) -> (Vec<String>, Vec<LossLine>, bool) {
        read(self.directory(), TimeSpan::ALWAYS, Preselection::default())
    }

    fn counted(&self) -> Vec<CountsLine> {
        self.reader().counts(TimeSpan::ALWAYS).expect("a scan").collect()
    }

    /// Names and sizes of the files, without the lock.
    fn files(&self) -> Vec<(String, u64)> {
        let entries = fs::read_dir(self.directory()).expect("the directory").map(|entry| entry.expect("an entry"));
        let mut files: Vec<(String, u64)> = entries
            .map(|entry| {
                (entry.file_name().to_string_lossy().into_owned(), entry.metadata().expect("it is there").len())
            })
            .filter(|(name, _)| name != "lock")
            .collect();
        files.sort();
        files
    }
}

fn read(directory: &Path, span: TimeSpan, preselection: Preselection) -> (Vec<String>, Vec<LossLine>, bool) {
    let reader = StoreReader::open(directory).expect("the store");
    let mut lines = reader.scan(span, preselection).expect("a scan");
    let (mut events, mut losses) = (Vec::new(), Vec::new());
    while let Some(found) = lines.next() {
        match found {
            ScanItem::Event(line) => events.push(String::from_utf8_lossy(line).into_owned()),
            ScanItem::Lost(loss) => losses.push(loss),
        }
    }
    (events, losses, !lines.damage().is_empty())
}

/// The numbers of events.
fn seqs(lines: &[String]) -> Vec<u64> {
    lines.iter().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["seq"].as_u64().expect("seq")).collect()
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}
