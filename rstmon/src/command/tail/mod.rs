//! `rstmon tail`: one line for each reset as it happens, from the daemon or from a probe in this process; and those of
//! a span of time that has passed, from the daemon's memory or from recordings. Text has one line for both ends of a
//! RST on this host; JSON has both events.

mod rows;

use super::{Failure, UsageError, cli::TailArguments, end_with_reader};
use crate::{
    config::{
        Config,
        logging::{self, LogWay},
    },
    event::{
        Event,
        filter::Filter,
        line::{StreamLine, lost_line},
        text,
    },
    host::terminal::{self, note},
    monitor::alone::READ_INTERVAL,
    query::{
        self,
        covered::CoveredSpan,
        follow::{EventFollower, FollowEvent},
        local,
        recordings::{Recordings, files_and_filter},
        time::{AskedSpan, written},
    },
    serve::{Client, Past},
    sink::{EventQueue, Sinks},
};
use futures_util::TryStreamExt as _;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rows::{TailRow, TailRows};
use std::{
    path::PathBuf,
    sync::{Arc, mpsc::RecvTimeoutError},
    time::Instant,
};
use tokio::time::timeout_at;

/// Events that may wait for a slow terminal where there is no daemon.
const QUEUE: usize = 4096;

pub(super) fn run(arguments: &TailArguments) -> Result<(), Failure> {
    let (recordings, words) = files_and_filter(&arguments.replay, &arguments.filter);
    let filter = Filter::parse(&words)?;
    let zone = query::zone(arguments.time.utc);
    let texts = arguments.time.texts();
    if arguments.source.standalone && !texts.is_empty() {
        return Err(UsageError::NoPast.into());
    }
    let asked = query::asked(texts, &recordings, &zone)?;
    let config = Config::load(&arguments.source.config.overrides())?;
    logging::start(&config.log, LogWay::Direct);
    let today = Timestamp::now().to_zoned(zone.clone()).date();
    let mut printer = Printer {
        filter,
        json: arguments.output.is_json(),
        colour: terminal::colour(),
        zone,
        day: today,
        rows: TailRows::default(),
    };
    if !recordings.is_empty() {
        return replay(&recordings, asked, &mut printer);
    }
    if asked.until.is_some() {
        return remember(&config, asked, &mut printer);
    }
    if !arguments.source.standalone {
        let last = if asked.since.is_some() { usize::MAX } else { arguments.lines };
        match follow(&config, Past { last, since: asked.span().since }, &mut printer) {
            Err(error) if error.is_no_daemon() && !arguments.source.requires_daemon() && texts.is_empty() => {}
            result => return result,
        }
    }
    watch(&config, &mut printer)
}

struct Printer {
    filter: Filter,
    json: bool,
    colour: bool,
    zone: TimeZone,
    /// The day of the last line of text, which shows only the time of day.
    day: Date,
    /// Rows of text that wait for their other ends.
    rows: TailRows,
}

impl Printer {
    fn begin(&self, source: &str) -> Result<(), Failure> {
        note(&format!("watching resets {source}; Ctrl-C ends"));
        self.print_heading()
    }

    fn print_heading(&self) -> Result<(), Failure> {
        if self.json { Ok(()) } else { Ok(terminal::print(&text::heading())?) }
    }

    /// Notes what the source does not have of a span.
    fn note_gaps(&self, covered: Option<CoveredSpan>, asked: AskedSpan) {
        for gap in covered.iter().flat_map(|covered| covered.gaps(asked, |time| written(time, &self.zone))) {
            note(gap.trim_end_matches('.'));
        }
    }

    /// Prints a gap, in JSON as the same line that the daemon sends for one.
    fn print_lost(&self, lost: u64) -> Result<(), Failure> {
        if self.json {
            return Ok(terminal::print(&lost_line(lost))?);
        }
        note(&format!("{lost} events lost: this reader was too slow"));
        Ok(())
    }

    fn print(&mut self, event: &Event) -> Result<(), Failure> {
        if !self.filter.matches(event) {
            return Ok(());
        }
        if self.json {
            let text = serde_json::to_string(event).map_err(Failure::json)?;
            return Ok(terminal::print(&text)?);
        }
        let now = Instant::now();
        self.rows.push(event.clone(), now);
        self.print_due(now)
    }

    /// Prints the rows that wait no longer.
    fn print_due(&mut self, now: Instant) -> Result<(), Failure> {
        while let Some(row) = self.rows.next_due(now) {
            self.print_row(&row)?;
        }
        Ok(())
    }

    /// Prints the rows that wait, for which no other end can come any more.
    fn print_rest(&mut self) -> Result<(), Failure> {
        while let Some(row) = self.rows.next() {
            self.print_row(&row)?;
        }
        Ok(())
    }

