//! A list of events, one per line.

use super::{
    look::{BAR, CHOSEN, FAINT, Look},
    text::{cut, time},
};
use crate::{
    event::{Event, text::evidence},
    model::Direction,
};
use ratatui::{Frame, layout::Rect, text::Line};
use std::sync::Arc;

/// Least number of lines for events in the pane.
pub(crate) const EVENT_LINES: u16 = 3;

/// Draws the events from `first` on. If `chosen` is given, also draws a heading and highlights the event at that index.
pub(crate) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    events: &[&Arc<Event>],
    chosen: Option<usize>,
    look: &Look,
    first: usize,
) {
    let mut lines = area.rows();
    if chosen.is_some()
        && let Some(line) = lines.next()
    {
        let text = match events.len() {
            0 => "no events of it are remembered".to_owned(),
            1 => "its last reset; Enter opens it".to_owned(),
            count => format!("its last {count} resets, newest first; Enter opens one"),
        };
        frame.buffer_mut().set_style(line, BAR);
        frame.render_widget(Line::styled(cut(&text, line.width.into(), look), BAR), line);
    }
    for (line, (at, event)) in lines.zip(events.iter().enumerate().skip(first)) {
        let style = if chosen == Some(at) { CHOSEN } else { FAINT };
        if chosen == Some(at) {
            frame.buffer_mut().set_style(line, style);
        }
        frame.render_widget(Line::styled(cut(&text(event, look), line.width.into(), look), style), line);
    }
}

/// Time, peer, owner, state and evidence of an event, without numbers that are zero.
fn text(event: &Event, look: &Look) -> String {
    let preposition = match event.direction {
        Direction::Sent => "to",
        Direction::Received => "from",
    };
    let owner = event.owner.as_ref().and_then(|owner| owner.pid).map(|pid| format!(" pid {pid}")).unwrap_or_default();
    let state = event.state.map(|state| format!(" {state}")).unwrap_or_default();
    format!("{} {preposition} {}{owner}{state} {}", time(event.time, 3, look), event.remote, evidence(&event.evidence))
}
