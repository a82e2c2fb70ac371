//! What a cause looks like to a person, laid out once as data.
//!
//! `rstmon causes`, docs/causes.md, `rstmon why` and the panes of `rstmon top` render a [`CauseView`]. A renderer
//! decides about labels, order and how much it shows; what there is to show is decided here. Texts are those of the
//! catalogue: backticks mark code.

mod process;
mod remedy;
mod symptom;

use super::{
    catalogue::{CauseEntry, ClassicRemedies, Directions, HowKnown, ObservedSymptoms},
    cause::Cause,
    severity::{Confidence, Severity},
};
use crate::model::Direction;

pub(crate) use process::{ProcessName, UNKNOWN_PROCESS};
pub(crate) use remedy::RemedyView;
pub(crate) use symptom::SymptomView;

/// The sections of one cause.
#[derive(Clone, Debug)]
pub(crate) struct CauseView {
    pub(crate) cause: Cause,
    pub(crate) title: &'static str,
    pub(crate) severity: Severity,
    /// Absent where the view is of the catalogue's entry and not of resets.
    pub(crate) confidence: Option<Confidence>,
    /// The directions that the catalogue knows, whichever direction the view is of.
    pub(crate) directions: Directions,
    pub(crate) meaning: &'static str,
    /// This host's end first. In the catalogue's view of a cause with both directions: the receiver first.
    pub(crate) ends: [EndView; 2],
    /// What the symptoms do not say.
    pub(crate) note: Option<&'static str>,
    pub(crate) how_known: &'static HowKnown,
    pub(crate) remedies: Vec<RemedyView>,
    /// The classic remedies by name, each with its verdict; empty where none of them applies.
    pub(crate) classic: Vec<(&'static str, &'static str)>,
    pub(crate) see_also: &'static [Cause],
}

/// What the application at one end of the connection sees.
#[derive(Clone, Debug)]
pub(crate) struct EndView {
    /// Names the end in words, such as "The peer's application, which received it".
    pub(crate) heading: &'static str,
    /// The most usual symptom first.
    pub(crate) symptoms: Vec<SymptomView>,
}

impl CauseView {
    /// The view of the catalogue's entry, with its severity and without a confidence.
    pub(crate) fn of_catalogue(cause: Cause) -> Self {
        Self::new(cause, cause.entry().directions)
    }

    /// The view of resets that this host sent or received. `None` for the direction, where it differs between the
    /// resets, puts the sender first; `None` for the severity is that of the catalogue.
    pub(crate) fn of_resets(
        cause: Cause,
        direction: Option<Direction>,
        severity: Option<Severity>,
        confidence: Option<Confidence>,
    ) -> Self {
        let directions = match direction {
            Some(Direction::Sent) | None => Directions::Sent,
            Some(Direction::Received) => Directions::Received,
        };
        let view = Self::new(cause, directions);
        Self { severity: severity.unwrap_or(view.severity), confidence, ..view }
    }

    fn new(cause: Cause, seen_from: Directions) -> Self {
        // Exhaustive, so that a new field must be decided about here.
        let CauseEntry {
            cause: _,
            title,
            directions,
            severity,
            what_happened,
            how_known,
            sees,
            remedies,
            classic,
            see_also,
        } = cause.entry();
        Self {
            cause,
            title,
            severity: *severity,
            confidence: None,
            directions: *directions,
            meaning: what_happened,
            ends: ends(sees, seen_from),
            note: sees.note,
            how_known,
            remedies: (1..).zip(*remedies).map(|(number, remedy)| RemedyView::new(number, remedy)).collect(),
            classic: classic.iter().flat_map(ClassicRemedies::weighed).collect(),
            see_also,
        }
    }

    /// Severity and, where there is one, confidence: `harmful, certain`.
    pub(crate) fn grade(&self) -> String {
        match self.confidence {
            Some(confidence) => format!("{}, {confidence}", self.severity),
            None => self.severity.to_string(),
        }
    }
}

fn ends(sees: &ObservedSymptoms, seen_from: Directions) -> [EndView; 2] {
    let ObservedSymptoms { sender, receiver, note: _ } = sees;
    let ends = match seen_from {
        Directions::Sent => [
            ("The application on this host, which sent the reset", sender),
            ("The peer's application, which received it", receiver),
        ],
        Directions::Received => [
            ("The application on this host, which received the reset", receiver),
            ("The peer's application, which sent it", sender),
        ],
        Directions::Both => [
            ("The application at the end that received the reset", receiver),
            ("The application at the end that sent it", sender),
        ],
    };
    ends.map(|(heading, symptoms)| EndView {
        heading,
        symptoms: symptoms.iter().copied().map(SymptomView::new).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::catalogue::symptom::Symptom;

    fn first_symptoms(view: &CauseView) -> [Symptom; 2] {
        view.ends.each_ref().map(|end| end.symptoms[0].symptom)
    }

    #[test]
    fn this_host_comes_first_at_the_end_that_the_direction_says() {
        let timeout = CauseView::of_catalogue(Cause::IdleTimeout);
        assert!(timeout.ends[0].heading.contains("on this host, which sent the reset"));
        assert_eq!(first_symptoms(&timeout), [Symptom::TimedOut, Symptom::Nothing]);
        let wrote = CauseView::of_catalogue(Cause::WroteToClosedPeer);
        assert!(wrote.ends[0].heading.contains("on this host, which received the reset"));
        assert_eq!(first_symptoms(&wrote), [Symptom::BrokenPipe, Symptom::Nothing]);
    }

    #[test]
    fn a_cause_of_both_directions_is_seen_from_the_end_of_the_resets() {
        let refused = |direction| first_symptoms(&CauseView::of_resets(Cause::Refused, direction, None, None));
        assert_eq!(refused(Some(Direction::Received)), [Symptom::Refused, Symptom::Nothing]);
        assert_eq!(refused(Some(Direction::Sent)), [Symptom::Nothing, Symptom::Refused]);
        assert_eq!(refused(None), refused(Some(Direction::Sent)));
    }

    #[test]
    fn a_grade_is_the_severity_and_the_confidence_of_the_resets() {
        assert_eq!(CauseView::of_catalogue(Cause::Refused).grade(), "notice");
        let view = CauseView::of_resets(Cause::Refused, None, Some(Severity::Harmful), Some(Confidence::Likely));
        assert_eq!(view.grade(), "harmful, likely");
    }

    #[test]
    fn remedies_are_numbered_from_one() {
        let view = CauseView::of_catalogue(Cause::KeepaliveRace);
        let numbers: Vec<usize> = view.remedies.iter().map(|remedy| remedy.number).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert_eq!(view.classic.len(), 3);
    }
}
