//! `rstmon top --once`: prints the view as plain text or JSON, for scripts and tickets.

mod document;
mod text;

use super::{
    feed::{Feed, Update},
    state::ViewState,
    view::look::Look,
};
use crate::{command::Failure, host::terminal};
use std::{
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

/// How long to wait for the first snapshot, in addition to the time that is watched.
const FIRST_SNAPSHOT_TIMEOUT: Duration = Duration::from_secs(10);

/// Feeds `state` for the time `span`, or with all of a recording.
pub(crate) fn gather(feed: &Feed, state: &mut ViewState, span: Duration) -> Result<(), Failure> {
    let mut until = Instant::now() + span;
    let (give_up, mut noted) = (until + FIRST_SNAPSHOT_TIMEOUT, None);
    loop {
        match feed.wait(until.saturating_duration_since(Instant::now())) {
            Ok(Update::Ended) | Err(RecvTimeoutError::Disconnected) => break,
            Ok(Update::Down(why)) => return Err(Failure::io("nothing to show")(std::io::Error::other(why))),
            Ok(Update::Note(note)) => noted = Some(note),
            Ok(update) => {
                let first = state.model().snapshot.is_none() && matches!(update, Update::Snapshot(_));
                state.absorb(update);
                // Rates need a second snapshot, `span` after the first.
                if first {
                    until = until.max(Instant::now() + span);
                }
            }
            Err(RecvTimeoutError::Timeout) if state.model().snapshot.is_some() => break,
            Err(RecvTimeoutError::Timeout) if Instant::now() < give_up => until = give_up,
            Err(RecvTimeoutError::Timeout) => {
                let why = noted.unwrap_or_else(|| "no counts have arrived".to_owned());
                return Err(Failure::io("nothing to show")(std::io::Error::other(why)));
            }
        }
    }
    if let Some(note) = noted {
        terminal::note(&note);
    }
    state.refresh();
    Ok(())
}

pub(crate) fn print(state: &ViewState, look: &Look, as_json: bool) -> Result<(), Failure> {
    Ok(terminal::print(&if as_json { document::json(state)? } else { text::text(state, look) })?)
}

#[cfg(test)]
mod tests;