    fn print_row(&mut self, TailRow { event, other }: &TailRow) -> Result<(), Failure> {
        let day = event.time.to_zoned(self.zone.clone()).date();
        if day != self.day {
            self.day = day;
            terminal::print(&format!("--- {day} ---"))?;
        }
        Ok(terminal::print(&text::line(event, other.as_ref(), &self.zone, self.colour))?)
    }

    fn print_line(&mut self, line: &StreamLine) -> Result<(), Failure> {
        match line {
            StreamLine::Event(event) => self.print(event),
            StreamLine::Lost(lost) if self.json => Ok(terminal::print(&lost_line(*lost))?),
            StreamLine::Lost(lost) => {
                self.print_rest()?;
                note(&format!("{lost} events are missing here: they were lost while they were recorded"));
                Ok(())
            }
        }
    }
}

/// Prints the events of recordings.
fn replay(paths: &[PathBuf], asked: AskedSpan, printer: &mut Printer) -> Result<(), Failure> {
    // A recording on standard input may take long.
    end_with_reader()?;
    let mut recordings = Recordings::open(paths, asked.span())?;
    printer.print_heading()?;
    while let Some(line) = recordings.next_line()? {
        printer.print_line(&line)?;
    }
    printer.print_rest()?;
    for complaint in recordings.complaints() {
        note(complaint);
    }
    printer.note_gaps(recordings.extent().map(CoveredSpan::of_recording), asked);
    Ok(())
}

/// Prints the events of a span that the daemon remembers.
fn remember(config: &Config, asked: AskedSpan, printer: &mut Printer) -> Result<(), Failure> {
    query::runtime()?.block_on(async {
        let mut lines = Client::new(&config.socket.path).history(asked.span(), &printer.filter).await?;
        let covered = lines.extent.map(|extent| CoveredSpan::of_memory(extent, Timestamp::now()));
        printer.note_gaps(covered, asked);
        printer.print_heading()?;
        while let Some(line) = lines.try_next().await? {
            match StreamLine::parse(line.as_bytes()) {
                Ok(line) => printer.print_line(&line)?,
                Err(error) => tracing::warn!(%error, "the daemon sent an event that this version does not know"),
            }
        }
        printer.print_rest()
    })
}

/// Follows the daemon across its restarts until interrupted.
fn follow(config: &Config, past: Past, printer: &mut Printer) -> Result<(), Failure> {
    query::runtime()?.block_on(async {
        let client = Client::new(&config.socket.path);
        let mut follow = EventFollower::connect(client, printer.filter.clone(), past).await?;
        end_with_reader()?;
        if past.since > Timestamp::MIN {
            let covered = follow.extent().map(|extent| CoveredSpan::of_memory(extent, Timestamp::now()));
            printer.note_gaps(covered, AskedSpan { since: Some(past.since), until: None });
        }
        printer.begin(&format!("through the daemon at {}", config.socket.path.display()))?;
        loop {
            let due = printer.rows.due();
            let next = async {
                match due {
                    Some(due) => timeout_at(due.into(), follow.next()).await.ok(),
                    None => Some(follow.next().await),
                }
            };
            let Some(next) = next.await else {
                printer.print_due(Instant::now())?;
                continue;
            };
            match next {
                FollowEvent::Attached => note("the daemon is back"),
                FollowEvent::Event(event) => printer.print(&event)?,
                FollowEvent::Lost(lost) => printer.print_lost(lost)?,
                FollowEvent::Gone(None) => note("the daemon has stopped; waiting for it to come back"),
                FollowEvent::Gone(Some(error)) => note(&format!("{error}; waiting for the daemon to come back")),
            }
        }
    })
}

/// Watches with a probe in this process.
fn watch(config: &Config, printer: &mut Printer) -> Result<(), Failure> {
    let attached = local::attach(config)?;
    let (queue, events) = EventQueue::new(QUEUE);
    let mut alone = attached.watch(Arc::new(Sinks::new(vec![queue])))?;
    end_with_reader()?;
    printer.begin("on this host")?;
    loop {
        let due = printer.rows.due().map(|due| due.saturating_duration_since(Instant::now()));
        match events.recv_timeout(due.map_or(READ_INTERVAL, |due| due.min(READ_INTERVAL))) {
            Ok(event) => printer.print(&event)?,
            Err(RecvTimeoutError::Timeout) => printer.print_due(Instant::now())?,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        alone.read_counts_when_due()?;
        match alone.new_losses() {
            0 => {}
            lost => printer.print_lost(lost)?,
        }
    }
}
