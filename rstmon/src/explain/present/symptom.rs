//! A symptom as a heading with the words that programs log for it.

use crate::explain::catalogue::symptom::{Symptom, SymptomForm, Words};

/// Programs whose words are shown where there is no room for those of all.
const COMMON_PROGRAMS: [&str; 5] = ["Java", "Go", "Python", "Node", "nginx"];

/// One way in which a reset shows itself to an application.
#[derive(Clone, Debug)]
pub(crate) struct SymptomView {
    pub(crate) symptom: Symptom,
    /// Without the errno: `Broken pipe, while writing`.
    pub(crate) name: &'static str,
    /// With the errno's name, where the call fails: `Broken pipe, while writing (EPIPE)`.
    pub(crate) title: String,
    /// With the errno's name and number: `Broken pipe, while writing (EPIPE 32)`.
    pub(crate) numbered_title: String,
    pub(crate) meaning: &'static str,
    /// What programs log, in the order of the catalogue.
    pub(crate) words: &'static [Words],
}

impl SymptomView {
    pub(crate) fn new(symptom: Symptom) -> Self {
        let SymptomForm { symptom: _, title: name, errno, meaning, words } = symptom.form();
        let (title, numbered_title) = match errno {
            Some(errno) => (format!("{name} ({})", errno.name), format!("{name} ({} {})", errno.name, errno.number)),
            None => ((*name).to_owned(), (*name).to_owned()),
        };
        Self { symptom, name, title, numbered_title, meaning, words }
    }

    /// Every symptom, in the order in which people look for them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Symptom::ALL.iter().copied().map(Self::new)
    }

    /// What the most common runtimes and servers log.
    pub(crate) fn common_words(&self) -> impl Iterator<Item = &'static Words> {
        let words = self.words;
        COMMON_PROGRAMS.iter().filter_map(move |program| words.iter().find(|words| words.speaker == *program))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_names_the_errno_where_there_is_one() {
        let reset = SymptomView::new(Symptom::ResetOnRead);
        assert_eq!(reset.title, "Connection reset, while reading (ECONNRESET)");
        assert_eq!(reset.numbered_title, "Connection reset, while reading (ECONNRESET 104)");
        assert_eq!(SymptomView::new(Symptom::EndOfStream).title, "The stream ends early");
    }

    #[test]
    fn common_words_are_one_line_a_program() {
        let programs: Vec<&str> =
            SymptomView::new(Symptom::BrokenPipe).common_words().map(|words| words.speaker).collect();
        assert_eq!(programs, COMMON_PROGRAMS);
        assert_eq!(SymptomView::new(Symptom::Nothing).common_words().count(), 0);
    }
}
