//! The prompt for a filter.

use super::ViewState;
use crate::event::filter::Filter;
use tui_input::Input;

#[derive(Clone, Debug, Default)]
pub(crate) struct FilterPrompt {
    pub(crate) input: Input,
    /// What is wrong with the typed filter.
    pub(crate) error: Option<String>,
}

impl ViewState {
    /// Opens the prompt with the present filter as its text.
    pub(crate) fn ask_for_filter(&mut self) {
        self.prompt = Some(FilterPrompt { input: Input::new(self.filter.to_string()), error: None });
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
