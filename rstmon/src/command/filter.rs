//! The filter grammar of tail and why: words `field=value`, joined by AND; `!=` negates; several values with commas.

use crate::{
    explain::{Cause, Severity},
    model::{Direction, Family, text::safe},
    serve::event::Event,
};
use ipnet::IpNet;
use std::{net::IpAddr, str::FromStr};

/// The fields.
pub const FIELDS: &[&str] =
    &["process", "unit", "container", "port", "cause", "reason", "direction", "family", "local", "remote", "severity"];

/// What is wrong with a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
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

/// A whole filter; an empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq)]
struct Word {
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
    pub fn parse<S: AsRef<str>>(words: &[S]) -> Result<Self, FilterError> {
        Ok(Self { words: words.iter().map(|word| word.as_ref().parse()).collect::<Result<_, _>>()? })
    }

    /// Whether an event passes.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.words.iter().all(|word| word.test.matches(event) != word.negated)
    }
}

impl FromStr for Word {
    type Err = FilterError;

    fn from_str(word: &str) -> Result<Self, FilterError> {
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
            "port" => {
                Test::Port(each("port", &values, |value| value.parse().ok(), || "a number from 1 to 65535".into())?)
            }
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
        Ok(Self { negated, test })
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
    fn matches(&self, event: &Event) -> bool {
        let text =
            |values: &[String], value: Option<&str>| value.is_some_and(|value| values.iter().any(|v| v == value));
        match self {
            Self::Process(values) => text(values, event.process()),
            Self::Unit(values) => text(values, event.unit()),
            // A prefix of at least a short id will do.
            Self::Container(values) => event.container().is_some_and(|id| {
                values.iter().any(|value| id == value || (value.len() >= 12 && id.starts_with(value.as_str())))
            }),
            Self::Port(values) => event.service_port.is_some_and(|port| values.contains(&port)),
            Self::Cause(values) => values.contains(&event.cause),
            Self::Reason(values) => text(values, Some(event.reason.as_str())),
            Self::Direction(values) => values.contains(&event.direction),
            Self::Family(values) => event.family.is_some_and(|family| values.contains(&family)),
            Self::Local(values) => values.iter().any(|network| network.contains(&event.local.address)),
            Self::Remote(values) => values.iter().any(|network| network.contains(&event.remote.address)),
            Self::Severity(values) => values.contains(&event.severity),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, FilterError};
    use crate::serve::event::Event;

    fn event() -> Event {
        serde_json::from_value(serde_json::json!({
            "schema": 1, "time": "2026-11-21T03:00:00Z", "direction": "sent", "reason": "tcp_abort_on_close",
            "state": "established", "socket": "full", "family": "ipv4",
            "local": {"address": "127.0.0.1", "port": 8080}, "remote": {"address": "10.1.2.3", "port": 50000},
            "service_port": 8080, "owner": {"process": "java", "pid": 4711, "provenance": "current", "unit": "tomcat.service"},
            "evidence": {"unread_bytes": 3}, "cause": "closed_with_unread_data", "confidence": "certain",
            "severity": "harmful", "sentence": "..."
        }))
        .expect("a valid event")
    }

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
    fn errors_list_what_is_valid() {
        let text = |words: &[&str]| Filter::parse(words).expect_err("invalid").to_string();
        assert!(text(&["proces=java"]).contains("the fields are process, unit"));
        assert!(text(&["java"]).contains("write field=value"));
        assert!(text(&["process="]).contains("write field=value"));
        assert!(text(&["direction=up"]).contains("one of sent, received"));
        assert!(text(&["direction=\u{1b}[2J"]).starts_with("direction=?[2J can never match"));
        assert!(text(&["port=http"]).contains("a number from 1 to 65535"));
        assert!(text(&["cause=foo"]).contains("keepalive_race"));
        assert!(text(&["remote=10.0.0.0/99"]).contains("10.0.0.0/8"));
        assert!(matches!(Filter::parse(&["reason=TCP STATE"]), Err(FilterError::Value { field: "reason", .. })));
    }
}
