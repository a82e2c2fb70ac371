//! The filter grammar of top, tail, why and the socket: words `field=value`, joined by AND; `!=` negates; several values
//! with commas.

mod subject;

use crate::{
    explain::{Cause, Severity},
    model::{Direction, Family, text::safe},
};
use ipnet::IpNet;
use std::{fmt, net::IpAddr, str::FromStr};
pub(crate) use subject::Subject;

/// The fields.
pub(crate) const FIELDS: &[&str] =
    &["process", "unit", "container", "port", "cause", "reason", "direction", "family", "local", "remote", "severity"];

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FilterError {
    /// A quotation mark that is not closed.
    #[error("a quotation mark is not closed in {text:?}")]
    Quotes {
        /// As given.
        text: String,
    },
    /// Not of the form `field=value`.
    #[error("{word:?} is no filter; write field=value or field!=value with one of: {}", FIELDS.join(", "))]
    Form {
        /// As given.
        word: String,
    },
    /// No such field.
    #[error("unknown filter field {field:?}; the fields are {}", FIELDS.join(", "))]
    Field {
        /// As given.
        field: String,
    },
    /// A value that the field cannot have.
    #[error("{field}={} can never match: {field} is {expected}", safe(value))]
    Value {
        /// Which field.
        field: &'static str,
        /// As given.
        value: String,
        /// What it may be.
        expected: String,
    },
}

/// A whole filter; an empty one matches everything. Displayed, it is the text that it was parsed from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq)]
struct Word {
    text: String,
    negated: bool,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Process(Vec<String>),
    Unit(Vec<String>),
    Container(Vec<String>),
    Port(Vec<u16>),
    Cause(Vec<Cause>),
    Reason(Vec<String>),
    Direction(Vec<Direction>),
    Family(Vec<Family>),
    Local(Vec<IpNet>),
    Remote(Vec<IpNet>),
    Severity(Vec<Severity>),
}

impl Filter {
    /// Parses the words of a command line.
    pub(crate) fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, FilterError> {
        Ok(Self { words: words.iter().map(|word| word.as_ref().parse()).collect::<Result<_, _>>()? })
    }

    /// Parses a line of words; a value with spaces stands in quotation marks, as in a shell.
    pub(crate) fn parse_line(text: &str) -> Result<Self, FilterError> {
        let words = shlex::split(text).ok_or_else(|| FilterError::Quotes { text: text.to_owned() })?;
        Self::parse(&words)
    }

    /// Whether an event or a count passes.
    #[must_use]
    pub(crate) fn matches(&self, subject: &impl Subject) -> bool {
        self.words.iter().all(|word| word.test.matches(subject) != word.negated)
    }

    /// Whether everything passes.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether it looks at addresses, which only events have.
    #[must_use]
    pub(crate) fn is_about_addresses(&self) -> bool {
        self.words.iter().any(|word| matches!(word.test, Test::Local(_) | Test::Remote(_)))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            let space = if index == 0 { "" } else { " " };
            // Quoted only where it has to be: `field=value` would always be.
            let plain = shlex::split(&word.text).is_some_and(|words| words == [word.text.as_str()]);
            let quoted = if plain { None } else { shlex::try_quote(&word.text).ok() };
            let text = quoted.as_deref().unwrap_or(&word.text);
            write!(f, "{space}{text}")?;
        }
        Ok(())
    }
}

impl FromStr for Word {
    type Err = FilterError;

