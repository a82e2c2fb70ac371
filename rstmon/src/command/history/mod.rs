//! `rstmon history`: what the store has, whether it is as it was written, and parts of it as a recording.

mod export;
mod list;

use super::{
    Failure,
    cli::{HistoryAction, HistoryArguments},
};
use crate::{
    config::{
        Config,
        logging::{self, LogWay},
        store::directory_from_manager,
    },
    event::{filter::Filter, span::TimeSpan},
    host::terminal,
    query::{self, time::TimeTexts},
    sandbox::confine,
    sink::store::read::{CheckReport, StoreReader},
};
use std::fmt::Write as _;

pub(super) fn run(arguments: &HistoryArguments) -> Result<(), Failure> {
    let filter = Filter::parse(&arguments.filter)?;
    let HistoryArguments { since, until, at, .. } = arguments;
    let texts = TimeTexts { since: since.as_deref(), until: until.as_deref(), at: at.as_deref() };
    let span = query::asked(texts, &[], &query::zone(false))?.span();
    let config = Config::load(&arguments.config.overrides())?;
    logging::start(&config.log, LogWay::Direct);
    let directory = arguments.store.clone().unwrap_or_else(|| config.store_directory(directory_from_manager()));
    let store = StoreReader::open(&directory)?;
    // Files of a store may come from anywhere: this process can read them, and nothing else.
    let _ = confine::sandbox(config.security.sandbox, &confine::reading(&directory));
    match arguments.action {
        HistoryAction::List => list(&store, span, arguments.output.is_json()),
        HistoryAction::Check => check(&store, arguments.output.is_json()),
        HistoryAction::Export => export::run(&store, span, &filter),
    }
}

fn list(store: &StoreReader, span: TimeSpan, json: bool) -> Result<(), Failure> {
    let directory = store.directory();
    let inventory = store.inventory()?;
    let counts = store.counts(span)?;
    let page = list::HistoryList::new(directory.path(), directory.is_locked(), &inventory, counts, span);
    let text = if json { serde_json::to_string_pretty(&page).map_err(Failure::json)? } else { page.text() };
    Ok(terminal::print(&text)?)
}

/// Prints what is not as it was written; fails if there is anything.
fn check(store: &StoreReader, json: bool) -> Result<(), Failure> {
    let report = store.check()?;
    let CheckReport { segments, lines, events, problems } = &report;
    let text = if json {
        serde_json::to_string_pretty(&report).map_err(Failure::json)?
    } else {
        let mut text = format!("{segments} segments, {lines} lines, {events} events and counted resets\n");
        for problem in problems {
            // Writing to a String does not fail.
            let _ = writeln!(text, "DAMAGED  {}: {}", problem.segment, problem.problem);
        }
        text.push_str(if problems.is_empty() { "The store is whole." } else { "" });
        text
    };
    terminal::print(&text)?;
    match problems.len() {
        0 => Ok(()),
        problems => Err(Failure::DamagedStore { problems }),
    }
}
