//! `rstmon tail`: one line for each reset as it happens, from the daemon or from a probe in this process. Text has one
//! line for both ends of a RST on this host; JSON has both events.

mod rows;

use super::{Failure, cli::TailArguments};
use crate::{
    config::{
        Config,
        logging::{self, LogWay},
    },
    event::{Event, filter::Filter, line::lost_line, text},
    host::terminal::{self, note},
    monitor::alone::READ_INTERVAL,
    query::{
        self,
        follow::{EventFollower, FollowEvent},
        local,
    },
    serve::Client,
    sink::{EventQueue, Sinks},
};
use jiff::tz::TimeZone;
use rows::{TailRow, TailRows};
use std::{
    sync::{Arc, mpsc::RecvTimeoutError},
    time::Instant,
};
use tokio::time::timeout_at;

/// Events that may wait for a slow terminal where there is no daemon.
const QUEUE: usize = 4096;

pub(super) fn run(arguments: &TailArguments) -> Result<(), Failure> {
    let filter = Filter::parse(&arguments.filter)?;
    let config = Config::load(&arguments.source.config.overrides())?;
    logging::start(&config.log, LogWay::Direct);
    let mut printer = Printer {
        filter,
        json: arguments.output.is_json(),
        colour: terminal::colour(),
        zone: TimeZone::system(),
        rows: TailRows::default(),
    };
    if !arguments.source.standalone {
        match follow(&config, arguments.lines, &mut printer) {
            Err(error) if error.is_no_daemon() && !arguments.source.requires_daemon() => {}
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
    /// Rows of text that wait for their other ends.
    rows: TailRows,
}

impl Printer {
    fn begin(&self, source: &str) -> Result<(), Failure> {
        note(&format!("watching resets {source}; Ctrl-C ends"));
        if self.json { Ok(()) } else { Ok(terminal::print(&text::heading())?) }
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
        while let Some(TailRow { event, other }) = self.rows.next_due(now) {
            terminal::print(&text::line(&event, other.as_ref(), &self.zone, self.colour))?;
        }
        Ok(())
    }
}

/// Follows the daemon across its restarts until interrupted.
fn follow(config: &Config, history: usize, printer: &mut Printer) -> Result<(), Failure> {
    query::runtime()?.block_on(async {
        let client = Client::new(&config.socket.path);
        let mut follow = EventFollower::connect(client, printer.filter.clone(), history).await?;
        terminal::end_with_reader().map_err(Failure::io("cannot start a thread"))?;
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
    terminal::end_with_reader().map_err(Failure::io("cannot start a thread"))?;
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
