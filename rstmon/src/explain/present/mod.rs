//! What a cause looks like to a person, laid out once as data.
//!
//! `rstmon causes`, docs/causes.md, `rstmon why` and the panes of `rstmon top` render a [`CauseView`]. A renderer
//! decides about labels, order and how much it shows; what there is to show is decided here. Texts are those of the
//! catalogue: backticks mark code.

mod process;
mod remedy;
mod symptom;

use super::{
    catalogue::{
        CauseEntry, ClassicRemedies, Directions, HowKnown, ObservedSymptoms, SymptomCondition, symptom::Symptom,
    },
    cause::Cause,
    cause_id::CauseId,
    severity::{Confidence, Severity},
};
use crate::model::{Direction, Role};

pub(crate) use process::{ProcessName, UNKNOWN_PROCESS};
pub(crate) use remedy::RemedyView;
pub(crate) use symptom::SymptomView;

/// The sections of one cause.
#[derive(Clone, Debug)]
pub(crate) struct CauseView {
    pub(crate) cause: CauseId,
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
    /// In the catalogue's view: what the end sees instead in special cases, each with its condition as a clause.
    pub(crate) cases: Vec<(&'static str, Vec<SymptomView>)>,
}

/// What is known of the resets that a view is of. A value that differs between them, or is not known, is absent.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ResetsSeen {
    /// Absent puts the sender first.
    pub(crate) direction: Option<Direction>,
    /// The role of this host's end. Absent shows the remedies for both.
    pub(crate) role: Option<Role>,
    /// Absent is that of the catalogue.
    pub(crate) severity: Option<Severity>,
    pub(crate) confidence: Option<Confidence>,
    /// What changes the symptoms of the end that received them.
    pub(crate) condition: Option<SymptomCondition>,
}

impl CauseView {
    /// The view of the catalogue's entry, with its severity and without a confidence.
    pub(crate) fn of_catalogue(cause: Cause) -> Self {
        let entry = cause.entry();
        let ends = ends(&entry.sees, entry.directions, None);
        let either = (1..).zip(entry.remedies).map(|(number, remedy)| match entry.role {
            Some(_) => RemedyView::new(number, remedy),
            None => RemedyView::of_either_role(number, remedy),
        });
        Self::new(cause.into(), ends, either.collect())
    }

    /// The view of resets that this host sent or received: with the remedies for its role, and the symptoms that fit.
    pub(crate) fn of_resets(cause: CauseId, seen: ResetsSeen) -> Self {
        let ResetsSeen { direction, role, severity, confidence, condition } = seen;
        let directions = match direction {
            Some(Direction::Sent) | None => Directions::Sent,
            Some(Direction::Received) => Directions::Received,
        };
        let entry = cause.entry();
        let mut ends = ends(&entry.sees, directions, condition);
        for end in &mut ends {
            end.cases.clear();
        }
        let role = role.or(entry.role);
        let remedies = entry.remedies.iter().filter(|remedy| remedy.is_for(role));
        let remedies = (1..).zip(remedies).map(|(number, remedy)| match role {
            Some(_) => RemedyView::new(number, remedy),
            None => RemedyView::of_either_role(number, remedy),
        });
        let view = Self::new(cause, ends, remedies.collect());
        Self { severity: severity.unwrap_or(view.severity), confidence, ..view }
    }

