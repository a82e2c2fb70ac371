//! The pages over the table (of a row, of a reset, of the keys), and the pane of the selected row below it.

use super::{
    Regions,
    events::{self, EVENT_LINES},
    look::{BAR, FAINT, Look, STRONG},
    prose::Prose,
    reset,
    verdict::{self, Detail},
};
use crate::command::top::{
    input::KEYS,
    state::{
        ViewState,
        group::{Group, RowKey},
        overlay::Overlay,
        row::Row,
    },
};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Text},
    widgets::Paragraph,
};

/// Below this width, a key and its description are one paragraph instead of two columns.
const NARROW: u16 = 70;

/// Draws the topmost page.
pub(crate) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    screen: &Overlay,
    state: &ViewState,
    look: &Look,
    regions: &mut Regions,
) {
    let (title, body) = title_and_body(area);
    match screen {
        Overlay::Row { key, event, scroll } => {
            bar(frame, title, &name(key, state.group), look);
            row(frame, body, key, event.as_deref(), *scroll, state, look, regions);
        }
        Overlay::Reset { event, scroll } => {
            bar(frame, title, "one reset", look);
            scrolled(frame, body, reset::page(event, body.width, look), *scroll, regions);
        }
        Overlay::Help { scroll } => {
            bar(frame, title, "keys", look);
            scrolled(frame, body, keys(body.width, look), *scroll, regions);
        }
    }
}

/// Draws the pane below the table: the selected row in short.
pub(crate) fn pane(frame: &mut Frame<'_>, area: Rect, state: &ViewState, look: &Look, regions: &mut Regions) {
    regions.pane = area;
    let (title, body) = title_and_body(area);
    let rule = look.rule().repeat(title.width.into());
    frame.render_widget(Line::styled(rule, FAINT), title);
    let Some((_, row)) = state.selected() else { return };
    frame.render_widget(Line::styled(format!(" {} ", name(&row.key, state.group)), STRONG), inset(title));
    let mut prose = Prose::new(body.width, look);
    verdict::of_row(&mut prose, row, Detail::Short, look);
    let lines = prose.lines();
    let listed = state.events_of(&row.key, body.height.into());
    // The text comes first. The events get the remaining lines, but at least a few.
    let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let least = u16::try_from(listed.len()).unwrap_or(u16::MAX).min(EVENT_LINES).min(body.height / 2);
    let (text, list) = body_and_list(body, wanted.min(body.height - least));
    frame.render_widget(Paragraph::new(Text::from(lines)), text);
    events::draw(frame, list, &listed, None, look, 0);
}

#[expect(clippy::too_many_arguments, reason = "the parts of the page come from different places")]
fn row(
    frame: &mut Frame<'_>,
    area: Rect,
    key: &RowKey,
    chosen: Option<&crate::event::Event>,
    scroll: usize,
    state: &ViewState,
    look: &Look,
    regions: &mut Regions,
) {
    let mut prose = Prose::new(area.width, look);
    match state.row(key) {
        Some(row) => {
            numbers(&mut prose, row);
            verdict::of_row(&mut prose, row, Detail::Full, look);
        }
        None => prose.labelled("", "It has no resets to show any more."),
    }
    let lines = prose.lines();
    let listed = state.events_of(key, usize::MAX);
    let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let least = (u16::try_from(listed.len()).unwrap_or(u16::MAX).saturating_add(1)).min(area.height / 2);
    let (text, list) = body_and_list(area, wanted.min(area.height - least));
    scrolled(frame, text, lines, scroll, regions);
    let at =
        chosen.and_then(|chosen| listed.iter().position(|event| std::ptr::eq(event.as_ref(), chosen))).unwrap_or(0);
    regions.list = Rect { y: list.y + list.height.min(1), height: list.height.saturating_sub(1), ..list };
    regions.first = super::table::visible(regions.first, at, regions.list.height.into(), listed.len());
    events::draw(frame, list, &listed, Some(at), look, regions.first);
}

fn numbers(prose: &mut Prose<'_>, row: &Row) {
    let text = format!(
        "{} in all, {} a second now, {} in the last five minutes",
        super::text::thousands(row.total),
        super::text::rate(row.rate),
        super::text::thousands(row.recent())
    );
    prose.labelled("resets", &text);
}

/// The name of a row.
fn name(key: &RowKey, group: Group) -> String {
    let RowKey { process, place, port, direction, cause, network } = key;
    let mut parts: Vec<String> = Vec::new();
    parts.extend(process.iter().cloned());
    parts.extend(place.iter().cloned());
    parts.extend(port.map(|port| format!("port {port}")));
    parts.extend(direction.map(|direction| direction.to_string()));
    parts.extend(cause.map(|cause| cause.id().to_owned()));
    parts.extend(network.map(|network| network.to_string()));
    if group == Group::Who && process.is_none() {
        parts.insert(0, "no owner known".to_owned());
    }
    if parts.is_empty() {
        parts.push(format!("no {} known", group.word()));
    }
    super::text::safe(&parts.join(", "))
}

fn keys(width: u16, look: &Look) -> Vec<Line<'static>> {
    let mut prose = Prose::new(width, look);
    for (keys, what) in KEYS {
        if width < NARROW {
            prose.paragraph_of(&format!("{keys}: {what}"));
        } else {
            prose.item(keys, 26, what);
        }
    }
    prose.gap();
    for text in [
        "Rates and totals are exact counts of the kernel half. Events are samples of them: where a table is made of events, \
         the line above it says so.",
        "A dash is what is not known: rstmon never guesses an owner.",
        "Colours are severities: harmful, notice, benign. rstmon causes explains each cause.",
    ] {
        prose.paragraph_of(text);
    }
    prose.lines()
}

/// Draws lines from `scroll` on, and stores in `regions` how far they can be scrolled.
fn scrolled(frame: &mut Frame<'_>, area: Rect, lines: Vec<Line<'static>>, scroll: usize, regions: &mut Regions) {
    let most = lines.len().saturating_sub(area.height.into());
    let scroll = scroll.min(most);
    regions.most_scroll = most;
    regions.page = usize::from(area.height.saturating_sub(1).max(1));
    frame.render_widget(Paragraph::new(Text::from(lines.into_iter().skip(scroll).collect::<Vec<_>>())), area);
}

fn bar(frame: &mut Frame<'_>, area: Rect, title: &str, look: &Look) {
    frame.buffer_mut().set_style(area, BAR);
    frame.render_widget(Line::styled(super::text::cut(title, area.width.into(), look), BAR), area);
}

fn title_and_body(area: Rect) -> (Rect, Rect) {
    body_and_list(area, area.height.min(1))
}

fn body_and_list(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    (Rect { height, ..area }, Rect { y: area.y + height, height: area.height - height, ..area })
}

fn inset(area: Rect) -> Rect {
    Rect { x: area.x + 2.min(area.width), width: area.width.saturating_sub(4), ..area }
}
