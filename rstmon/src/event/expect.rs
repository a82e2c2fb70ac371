//! Resets that the operator expects, such as those of the operator's own health checks: they are benign, and say why.

use super::{
    Event,
    filter::{Filter, FilterError, FilterSubject},
};
use crate::explain::Severity;
use std::sync::Arc;

/// A class of expected resets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expectation {
    filter: Filter,
    /// Why these resets are expected, in the operator's words.
    pub(crate) reason: Arc<str>,
}

/// The expectations of a configuration, in its order. The first that matches decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Expectations {
    list: Vec<Expectation>,
}

/// Why a class of resets cannot be expected.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExpectationError {
    #[error(transparent)]
    Filter(#[from] FilterError),
    #[error("filter is empty: it would make every reset benign; name at least one field, such as process=haproxy")]
    EmptyFilter,
    #[error("filter tests severity, which the expectation itself decides; filter by cause instead")]
    Severity,
    #[error("reason is empty: say why these resets are expected, such as \"health checks of the load balancer\"")]
    EmptyReason,
}

impl Expectation {
    /// `filter` is a line of the filter grammar.
    pub(crate) fn new(filter: &str, reason: &str) -> Result<Self, ExpectationError> {
        let filter = Filter::parse_line(filter)?;
        if filter.is_empty() {
            return Err(ExpectationError::EmptyFilter);
        }
        if filter.is_about_severity() {
            return Err(ExpectationError::Severity);
        }
        if reason.trim().is_empty() {
            return Err(ExpectationError::EmptyReason);
        }
        Ok(Self { filter, reason: reason.trim().into() })
    }
}

impl Expectations {
    #[must_use]
    pub(crate) fn new(list: Vec<Expectation>) -> Self {
        Self { list }
    }

    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Makes an event that matches benign, and notes the reason in it.
    pub(crate) fn apply(&self, event: &mut Event) {
        if let Some(expectation) = self.list.iter().find(|expectation| expectation.filter.matches(event)) {
            event.severity = Severity::Benign;
            event.expected = Some(expectation.reason.to_string());
        }
    }

    /// Whether counts of `subject` are expected. An expectation that tests addresses never holds for counts, which have
    /// none.
    #[must_use]
    pub(crate) fn expects_count(&self, subject: &impl FilterSubject) -> bool {
        let mut of_counts = self.list.iter().filter(|expectation| !expectation.filter.is_about_addresses());
        of_counts.any(|expectation| expectation.filter.matches(subject))
    }
}

#[cfg(test)]
mod tests {
    use super::{Expectation, Expectations};
    use crate::{
        event::testing::{event, event_with},
        explain::Severity,
    };
    use serde_json::json;

    fn expectations(list: &[(&str, &str)]) -> Expectations {
        Expectations::new(
            list.iter().map(|(filter, reason)| Expectation::new(filter, reason).expect("an expectation")).collect(),
        )
    }

    #[test]
    fn an_expected_event_is_benign_and_says_why() {
        let expectations = expectations(&[
            ("process=haproxy", "checks"),
            ("process=java remote=10.1.2.0/24", "the load test"),
            ("process=java", "never reached"),
        ]);
        let mut expected = event();
        expectations.apply(&mut expected);
        assert_eq!((expected.severity, expected.expected.as_deref()), (Severity::Benign, Some("the load test")));
        let mut other = event_with(json!({"owner": {"process": "nginx"}}));
        expectations.apply(&mut other);
        assert_eq!((other.severity, other.expected), (Severity::Harmful, None));
    }

    #[test]
    fn counts_are_expected_by_the_fields_that_they_have() {
        assert!(expectations(&[("process=java cause=closed_with_unread_data", "checks")]).expects_count(&event()));
        assert!(!expectations(&[("process=java remote=10.1.2.0/24", "checks")]).expects_count(&event()));
    }

    #[test]
    fn an_expectation_of_everything_is_refused() {
        for (filter, reason, words) in [
            ("", "checks", "filter is empty"),
            ("process=java", " ", "reason is empty"),
            ("severity=harmful", "checks", "severity"),
            ("proces=java", "checks", "the fields are"),
        ] {
            let error = Expectation::new(filter, reason).expect_err("a mistake").to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
