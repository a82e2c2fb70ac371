//! The filter grammar of `top`, `tail`, `why` and the socket: words `field=value` joined by AND; `!=` negates, and
//! several values are separated by commas.

mod error;
mod subject;
mod word;

pub(crate) use error::FilterError;
use std::fmt;
pub(crate) use subject::FilterSubject;
use word::FilterWord;

const FIELDS: &[&str] =
    &["process", "unit", "container", "port", "cause", "reason", "direction", "family", "local", "remote", "severity"];

/// An empty filter matches everything. Its `Display` form parses to the same filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    words: Vec<FilterWord>,
}

impl Filter {
    /// Parses the words of a command line.
    pub(crate) fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, FilterError> {
        Ok(Self { words: words.iter().map(|word| word.as_ref().parse()).collect::<Result<_, _>>()? })
    }

    /// Parses a line of words, with the quoting rules of a shell.
    pub(crate) fn parse_line(text: &str) -> Result<Self, FilterError> {
        let words = shlex::split(text).ok_or_else(|| FilterError::Quotes { text: text.to_owned() })?;
        Self::parse(&words)
    }

    #[must_use]
    pub(crate) fn matches(&self, subject: &impl FilterSubject) -> bool {
        self.words.iter().all(|word| word.matches(subject))
    }

    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether the filter tests the severity.
    #[must_use]
    pub(crate) fn is_about_severity(&self) -> bool {
        self.words.iter().any(FilterWord::is_about_severity)
    }

    /// Whether the filter tests addresses, which only events have.
    #[must_use]
    pub(crate) fn is_about_addresses(&self) -> bool {
        self.words.iter().any(FilterWord::is_about_addresses)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            // Quoted only where necessary, because `try_quote` always quotes an equals sign.
            let plain = shlex::split(&word.text).is_some_and(|words| words == [word.text.as_str()]);
            let quoted = if plain { None } else { shlex::try_quote(&word.text).ok() };
            let text = quoted.as_deref().unwrap_or(&word.text);
            write!(f, "{space}{text}")?;
        }
        Ok(())
    }
}

/// Whether two ids name one container. Either may be shortened to its first 12 characters or more.
#[must_use]
pub(crate) fn same_container(one: &str, other: &str) -> bool {
    /// Characters of a short id.
    const SHORT: usize = 12;
    one == other || (one.len() >= SHORT && other.len() >= SHORT && (one.starts_with(other) || other.starts_with(one)))
}

#[cfg(test)]
mod tests {
    use super::{Filter, FilterError, same_container};
    use crate::event::testing::event;

    fn matches(words: &[&str]) -> bool {
        Filter::parse(words).expect("a valid filter").matches(&event())
    }

    #[test]
    fn words_are_anded_and_values_are_ored() {
        assert!(matches(&[]));
        assert!(matches(&["process=java", "port=80,8080"]));
        assert!(!matches(&["process=java", "port=80"]));
        assert!(matches(&["unit=tomcat.service", "direction=sent", "family=ipv4", "severity=harmful"]));
    }

    #[test]
    fn negation_excludes() {
        assert!(!matches(&["process!=java"]));
        assert!(matches(&["process!=nginx,curl"]));
        assert!(matches(&["container!=abc"]), "an event without a container is not in that container");
    }

    #[test]
    fn addresses_match_by_network() {
        assert!(matches(&["remote=10.0.0.0/8"]));
        assert!(matches(&["local=127.0.0.1"]));
        assert!(!matches(&["remote=2001:db8::/32"]));
    }

    #[test]
    fn a_line_is_split_as_a_shell_would_and_displayed_as_it_was() {
        let filter = Filter::parse_line("process='Web Content',java  port!=80").expect("a valid filter");
        assert!(filter.matches(&event()));
        assert_eq!(Filter::parse_line(&filter.to_string()), Ok(filter));
        assert_eq!(Filter::parse_line("  "), Ok(Filter::default()));
        assert!(matches!(Filter::parse_line("process='java"), Err(FilterError::Quotes { .. })));
    }

    #[test]
    fn a_container_is_known_by_the_beginning_of_its_id() {
        let full = "0123456789abcdef0123456789abcdef";
        assert!(same_container(full, &full[..12]) && same_container(&full[..12], full));
        assert!(!same_container(full, &full[..11]), "too short to distinguish containers");
    }

    #[test]
    fn errors_list_what_is_valid() {
        let text = |words: &[&str]| Filter::parse(words).expect_err("invalid").to_string();
        assert!(text(&["proces=java"]).contains("the fields are process, unit"));
        assert!(text(&["java"]).contains("write field=value"));
        assert!(text(&["process="]).contains("write field=value"));
        assert!(text(&["direction=up"]).contains("one of sent, received"));
        assert!(text(&["direction=\u{1b}[2J"]).starts_with("direction=?[2J can never match"));
        assert!(text(&["port=http"]).contains("a number from 1 to 65535"));
        assert!(text(&["port=0"]).contains("a number from 1 to 65535"));
        assert!(text(&["cause=foo"]).contains("keepalive_race"));
        assert!(text(&["remote=10.0.0.0/99"]).contains("10.0.0.0/8"));
        assert!(matches!(Filter::parse(&["reason=TCP STATE"]), Err(FilterError::Value { field: "reason", .. })));
    }
}
