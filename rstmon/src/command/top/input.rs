//! Translates keys and mouse events into actions, and lists the keys for the help page. Pure.

use super::state::{group::Group, overlay::Movement};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ViewAction {
    Quit,
    /// Stop the process and return to the shell.
    Suspend,
    /// Open or close the page of the keys.
    Help,
    /// Select another row or event, or scroll.
    Move(Movement),
    /// Open the page of the selected row or event.
    Open,
    Back,
    Group(Group),
    NextGroup,
    /// Sort by the column that is this many columns to the right.
    SortBeside(isize),
    /// Reverse the order of the rows.
    Invert,
    /// Open the prompt for a filter.
    AskFilter,
    /// Apply the typed filter.
    TakeFilter,
    /// Discard the typed filter.
    CloseFilter,
    /// Pass a key to the prompt.
    Type(KeyEvent),
    /// Take a pasted text into the prompt.
    Paste(String),
    /// Pause the view, or continue it.
    Pause,
    /// Set the totals to zero.
    Zero,
    /// Freeze the selected row on top, or release it.
    Freeze,
    /// Draw the whole screen again.
    Redraw,
    /// Click on a cell of the screen, counted from the upper left corner.
    Click {
        column: u16,
        row: u16,
    },
}

/// The keys and what they do, for the help page.
pub(crate) const KEYS: &[(&str, &str)] = &[
    ("up down, j k", "choose a row, or a reset"),
    ("PgUp PgDn Home End", "by pages, first, last"),
    ("Enter, right, l", "open: the row's page, then one reset's"),
    ("Esc, left, h, Backspace", "back"),
    ("g, Tab, 1 2 3 4 5 6", "rows by: who and why, cause, process, unit, port, peer network"),
    ("< >, comma and dot", "sort by the column to the left, to the right"),
    ("i", "sort the other way round"),
    ("/", "filter: field=value words, as for rstmon tail"),
    ("p, space", "pause, go on"),
    ("z", "start the totals of this view at zero"),
    ("f", "freeze the row on top, let it go"),
    ("mouse", "click: choose, open; a heading: sort; right click: back; wheel: move"),
    ("Ctrl-L", "draw everything anew"),
    ("Ctrl-Z", "suspend"),
    ("?, F1", "these keys"),
    ("q, Ctrl-C", "quit"),
];

/// The action that an event of the terminal causes. `typing` is true while a filter is typed.
#[must_use]
pub(crate) fn action(event: &Event, typing: bool) -> Option<ViewAction> {
    match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => None,
        Event::Key(key) if key.modifiers.contains(KeyModifiers::CONTROL) => control(*key, typing),
        Event::Key(key) if typing => Some(match key.code {
            KeyCode::Enter => ViewAction::TakeFilter,
            KeyCode::Esc => ViewAction::CloseFilter,
            _ => ViewAction::Type(*key),
        }),
        Event::Key(key) => plain(key.code),
        Event::Paste(text) => Some(ViewAction::Paste(text.clone())),
        Event::Mouse(mouse) if !typing => Some(match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => ViewAction::Click { column: mouse.column, row: mouse.row },
            MouseEventKind::Down(MouseButton::Right) => ViewAction::Back,
            MouseEventKind::ScrollUp => ViewAction::Move(Movement::Lines(-1)),
            MouseEventKind::ScrollDown => ViewAction::Move(Movement::Lines(1)),
            _ => return None,
        }),
        _ => None,
    }
}

fn control(key: KeyEvent, typing: bool) -> Option<ViewAction> {
    match key.code {
        KeyCode::Char('c') if typing => Some(ViewAction::CloseFilter),
        KeyCode::Char('c') => Some(ViewAction::Quit),
        KeyCode::Char('z') => Some(ViewAction::Suspend),
        KeyCode::Char('l') => Some(ViewAction::Redraw),
        _ => typing.then_some(ViewAction::Type(key)),
    }
}

