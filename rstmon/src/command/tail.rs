//! `rstmon tail`: one line for each reset as it happens, from the daemon or alone.

use super::{
    Failure, cli::TailArguments, config::Config, confine, filter::Filter, line, logging, monitor::Monitor, stream,
};
use crate::serve::{Client, EVENT_SCHEMA, event::Event};
use futures_util::TryStreamExt as _;
use jiff::tz::TimeZone;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::Duration,
};

/// Events that may wait for a slow terminal, standalone.
const QUEUE: usize = 4096;
/// How often the counts are read while nothing happens, standalone.
const READ_INTERVAL: Duration = Duration::from_secs(10);

/// Prints until interrupted.
pub fn run(arguments: &TailArguments) -> Result<(), Failure> {
    let filter = Filter::parse(&arguments.filter)?;
    let config = Config::load(&arguments.source.config)?;
    logging::start(&config.log);
    let mut printer = Printer { filter, json: arguments.json, colour: stream::colour(), zone: TimeZone::system() };
    if !arguments.source.standalone {
        match follow(&config, &mut printer) {
            Err(Failure::Client(error)) if error.is_no_daemon() => {
                if arguments.source.config.socket.is_some() {
                    return Err(error.into());
                }
            }
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
}

impl Printer {
    fn begin(&self, source: &str) -> Result<(), Failure> {
        note(&format!("watching resets {source}; Ctrl-C ends"));
        if self.json { Ok(()) } else { stream::print(&line::heading()) }
    }

    /// In JSON in its place among the events, as the daemon says it.
    fn tell_lost(&self, lost: u64) -> Result<(), Failure> {
        if self.json {
            return stream::print(&format!("{{\"schema\":{EVENT_SCHEMA},\"lost\":{lost}}}"));
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
            return stream::print(&text);
        }
        stream::print(&line::line(event, &self.zone, self.colour))
    }
}

/// For people: never on standard output, which may be read by a program.
#[expect(clippy::print_stderr, reason = "a note to the person at the terminal")]
pub(super) fn note(text: &str) {
    eprintln!("rstmon: {text}");
}

/// Follows the daemon.
fn follow(config: &Config, printer: &mut Printer) -> Result<(), Failure> {
    stream::runtime()?.block_on(async {
        let mut lines = Client::new(&config.socket.path).events().await?;
        printer.begin(&format!("through the daemon at {}", config.socket.path.display()))?;
        while let Some(line) = lines.try_next().await? {
            if let Ok(event) = serde_json::from_str::<Event>(&line) {
                printer.print(&event)?;
            } else if let Some(lost) = lost(&line) {
                printer.tell_lost(lost)?;
            }
        }
        note("the daemon has stopped");
        Ok(())
    })
}

/// The daemon's word that events were dropped for this reader.
fn lost(line: &str) -> Option<u64> {
    serde_json::from_str::<serde_json::Value>(line).ok()?.get("lost")?.as_u64()
}

/// Watches alone.
fn watch(config: &Config, printer: &mut Printer) -> Result<(), Failure> {
    let (monitor, events) = Monitor::attach(config)?;
    let monitor = Arc::new(monitor);
    confine::confine(config, &confine::watching())?;
    let (sender, receiver) = mpsc::sync_channel::<Event>(QUEUE);
    let lost = Arc::new(AtomicU64::new(0));
    let losing = Arc::clone(&lost);
    let _watching = monitor.watch(events, move |event| {
        if sender.try_send(event).is_err() {
            losing.fetch_add(1, Ordering::Relaxed);
        }
    })?;
    printer.begin("on this host")?;
    loop {
        match receiver.recv_timeout(READ_INTERVAL) {
            Ok(event) => printer.print(&event)?,
            // Nobody scrapes here, but a count map that stays full would lump the rate limits together.
            Err(RecvTimeoutError::Timeout) => drop(monitor.read_counts()?),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => printer.tell_lost(lost)?,
        }
    }
}
