//! The labels of `rstmon_resets_total`.

use crate::{
    event::snapshot::{FOLDED_AWAY, NO_ROOM},
    model::{Direction, Family},
};
use std::sync::Arc;

/// Label value that replaces folded label values.
pub(crate) const OTHER: &str = NO_ROOM;

/// One series of `rstmon_resets_total`. As in Prometheus, an empty value is an absent label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Series {
    pub(crate) direction: Direction,
    /// Cause id, or [`OTHER`] for counts that kept only direction and reason.
    pub(crate) cause: Arc<str>,
    /// Word of the severity, or [`OTHER`] likewise.
    pub(crate) severity: &'static str,
    pub(crate) reason: Arc<str>,
    /// Comm of the owner.
    pub(crate) process: Arc<str>,
    pub(crate) unit: Arc<str>,
    /// Container id in its short form.
    pub(crate) container: Arc<str>,
    /// The port that names the service.
    pub(crate) port: Option<u16>,
    pub(crate) family: Option<Family>,
}

impl Series {
    /// The series that replaces it when there are too many: only direction, cause, severity and
    /// reason are kept.
    #[must_use]
    pub(crate) fn folded(&self) -> Self {
        Self::other(self.direction, Arc::clone(&self.cause), self.severity, Arc::clone(&self.reason))
    }

    /// The series of a count that kept only its direction and reason.
    #[must_use]
    pub(crate) fn overflow(direction: Direction, reason: Arc<str>) -> Self {
        Self::other(direction, OTHER.into(), OTHER, reason)
    }

    /// The series that the counts go to when it folds away: only direction and reason are kept, so that this growth,
    /// which is of no reset, is no growth of any cause or severity.
    #[must_use]
    pub(crate) fn folded_away(&self) -> Self {
        Self { process: FOLDED_AWAY.into(), ..Self::overflow(self.direction, Arc::clone(&self.reason)) }
    }

    /// Whether it is one of [`folded_away`](Self::folded_away).
    #[must_use]
    pub(crate) fn is_folded_away(&self) -> bool {
        &*self.process == FOLDED_AWAY
    }

    /// Whether it holds counts of several names: a series that others were folded into.
    #[must_use]
    pub(crate) fn is_of_several(&self) -> bool {
        is_reserved(&self.process)
    }

    fn other(direction: Direction, cause: Arc<str>, severity: &'static str, reason: Arc<str>) -> Self {
        let none = Arc::<str>::from("");
        Self {
            direction,
            cause,
            severity,
            reason,
            process: OTHER.into(),
            unit: Arc::clone(&none),
            container: none,
            port: None,
            family: None,
        }
    }

    /// Whether no process of this host is known to own the resets: a port scan can create any number of such series.
    #[must_use]
    pub(crate) fn is_unowned(&self) -> bool {
        self.process.is_empty()
    }
}

/// Whether a process of this name would pass for series that others were folded into.
#[must_use]
pub(crate) fn is_reserved(process: &str) -> bool {
    process == OTHER || process == FOLDED_AWAY
}

/// Which labels `rstmon_resets_total` carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a set of independent switches, one a label")]
pub(crate) struct LabelSet {
    cause: bool,
    severity: bool,
    reason: bool,
    process: bool,
    unit: bool,
    container: bool,
    port: bool,
    family: bool,
}

/// A configured label that `rstmon_resets_total` does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown label {name:?}; the labels are {}", LabelSet::NAMES.join(", "))]
pub(crate) struct UnknownLabel {
    name: String,
}

impl LabelSet {
    /// Every label, in the order of a series.
    pub(crate) const NAMES: &'static [&'static str] =
        &["direction", "cause", "severity", "reason", "process", "unit", "container", "port", "family"];

    /// The labels with these names; `direction` is always included.
    pub(crate) fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownLabel> {
        let mut set = Self {
            cause: false,
            severity: false,
            reason: false,
            process: false,
            unit: false,
            container: false,
            port: false,
            family: false,
        };
        for name in names {
            match name {
                "direction" => {}
                "cause" => set.cause = true,
                "severity" => set.severity = true,
                "reason" => set.reason = true,
                "process" => set.process = true,
                "unit" => set.unit = true,
                "container" => set.container = true,
                "port" => set.port = true,
                "family" => set.family = true,
                _ => return Err(UnknownLabel { name: name.to_owned() }),
            }
        }
        Ok(set)
    }

    /// Empties the labels that are not in the set.
    #[must_use]
    pub(crate) fn apply(self, mut series: Series) -> Series {
        if !self.severity {
            series.severity = "";
        }
        let texts = [
            (self.cause, &mut series.cause),
            (self.reason, &mut series.reason),
            (self.process, &mut series.process),
            (self.unit, &mut series.unit),
            (self.container, &mut series.container),
        ];
        for (kept, text) in texts {
            if !kept {
                *text = "".into();
            }
        }
        if !self.port {
            series.port = None;
        }
        if !self.family {
            series.family = None;
        }
        series
    }
}

impl Default for LabelSet {
    fn default() -> Self {
        Self {
            cause: true,
            severity: true,
            reason: true,
            process: true,
            unit: true,
            container: true,
            port: true,
            family: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LabelSet, Series};
    use crate::model::{Direction, Family};

    fn series() -> Series {
        Series {
            direction: Direction::Sent,
            cause: "refused".into(),
            severity: "notice",
            reason: "no_socket".into(),
            process: "java".into(),
            unit: "tomcat.service".into(),
            container: "".into(),
            port: Some(8080),
            family: Some(Family::Ipv4),
        }
    }

    #[test]
    fn labels_can_be_left_out() {
        let set = LabelSet::from_names(["direction", "cause", "port"]).expect("known labels");
        let left = set.apply(series());
        assert_eq!((&*left.process, &*left.unit, &*left.reason, left.severity), ("", "", "", ""));
        assert_eq!((&*left.cause, left.port, left.family), ("refused", Some(8080), None));
    }

    #[test]
    fn an_unknown_label_is_an_error_that_lists_the_known() {
        let error = LabelSet::from_names(["proces"]).expect_err("a typo");
        assert_eq!(
            error.to_string(),
            "unknown label \"proces\"; the labels are direction, cause, severity, reason, process, unit, container, port, family"
        );
    }
}
