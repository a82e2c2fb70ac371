//! `rstmon tail`: one line for each reset as it happens, from the daemon or alone.

use super::{
    Failure,
    cli::TailArguments,
    config::Config,
    confine,
    follow::{Follow, Told},
    line, logging,
    monitor::Monitor,
    stream::{self, note},
};
use crate::serve::{Client, EVENT_SCHEMA, event::Event, filter::Filter};
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
        match follow(&config, arguments.lines, &mut printer) {
            Err(error) if arguments.source.watches_alone(&error) => {}
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

/// Follows the daemon, over its restarts, until interrupted.
fn follow(config: &Config, history: usize, printer: &mut Printer) -> Result<(), Failure> {
    stream::runtime()?.block_on(async {
        let client = Client::new(&config.socket.path);
        let mut follow = Follow::connect(client, printer.filter.clone(), history).await?;
        printer.begin(&format!("through the daemon at {}", config.socket.path.display()))?;
        loop {
            match follow.next().await {
                Told::Attached => note("the daemon is back"),
                Told::Event(event) => printer.print(&event)?,
                Told::Lost(lost) => printer.tell_lost(lost)?,
                Told::Gone(None) => note("the daemon has stopped; waiting for it to come back"),
                Told::Gone(Some(error)) => note(&format!("{error}; waiting for the daemon to come back")),
            }
        }
    })
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
            Err(RecvTimeoutError::Timeout) => {
                monitor.read_counts()?;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            lost => printer.tell_lost(lost)?,
        }
    }
}