    fn new(cause: CauseId, ends: [EndView; 2], remedies: Vec<RemedyView>) -> Self {
        // Exhaustive, so that a new field must be decided about here.
        let CauseEntry {
            cause: _,
            title,
            directions,
            role: _,
            severity,
            what_happened,
            how_known,
            sees,
            remedies: _,
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
            ends,
            note: sees.note,
            how_known,
            remedies,
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

fn ends(sees: &'static ObservedSymptoms, seen_from: Directions, condition: Option<SymptomCondition>) -> [EndView; 2] {
    let ObservedSymptoms { sender, receiver, cases, note: _ } = sees;
    let case = cases.iter().find(|case| Some(case.when) == condition);
    let views = |symptoms: &[Symptom]| symptoms.iter().copied().map(SymptomView::new).collect();
    let sender = |heading| EndView { heading, symptoms: views(sender), cases: Vec::new() };
    let receiver = |heading| EndView {
        heading,
        symptoms: views(case.map_or(*receiver, |case| case.receiver)),
        cases: cases.iter().map(|case| (case.when.phrase(), views(case.receiver))).collect(),
    };
    match seen_from {
        Directions::Sent => [
            sender("The application on this host, which sent the reset"),
            receiver("The peer's application, which received it"),
        ],
        Directions::Received => [
            receiver("The application on this host, which received the reset"),
            sender("The peer's application, which sent it"),
        ],
        Directions::Both => [
            receiver("The application at the end that received the reset"),
            sender("The application at the end that sent it"),
        ],
    }
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

    fn resets(direction: Option<Direction>) -> ResetsSeen {
        ResetsSeen { direction, ..ResetsSeen::default() }
    }

    #[test]
    fn a_cause_of_both_directions_is_seen_from_the_end_of_the_resets() {
        let refused = |direction| first_symptoms(&CauseView::of_resets(Cause::Refused.into(), resets(direction)));
        assert_eq!(refused(Some(Direction::Received)), [Symptom::Refused, Symptom::Nothing]);
        assert_eq!(refused(Some(Direction::Sent)), [Symptom::Nothing, Symptom::Refused]);
        assert_eq!(refused(None), refused(Some(Direction::Sent)));
    }

    #[test]
    fn a_special_case_replaces_the_symptoms_of_the_receiver() {
        let view = |condition| {
            let seen = ResetsSeen { condition, ..resets(Some(Direction::Received)) };
            first_symptoms(&CauseView::of_resets(Cause::PeerReset.into(), seen))
        };
        assert_eq!(view(None), [Symptom::ResetOnRead, Symptom::Nothing]);
        assert_eq!(view(Some(SymptomCondition::AfterFin)), [Symptom::EndOfStream, Symptom::Nothing]);
        assert_eq!(view(Some(SymptomCondition::UnsentAtClose)), view(None), "the entry has no such case");
    }

    #[test]
    fn remedies_are_those_of_the_role() {
        let remedies = |role| {
            let seen = ResetsSeen { role, ..ResetsSeen::default() };
            let view = CauseView::of_resets(Cause::ClosedWithUnreadData.into(), seen);
            view.remedies.iter().map(|remedy| (remedy.number, remedy.text().into_owned())).collect::<Vec<_>>()
        };
        let (opened, accepted, either) = (remedies(Some(Role::Opened)), remedies(Some(Role::Accepted)), remedies(None));
        assert_eq!((opened.len(), opened[0].0), (1, 1));
        assert_eq!(either.len(), opened.len() + accepted.len());
        assert!(either.iter().all(|(_, text)| text.starts_with("If this host ")), "{either:?}");
        assert!(accepted[0].1.starts_with("Read the request to its end"), "{accepted:?}");
    }

    #[test]
    fn a_cause_of_a_newer_version_has_a_view() {
        let newer = CauseId::try_from("eaten_by_a_grue".to_owned()).expect("an id");
        let view = CauseView::of_resets(newer, ResetsSeen::default());
        assert_eq!((view.cause.id(), view.remedies.len()), ("eaten_by_a_grue", 1));
    }

    #[test]
    fn a_grade_is_the_severity_and_the_confidence_of_the_resets() {
        assert_eq!(CauseView::of_catalogue(Cause::Refused).grade(), "notice");
        let (severity, confidence) = (Some(Severity::Harmful), Some(Confidence::Likely));
        let view =
            CauseView::of_resets(Cause::Refused.into(), ResetsSeen { severity, confidence, ..ResetsSeen::default() });
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