    fn from_str(word: &str) -> Result<Self, FilterError> {
        let whole = word.to_owned();
        let (field, values) = word.split_once('=').ok_or_else(|| FilterError::Form { word: word.to_owned() })?;
        let (field, negated) = field.strip_suffix('!').map_or((field, false), |field| (field, true));
        let values: Vec<&str> = values.split(',').collect();
        if values.iter().any(|value| value.is_empty()) {
            return Err(FilterError::Form { word: word.to_owned() });
        }
        let texts = || values.iter().map(|&value| value.to_owned()).collect();
        let test = match field {
            "process" => Test::Process(texts()),
            "unit" => Test::Unit(texts()),
            "container" => Test::Container(texts()),
            "port" => Test::Port(each(
                "port",
                &values,
                |value| value.parse().ok().filter(|port| *port > 0),
                || "a number from 1 to 65535".into(),
            )?),
            "cause" => Test::Cause(each("cause", &values, |value| value.parse().ok(), || list(Cause::ALL, Cause::id))?),
            "reason" => Test::Reason(each("reason", &values, reason, || {
                "a name of the kernel's enum sk_rst_reason in lower case, such as tcp_abort_on_close or no_socket, or unsupported".into()
            })?),
            "direction" => Test::Direction(each(
                "direction",
                &values,
                |value| Direction::ALL.iter().copied().find(|known| known.as_str() == value),
                || list(Direction::ALL, Direction::as_str),
            )?),
            "family" => Test::Family(each(
                "family",
                &values,
                |value| Family::ALL.iter().copied().find(|known| known.as_str() == value),
                || list(Family::ALL, Family::as_str),
            )?),
            "severity" => Test::Severity(each(
                "severity",
                &values,
                |value| value.parse().ok(),
                || list(Severity::ALL, Severity::word),
            )?),
            "local" => Test::Local(each("local", &values, network, network_help)?),
            "remote" => Test::Remote(each("remote", &values, network, network_help)?),
            _ => return Err(FilterError::Field { field: field.to_owned() }),
        };
        Ok(Self { text: whole, negated, test })
    }
}

fn each<T>(
    field: &'static str,
    values: &[&str],
    parse: impl Fn(&str) -> Option<T>,
    expected: impl Fn() -> String,
) -> Result<Vec<T>, FilterError> {
    values
        .iter()
        .map(|&value| {
            parse(value).ok_or_else(|| FilterError::Value { field, value: value.to_owned(), expected: expected() })
        })
        .collect()
}

fn list<T: Copy>(known: &[T], name: impl Fn(T) -> &'static str) -> String {
    format!("one of {}", known.iter().map(|&value| name(value)).collect::<Vec<_>>().join(", "))
}

fn reason(value: &str) -> Option<String> {
    let plain = value.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    plain.then(|| value.to_owned())
}

fn network(value: &str) -> Option<IpNet> {
    value.parse().ok().or_else(|| value.parse::<IpAddr>().ok().map(IpNet::from))
}

fn network_help() -> String {
    "an address or a network, such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32".into()
}

impl Test {
    fn matches(&self, subject: &impl Subject) -> bool {
        let text =
            |values: &[String], value: Option<&str>| value.is_some_and(|value| values.iter().any(|v| v == value));
        let inside = |networks: &[IpNet], address: Option<IpAddr>| {
            address.is_some_and(|address| networks.iter().any(|network| network.contains(&address)))
        };
        match self {
            Self::Process(values) => text(values, subject.process()),
            Self::Unit(values) => text(values, subject.unit()),
            Self::Container(values) => {
                subject.container().is_some_and(|id| values.iter().any(|value| same_container(id, value)))
            }
            Self::Port(values) => subject.port().is_some_and(|port| values.contains(&port)),
            Self::Cause(values) => subject.cause().is_some_and(|cause| values.contains(&cause)),
            Self::Reason(values) => text(values, Some(subject.reason())),
            Self::Direction(values) => values.contains(&subject.direction()),
            Self::Family(values) => subject.family().is_some_and(|family| values.contains(&family)),
            Self::Local(values) => inside(values, subject.local()),
            Self::Remote(values) => inside(values, subject.remote()),
            Self::Severity(values) => subject.severity().is_some_and(|severity| values.contains(&severity)),
        }
    }
}

/// Whether two ids are of one container: either may be cut, to no less than a short id.
#[must_use]
pub(crate) fn same_container(one: &str, other: &str) -> bool {
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
        assert!(!same_container(full, &full[..11]), "too short to tell containers apart");
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