fn plain(code: KeyCode) -> Option<ViewAction> {
    Some(match code {
        KeyCode::Char('q') => ViewAction::Quit,
        KeyCode::Char('?') | KeyCode::F(1) => ViewAction::Help,
        KeyCode::Up | KeyCode::Char('k') => ViewAction::Move(Movement::Lines(-1)),
        KeyCode::Down | KeyCode::Char('j') => ViewAction::Move(Movement::Lines(1)),
        KeyCode::PageUp => ViewAction::Move(Movement::Pages(-1)),
        KeyCode::PageDown => ViewAction::Move(Movement::Pages(1)),
        KeyCode::Home => ViewAction::Move(Movement::First),
        KeyCode::End => ViewAction::Move(Movement::Last),
        KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => ViewAction::Open,
        KeyCode::Esc | KeyCode::Left | KeyCode::Backspace | KeyCode::Char('h') => ViewAction::Back,
        KeyCode::Char('g') | KeyCode::Tab => ViewAction::NextGroup,
        KeyCode::Char(digit @ '1'..='6') => ViewAction::Group(Group::ALL[digit as usize - '1' as usize]),
        KeyCode::Char('<' | ',') => ViewAction::SortBeside(-1),
        KeyCode::Char('>' | '.') => ViewAction::SortBeside(1),
        KeyCode::Char('i') => ViewAction::Invert,
        KeyCode::Char('/') => ViewAction::AskFilter,
        KeyCode::Char('p' | ' ') => ViewAction::Pause,
        KeyCode::Char('z') => ViewAction::Zero,
        KeyCode::Char('f') => ViewAction::Freeze,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossterm::event::{KeyEvent, MouseEvent};

    fn key(code: KeyCode, modifiers: KeyModifiers) -> Event {
        Event::Key(KeyEvent::new(code, modifiers))
    }

    fn press(letter: char) -> Event {
        key(KeyCode::Char(letter), KeyModifiers::NONE)
    }

    #[test]
    fn letters_are_commands_unless_a_filter_is_typed() {
        assert_eq!(action(&press('q'), false), Some(ViewAction::Quit));
        assert!(matches!(action(&press('q'), true), Some(ViewAction::Type(_))));
        assert_eq!(action(&key(KeyCode::Enter, KeyModifiers::NONE), true), Some(ViewAction::TakeFilter));
        assert_eq!(action(&key(KeyCode::Enter, KeyModifiers::NONE), false), Some(ViewAction::Open));
    }

    #[test]
    fn control_c_leaves_the_prompt_first() {
        let control_c = key(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(action(&control_c, true), Some(ViewAction::CloseFilter));
        assert_eq!(action(&control_c, false), Some(ViewAction::Quit));
        assert_eq!(action(&key(KeyCode::Char('q'), KeyModifiers::CONTROL), false), None);
    }

    #[test]
    fn digits_choose_a_way_of_looking() {
        assert_eq!(action(&press('1'), false), Some(ViewAction::Group(Group::Who)));
        assert_eq!(action(&press('6'), false), Some(ViewAction::Group(Group::Network)));
        assert_eq!(action(&press('7'), false), None);
    }

    #[test]
    fn the_mouse_points_and_scrolls() {
        let mouse = |kind| Event::Mouse(MouseEvent { kind, column: 3, row: 4, modifiers: KeyModifiers::NONE });
        let click = MouseEventKind::Down(MouseButton::Left);
        assert_eq!(action(&mouse(click), false), Some(ViewAction::Click { column: 3, row: 4 }));
        assert_eq!(action(&mouse(MouseEventKind::ScrollDown), false), Some(ViewAction::Move(Movement::Lines(1))));
        assert_eq!(action(&mouse(MouseEventKind::Moved), false), None);
        assert_eq!(action(&mouse(click), true), None);
    }

    #[test]
    fn pasted_letters_are_no_commands() {
        let pasted = Event::Paste("q".to_owned());
        for typing in [false, true] {
            assert_eq!(action(&pasted, typing), Some(ViewAction::Paste("q".to_owned())));
        }
    }

    #[test]
    fn a_key_counts_once() {
        let released =
            KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE) };
        assert_eq!(action(&Event::Key(released), false), None);
    }
}
