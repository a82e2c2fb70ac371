//! One word of a filter, `field=value`: parsed, and applied to an event or a count.

use super::{FilterError, FilterSubject, same_container};
use crate::{
    explain::{Cause, CauseId, Severity},
    model::{Direction, Family},
};
use ipnet::IpNet;
use std::{net::IpAddr, str::FromStr};

#[derive(Clone, Debug, PartialEq)]
pub(super) struct FilterWord {
    /// The word as it was given.
    pub(super) text: String,
    negated: bool,
    test: FieldTest,
}

#[derive(Clone, Debug, PartialEq)]
enum FieldTest {
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

impl FilterWord {
    pub(super) fn matches(&self, subject: &impl FilterSubject) -> bool {
        self.test.matches(subject) != self.negated
    }

    pub(super) fn is_about_severity(&self) -> bool {
        matches!(self.test, FieldTest::Severity(_))
    }

    pub(super) fn is_about_addresses(&self) -> bool {
        matches!(self.test, FieldTest::Local(_) | FieldTest::Remote(_))
    }
}

impl FromStr for FilterWord {
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
            "process" => FieldTest::Process(texts()),
            "unit" => FieldTest::Unit(texts()),
            "container" => FieldTest::Container(texts()),
            "port" => FieldTest::Port(each(
                "port",
                &values,
                |value| value.parse().ok().filter(|port| *port > 0),
                || "a number from 1 to 65535".into(),
            )?),
            "cause" => {
                FieldTest::Cause(each("cause", &values, |value| value.parse().ok(), || list(Cause::ALL, Cause::id))?)
            }
            "reason" => FieldTest::Reason(each("reason", &values, reason, || {
                "a name of the kernel's enum sk_rst_reason in lower case, such as tcp_abort_on_close or no_socket, or unsupported".into()
            })?),
            "direction" => FieldTest::Direction(each_named("direction", &values, Direction::ALL, Direction::as_str)?),
            "family" => FieldTest::Family(each_named("family", &values, Family::ALL, Family::as_str)?),
            "severity" => FieldTest::Severity(each(
                "severity",
                &values,
                |value| value.parse().ok(),
                || list(Severity::ALL, Severity::word),
            )?),
            "local" => FieldTest::Local(each("local", &values, network, network_help)?),
            "remote" => FieldTest::Remote(each("remote", &values, network, network_help)?),
            _ => return Err(FilterError::Field { field: field.to_owned() }),
        };
        Ok(Self { text: word.to_owned(), negated, test })
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

fn each_named<T: Copy>(
    field: &'static str,
    values: &[&str],
    known: &[T],
    name: fn(T) -> &'static str,
) -> Result<Vec<T>, FilterError> {
    let find = |value: &str| known.iter().copied().find(|&known| name(known) == value);
    each(field, values, find, || list(known, name))
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

impl FieldTest {
    fn matches(&self, subject: &impl FilterSubject) -> bool {
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
            Self::Cause(values) => {
                subject.cause().and_then(CauseId::known).is_some_and(|cause| values.contains(&cause))
            }
            Self::Reason(values) => text(values, Some(subject.reason())),
            Self::Direction(values) => values.contains(&subject.direction()),
            Self::Family(values) => subject.family().is_some_and(|family| values.contains(&family)),
            Self::Local(values) => inside(values, subject.local()),
            Self::Remote(values) => inside(values, subject.remote()),
            Self::Severity(values) => subject.severity().is_some_and(|severity| values.contains(&severity)),
        }
    }
}
