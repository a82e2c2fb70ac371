//! The prompt for a filter.

use super::ViewState;
use crate::event::filter::Filter;
use crossterm::event::{Event, KeyCode, KeyEvent};
use tui_input::{Input, backend::crossterm::EventHandler as _};

/// Limit of a filter's length in characters. Typing takes time in proportion to it.
const MAX_CHARACTERS: usize = 4096;

#[derive(Clone, Debug, Default)]
pub(crate) struct FilterPrompt {
    pub(crate) input: Input,
    /// What is wrong with the typed filter.
    pub(crate) error: Option<String>,
}

impl FilterPrompt {
    /// Passes a key to the line. Keys that would make it too long are refused.
    pub(crate) fn press(&mut self, key: KeyEvent) {
        self.error = None;
        if matches!(key.code, KeyCode::Char(_)) && self.is_full(1) {
            return;
        }
        self.input.handle_event(&Event::Key(key));
    }

    /// Inserts a text at the cursor, as one line, or refuses it as a whole.
    fn paste(&mut self, text: &str) {
        self.error = None;
        if self.is_full(text.chars().count()) {
            return;
        }
        let (value, cursor) = (self.input.value(), self.input.cursor());
        let line = text.chars().map(|character| if character.is_control() { ' ' } else { character });
        let all: String = value.chars().take(cursor).chain(line).chain(value.chars().skip(cursor)).collect();
        self.input = Input::new(all).with_cursor(cursor + text.chars().count());
    }

    /// Whether `more` characters are too many; if so, the prompt says so.
    fn is_full(&mut self, more: usize) -> bool {
        let characters = self.input.value().chars().count().saturating_add(more);
        let is_full = characters > MAX_CHARACTERS;
        if is_full {
            self.error =
                Some(format!("a filter has at most {MAX_CHARACTERS} characters: this would make it {characters}"));
        }
        is_full
    }
}

impl ViewState {
    /// Opens the prompt with the present filter as its text, ready for another word.
    pub(crate) fn ask_for_filter(&mut self) {
        let mut text = self.filter.to_string();
        if !text.is_empty() {
            text.push(' ');
        }
        self.prompt = Some(FilterPrompt { input: Input::new(text), error: None });
    }

    /// Takes a pasted text into the prompt. Without a prompt it is refused, because its letters would be commands.
    pub(crate) fn paste(&mut self, text: &str) {
        match &mut self.prompt {
            Some(prompt) => prompt.paste(text),
            None => self.notice = Some("a paste is not taken for keys; / takes one as a filter".to_owned()),
        }
    }

    /// Applies the typed filter, or shows what is wrong with it.
    pub(crate) fn take_filter(&mut self) {
        let Some(prompt) = &mut self.prompt else { return };
        match Filter::parse_line(prompt.input.value()) {
            Ok(filter) => {
                self.filter = filter;
                self.prompt = None;
                self.stale = true;
            }
            Err(error) => prompt.error = Some(error.to_string()),
        }
    }
}
