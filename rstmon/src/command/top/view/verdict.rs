//! What is to be said of a row: verdict, worked evidence, what the applications saw, remedies.

use super::{
    look::{Look, STRONG},
    prose::Prose,
};
use crate::{
    command::top::state::row::{Facet, Row},
    event::Event,
    explain::{
        Cause, Confidence, Severity,
        catalogue::{Classic, Entry, symptom::Symptom},
    },
    model::Direction,
};

/// Whose words an application's log is shown in.
const SPEAKERS: [&str; 5] = ["Java", "Go", "Python", "Node", "nginx"];

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// As much as fits beside other things.
    Short,
    /// Everything.
    Full,
}

/// The cause of a row, if it is one.
fn one_cause(row: &Row) -> Option<Cause> {
    match &row.cause {
        Facet::One(cause) => *cause,
        Facet::Several(_) => None,
    }
}

/// Says what there is to say of a row.
pub(crate) fn of_row(prose: &mut Prose<'_>, row: &Row, detail: Detail, look: &Look) {
    match (one_cause(row), &row.last) {
        (Some(cause), last) => of_cause(prose, cause, row, last.as_deref(), detail, look),
        (None, _) if matches!(row.cause, Facet::One(None)) => {
            prose.styled("verdict", "not known: there were more kinds of resets than are counted apart", STRONG);
            prose
                .more("These counts kept their direction and reason only (see counts.entries and metrics.max_series).");
        }
        (None, last) => {
            let Facet::Several(causes) = &row.cause else { return };
            let names: Vec<&str> = causes.iter().map(|cause| cause.map_or("_other", Cause::id)).collect();
            prose.styled("causes", &names.join(", "), look.severity(row.severity));
            if let Some(event) = last {
                evidence(prose, "last", event);
            }
            prose.more("Group by who and why (1) or by cause (2) to see what to do about each.");
        }
    }
}

fn of_cause(prose: &mut Prose<'_>, cause: Cause, row: &Row, last: Option<&Event>, detail: Detail, look: &Look) {
    let entry = cause.entry();
    let sure = last.map(|event| event.confidence);
    title(prose, entry, row.severity, sure, look);
    match last {
        Some(event) => evidence(prose, "evidence", event),
        None => prose.labelled("evidence", "counted exactly, but no event of it is remembered"),
    }
    let direction = match &row.direction {
        Facet::One(direction) => *direction,
        Facet::Several(_) => None,
    };
    match detail {
        Detail::Short => {
            if let Some(first) = entry.remedies.first() {
                prose.labelled("to do", first.action);
            }
            sees(prose, entry, direction);
        }
        Detail::Full => {
            sees(prose, entry, direction);
            remedies(prose, entry);
            meaning(prose, entry, direction);
        }
    }
}

/// The cause, how bad and how sure.
pub(crate) fn title(
    prose: &mut Prose<'_>,
    entry: &Entry,
    severity: Option<Severity>,
    sure: Option<Confidence>,
    look: &Look,
) {
    let severity = severity.unwrap_or(entry.severity);
    let sure = sure.map(|sure| format!(", {sure}")).unwrap_or_default();
    prose.styled("verdict", &format!("{} ({severity}{sure})", entry.title), look.severity(Some(severity)));
}

/// The evidence of one reset, in a sentence.
pub(crate) fn evidence(prose: &mut Prose<'_>, label: &str, event: &Event) {
    prose.labelled(label, &event.sentence);
}

/// The symptoms at this host's end and at the other.
fn ends(entry: &Entry, direction: Option<Direction>) -> [(&'static str, &'static [Symptom]); 2] {
    let (here, there) = match direction {
        Some(Direction::Received) => (entry.sees.receiver, entry.sees.sender),
        Some(Direction::Sent) | None => (entry.sees.sender, entry.sees.receiver),
    };
    [("seen here", here), ("seen there", there)]
}

/// What the applications at both ends were told.
pub(crate) fn sees(prose: &mut Prose<'_>, entry: &Entry, direction: Option<Direction>) {
    for (label, symptoms) in ends(entry, direction) {
        let forms: Vec<String> = symptoms.iter().map(|symptom| name(*symptom)).collect();
        prose.labelled(label, &forms.join("; or "));
    }
}

fn name(symptom: Symptom) -> String {
    let form = symptom.form();
    match form.errno {
        Some(errno) => format!("{} ({})", form.title, errno.name),
        None => form.title.to_owned(),
    }
}

/// What to do, with the settings that do it, and the classic remedies weighed.
pub(crate) fn remedies(prose: &mut Prose<'_>, entry: &Entry) {
    if entry.remedies.is_empty() {
        prose.labelled("to do", "nothing");
    }
    for (index, remedy) in entry.remedies.iter().enumerate() {
        let label = if index == 0 { "to do" } else { "" };
        prose.labelled(label, &format!("{}. {}", index + 1, remedy.action));
        for setting in remedy.settings.iter().flat_map(|group| group.settings) {
            prose.item(setting.product, setting.product.len() + 2, setting.how);
        }
    }
    for (remedy, verdict) in entry.classic.iter().flat_map(Classic::weighed) {
        prose.more(&format!("{remedy}: {verdict}"));
    }
}

/// What happened, and how it looks in the applications' logs.
pub(crate) fn meaning(prose: &mut Prose<'_>, entry: &Entry, direction: Option<Direction>) {
    prose.labelled("meaning", entry.what_happened);
    if let Some(note) = entry.sees.note {
        prose.more(note);
    }
    for (label, symptoms) in ends(entry, direction) {
        let Some(form) = symptoms.first().map(|symptom| symptom.form()) else { continue };
        let said = SPEAKERS.iter().filter_map(|speaker| form.words.iter().find(|words| words.speaker == *speaker));
        for (index, words) in said.enumerate() {
            if index == 0 {
                prose.labelled(label.trim_start_matches("seen "), &format!("{}, in the words of", form.title));
            }
            prose.item(words.speaker, 8, words.text);
        }
    }
}
