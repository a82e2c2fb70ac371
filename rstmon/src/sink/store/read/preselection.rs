//! Look before you parse: bytes that the line of a matching event has. Finding them costs a tenth of parsing a line.

use super::super::summary::Summary;
use crate::event::filter::{Filter, Required, RequiredField};
use memchr::memmem::Finder;

/// What every line of a matching event has. The empty one lets every line pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preselection {
    words: Vec<PreselectedWord>,
}

#[derive(Clone, Debug)]
struct PreselectedWord {
    required: Required,
    /// The field as a line has it, up to its value.
    field: Finder<'static>,
    /// What follows in a matching line: the values as JSON, without the opening quote.
    values: Vec<Vec<u8>>,
}

impl Preselection {
    /// What the lines of events that match `filter` have in common.
    #[must_use]
    pub(crate) fn of(filter: &Filter) -> Self {
        let words = filter.required().into_iter().map(|required| {
            let name = required.field.json();
            let is_number = required.field == RequiredField::Port;
            let field = if is_number { format!("\"{name}\":") } else { format!("\"{name}\":\"") };
            let values = required.values.iter().map(|value| {
                if is_number {
                    return value.clone().into_bytes();
                }
                serde_json::Value::from(value.as_str()).to_string().split_off(1).into_bytes()
            });
            let values = values.collect();
            PreselectedWord { field: Finder::new(field.as_bytes()).into_owned(), values, required }
        });
        Self { words: words.collect() }
    }

    /// Whether a line may be that of a matching event.
    #[must_use]
    pub(crate) fn may_match(&self, line: &[u8]) -> bool {
        self.words.iter().all(|word| word.may_match(line))
    }

    /// Whether a segment may have a matching event.
    #[must_use]
    pub(super) fn may_be_in(&self, summary: &Summary) -> bool {
        // Losses belong to every answer.
        summary.lost > 0 || self.words.iter().all(|word| word.may_be_in(summary))
    }

    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

impl PreselectedWord {
    /// Letters match in either case: a filter may be as lenient.
    fn may_match(&self, line: &[u8]) -> bool {
        self.field.find_iter(line).any(|at| {
            let rest = &line[at + self.field.needle().len()..];
            self.values.iter().any(|value| {
                rest.get(..value.len()).is_some_and(|found| found.eq_ignore_ascii_case(value))
                    && (value.ends_with(b"\"") || !rest.get(value.len()).is_some_and(u8::is_ascii_digit))
            })
        })
    }

    fn may_be_in(&self, summary: &Summary) -> bool {
        let tally = match self.required.field {
            RequiredField::Process => &summary.processes,
            RequiredField::Cause => &summary.causes,
            RequiredField::Port => &summary.ports,
            _ => return true,
        };
        let has = |value: &String| tally.iter().flatten().any(|(found, _)| found.eq_ignore_ascii_case(value));
        tally.is_none() || self.required.values.iter().any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::{Preselection, Summary};
    use crate::event::{filter::Filter, testing::event};

    fn preselection(filter: &str) -> Preselection {
        Preselection::of(&Filter::parse_line(filter).expect("a filter"))
    }

    #[test]
    fn a_matching_event_is_never_skipped() {
        let line = serde_json::to_vec(&event()).expect("JSON");
        let mut summary = Summary::new();
        summary.add(&line);
        for filter in [
            "",
            "process=java",
            "process=nginx,java",
            "process!=nginx",
            "unit=tomcat.service port=8080",
            "port=80,8080",
            "cause=closed_with_unread_data",
            "direction=sent severity=harmful family=ipv4",
            "reason=tcp_abort_on_close",
            "remote=10.0.0.0/8",
        ] {
            let parsed = Filter::parse_line(filter).expect("a filter");
            assert!(parsed.matches(&event()), "{filter}");
            assert!(preselection(filter).may_match(&line), "{filter}");
            assert!(preselection(filter).may_be_in(&summary), "{filter}");
        }
    }

    #[test]
    fn lines_and_segments_without_a_match_are_skipped() {
        let line = serde_json::to_vec(&event()).expect("JSON");
        let mut summary = Summary::new();
        summary.add(&line);
        for filter in ["process=nginx", "port=443", "cause=refused", "process=java port=1"] {
            assert!(!preselection(filter).may_match(&line), "{filter}");
            assert!(!preselection(filter).may_be_in(&summary), "{filter}");
        }
        assert!(preselection("port=443").may_be_in(&Summary::default()), "no summary");
        assert!(preselection("port=443").may_be_in(&Summary { lost: 1, ..summary }), "events are missing in it");
    }

    #[test]
    fn a_name_is_looked_for_as_json_writes_it() {
        let mut odd = event();
        odd.owner.as_mut().expect("an owner").process = Some("a\"b\\\u{1}ü".to_owned());
        let line = serde_json::to_vec(&odd).expect("JSON");
        let filter = Filter::parse(&["process=a\"b\\\u{1}ü"]).expect("a filter");
        assert!(filter.matches(&odd) && Preselection::of(&filter).may_match(&line));
    }
}
