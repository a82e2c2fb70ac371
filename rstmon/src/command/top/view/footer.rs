//! The last line of the screen: keys, the prompt, or a message.

use super::{
    look::{FAINT, Look, STRONG},
    text::{cut, safe, width},
};
use crate::{
    command::top::state::{FeedStatus, ViewState, prompt::FilterPrompt},
    query::Origin,
};
use ratatui::{
    Frame,
    layout::{Position, Rect},
    text::{Line, Span, Text},
    widgets::{Clear, Paragraph},
};

/// The most useful keys, in the order of their use. Those that do not fit are left out.
const HINTS: [(&str, &str); 10] = [
    ("q", "quit"),
    ("?", "keys"),
    ("Enter", "open"),
    ("/", "filter"),
    ("g", "group"),
    ("<>", "sort"),
    ("p", "pause"),
    ("z", "zero"),
    ("f", "freeze"),
    ("i", "invert"),
];
const PAGE_HINTS: [(&str, &str); 4] = [("Esc", "back"), ("?", "keys"), ("Enter", "open"), ("q", "quit")];
const PROMPT: &str = "filter: ";
/// Limit of the lines for the error of a filter.
const ERROR_LINES: u16 = 6;

/// Draws the line. The error of a filter is drawn in the lines above it.
pub(crate) fn draw(frame: &mut Frame<'_>, area: Rect, state: &ViewState, look: &Look) {
    if let Some(prompt) = &state.prompt {
        return draw_prompt(frame, area, prompt, look);
    }
    let said = match (&state.feed_status, &state.notice) {
        (FeedStatus::Down(why), _) => Some(match state.origin {
            Origin::Daemon(_) => (format!("no connection: {why}; looking for the daemon"), look.warning()),
            Origin::Local | Origin::Recording(_) => (format!("no more updates: {why}; q quits"), look.warning()),
        }),
        (_, Some(notice)) => Some((notice.clone(), look.label())),
        (FeedStatus::Ended, None) => Some(("end of the recording; q quits".to_owned(), look.label())),
        (FeedStatus::Connecting | FeedStatus::Up, None) => None,
    };
    match said {
        Some((text, style)) => {
            frame.render_widget(Line::styled(cut(&text, area.width.into(), look), style), area);
        }
        None if state.overlays.is_empty() => frame.render_widget(hints(&HINTS, area.width), area),
        None => frame.render_widget(hints(&PAGE_HINTS, area.width), area),
    }
}

fn hints(hints: &[(&'static str, &'static str)], columns: u16) -> Line<'static> {
    let (mut spans, mut room) = (Vec::new(), usize::from(columns));
    for (key, what) in hints {
        let Some(left) = room.checked_sub(key.len() + what.len() + 3) else { break };
        room = left;
        spans.push(Span::styled(*key, STRONG));
        spans.push(Span::styled(format!(" {what}  "), FAINT));
    }
    Line::from(spans)
}

fn draw_prompt(frame: &mut Frame<'_>, area: Rect, prompt: &FilterPrompt, look: &Look) {
    let room = usize::from(area.width).saturating_sub(PROMPT.len() + 1);
    let scroll = prompt.input.visual_scroll(room.max(1));
    // `scroll` counts columns, as the position of the cursor does.
    let mut skipped = 0;
    let shown: String = safe(prompt.input.value())
        .chars()
        .skip_while(|character| {
            let skip = skipped < scroll;
            skipped += width(character.encode_utf8(&mut [0; 4]));
            skip
        })
        .collect();
    let line = Line::from(vec![Span::styled(PROMPT, STRONG), Span::raw(cut(&shown, room, look))]);
    frame.render_widget(line, area);
    let at = PROMPT.len() + prompt.input.visual_cursor().saturating_sub(scroll);
    let x = area.x + u16::try_from(at).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
    frame.set_cursor_position(Position { x, y: area.y });
    if let Some(error) = &prompt.error {
        let lines = textwrap::wrap(error, usize::from(area.width).max(1));
        let lines: Vec<Line<'_>> = lines.into_iter().map(|line| Line::styled(line, look.warning())).collect();
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(ERROR_LINES).min(area.y);
        let above = Rect { y: area.y - height, height, ..area };
        frame.render_widget(Clear, above);
        frame.render_widget(Paragraph::new(Text::from(lines)), above);
    }
}
