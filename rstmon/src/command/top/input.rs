//! Keys and mouse -> actions, and the page that lists them. Pure.

use super::state::{group::Group, screen::Moved};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEventKind};

/// What the user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// To leave.
    Quit,
    /// To have the shell for a while.
    Suspend,
    /// To see the keys.
    Help,
    /// To choose another row or event, or to scroll.
    Move(Moved),
    /// To see what is chosen.
    Open,
    /// To go back.
    Back,
    /// Another way of looking.
    Group(Group),
    /// The next way of looking.
    NextGroup,
    /// To sort by the neighbouring column.
    SortBeside(isize),
    /// To sort the other way round.
    Invert,
    /// To type a filter.
    AskFilter,
    /// To use what was typed.
    TakeFilter,
    /// To forget what was typed.
    CloseFilter,
    /// To change what was typed.
    Type(KeyEvent),
    /// To stand still, or to go on.
    Pause,
    /// To start totals at zero.
    Zero,
    /// To keep a row on top.
    Freeze,
    /// To have everything drawn anew.
    Redraw,
    /// To point at a place of the screen.
    Click {
        /// From the left.
        column: u16,
        /// From the top.
        row: u16,
    },
}

/// The keys, as the help page shows them.
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

/// What an event of the terminal asks for; `typing`: a filter is being typed.
#[must_use]
pub(crate) fn action(event: &Event, typing: bool) -> Option<Action> {
    match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => None,
        Event::Key(key) if key.modifiers.contains(KeyModifiers::CONTROL) => control(*key, typing),
        Event::Key(key) if typing => Some(match key.code {
            KeyCode::Enter => Action::TakeFilter,
            KeyCode::Esc => Action::CloseFilter,
            _ => Action::Type(*key),
        }),
        Event::Key(key) => plain(key.code),
        Event::Mouse(mouse) if !typing => Some(match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => Action::Click { column: mouse.column, row: mouse.row },
            MouseEventKind::Down(MouseButton::Right) => Action::Back,
            MouseEventKind::ScrollUp => Action::Move(Moved::Lines(-1)),
            MouseEventKind::ScrollDown => Action::Move(Moved::Lines(1)),
            _ => return None,
        }),
        _ => None,
    }
}

fn control(key: KeyEvent, typing: bool) -> Option<Action> {
    match key.code {
        KeyCode::Char('c') if typing => Some(Action::CloseFilter),
        KeyCode::Char('c') => Some(Action::Quit),
        KeyCode::Char('z') => Some(Action::Suspend),
        KeyCode::Char('l') => Some(Action::Redraw),
        _ => typing.then_some(Action::Type(key)),
    }
}

fn plain(code: KeyCode) -> Option<Action> {
    Some(match code {
        KeyCode::Char('q') => Action::Quit,
        KeyCode::Char('?') | KeyCode::F(1) => Action::Help,
        KeyCode::Up | KeyCode::Char('k') => Action::Move(Moved::Lines(-1)),
        KeyCode::Down | KeyCode::Char('j') => Action::Move(Moved::Lines(1)),
        KeyCode::PageUp => Action::Move(Moved::Pages(-1)),
        KeyCode::PageDown => Action::Move(Moved::Pages(1)),
        KeyCode::Home => Action::Move(Moved::First),
        KeyCode::End => Action::Move(Moved::Last),
        KeyCode::Enter | KeyCode::Right | KeyCode::Char('l') => Action::Open,
        KeyCode::Esc | KeyCode::Left | KeyCode::Backspace | KeyCode::Char('h') => Action::Back,
        KeyCode::Char('g') | KeyCode::Tab => Action::NextGroup,
        KeyCode::Char(digit @ '1'..='6') => Action::Group(Group::ALL[digit as usize - '1' as usize]),
        KeyCode::Char('<' | ',') => Action::SortBeside(-1),
        KeyCode::Char('>' | '.') => Action::SortBeside(1),
        KeyCode::Char('i') => Action::Invert,
        KeyCode::Char('/') => Action::AskFilter,
        KeyCode::Char('p' | ' ') => Action::Pause,
        KeyCode::Char('z') => Action::Zero,
        KeyCode::Char('f') => Action::Freeze,
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
        assert_eq!(action(&press('q'), false), Some(Action::Quit));
        assert!(matches!(action(&press('q'), true), Some(Action::Type(_))));
        assert_eq!(action(&key(KeyCode::Enter, KeyModifiers::NONE), true), Some(Action::TakeFilter));
        assert_eq!(action(&key(KeyCode::Enter, KeyModifiers::NONE), false), Some(Action::Open));
    }

    #[test]
    fn control_c_leaves_the_prompt_first() {
        let control_c = key(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(action(&control_c, true), Some(Action::CloseFilter));
        assert_eq!(action(&control_c, false), Some(Action::Quit));
        assert_eq!(action(&key(KeyCode::Char('q'), KeyModifiers::CONTROL), false), None);
    }

    #[test]
    fn digits_choose_a_way_of_looking() {
        assert_eq!(action(&press('1'), false), Some(Action::Group(Group::Who)));
        assert_eq!(action(&press('6'), false), Some(Action::Group(Group::Network)));
        assert_eq!(action(&press('7'), false), None);
    }

    #[test]
    fn the_mouse_points_and_scrolls() {
        let mouse = |kind| Event::Mouse(MouseEvent { kind, column: 3, row: 4, modifiers: KeyModifiers::NONE });
        let click = MouseEventKind::Down(MouseButton::Left);
        assert_eq!(action(&mouse(click), false), Some(Action::Click { column: 3, row: 4 }));
        assert_eq!(action(&mouse(MouseEventKind::ScrollDown), false), Some(Action::Move(Moved::Lines(1))));
        assert_eq!(action(&mouse(MouseEventKind::Moved), false), None);
        assert_eq!(action(&mouse(click), true), None);
    }

    #[test]
    fn a_key_counts_once() {
        let released =
            KeyEvent { kind: KeyEventKind::Release, ..KeyEvent::new(KeyCode::Char('q'), KeyModifiers::NONE) };
        assert_eq!(action(&Event::Key(released), false), None);
    }
}
