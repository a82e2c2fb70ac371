//! The text for a row or a reset: verdict, evidence, what the applications saw, remedies.

use super::{
    look::{Look, STRONG},
    prose::Prose,
};
use crate::{
    command::top::state::row::{Facet, Row},
    event::Event,
    explain::{
        CauseId,
        present::{CauseView, RemedyView, ResetsSeen},
    },
};

/// Labels of this host's end and of the other in [`sees`].
const SEEN_AT: [&str; 2] = ["seen here", "seen there"];
/// Labels of this host's end and of the other in [`meaning`].
const AT: [&str; 2] = ["here", "there"];

/// How much of a row's text is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Verdict, evidence, the first remedy and the symptoms: for a pane.
    Short,
    /// All sections: for a page.
    Full,
}

/// Appends the text for a row.
pub(crate) fn of_row(prose: &mut Prose<'_>, row: &Row, detail: Detail, look: &Look) {
    match (&row.cause, row.last.as_deref()) {
        (Facet::One(Some(cause)), last) => of_cause(prose, *cause, row, last, detail, look),
        (Facet::One(None), _) => {
            prose.styled("verdict", "not known: there were more kinds of resets than are counted apart", STRONG);
            prose
                .more("These counts kept their direction and reason only (see counts.entries and metrics.max_series).");
        }
        (Facet::Several(causes), last) => {
            let names: Vec<&str> = causes.iter().map(|cause| cause.as_ref().map_or("_other", CauseId::id)).collect();
            prose.styled("causes", &names.join(", "), look.severity(row.severity));
            if let Some(event) = last {
                evidence(prose, "last", event);
            }
            prose.more("Group by who and why (1) or by cause (2) to see what to do about each.");
        }
    }
}

fn of_cause(prose: &mut Prose<'_>, cause: CauseId, row: &Row, last: Option<&Event>, detail: Detail, look: &Look) {
    let direction = match &row.direction {
        Facet::One(direction) => *direction,
        Facet::Several(_) => None,
    };
    let seen = last.map(Event::as_seen).unwrap_or_default();
    let view = CauseView::of_resets(cause, ResetsSeen { direction, severity: row.severity, ..seen });
    title(prose, &view, look);
    match last {
        Some(event) => evidence(prose, "evidence", event),
        None => prose.labelled("evidence", "counted exactly, but no event of it is remembered"),
    }
    match detail {
        Detail::Short => {
            if let Some(first) = view.remedies.first() {
                prose.labelled("to do", &first.text());
            }
            sees(prose, &view);
        }
        Detail::Full => {
            sees(prose, &view);
            remedies(prose, &view);
            meaning(prose, &view);
        }
    }
}

/// The cause with its severity and confidence.
pub(crate) fn title(prose: &mut Prose<'_>, view: &CauseView, look: &Look) {
    let text = format!("{} ({})", view.title, view.grade());
    prose.styled("verdict", &text, look.severity(Some(view.severity)));
}

/// The evidence of one reset, in a sentence.
pub(crate) fn evidence(prose: &mut Prose<'_>, label: &str, event: &Event) {
    prose.labelled(label, &event.sentence);
}

/// The symptoms at both ends, by name.
pub(crate) fn sees(prose: &mut Prose<'_>, view: &CauseView) {
    for (label, end) in SEEN_AT.into_iter().zip(&view.ends) {
        let titles: Vec<&str> = end.symptoms.iter().map(|symptom| symptom.title.as_str()).collect();
        prose.labelled(label, &titles.join("; or "));
    }
}

/// The remedies with the settings that carry them out, and the classic remedies weighed.
pub(crate) fn remedies(prose: &mut Prose<'_>, view: &CauseView) {
    if view.remedies.is_empty() {
        prose.labelled("to do", "nothing");
    }
    for remedy @ RemedyView { number, .. } in &view.remedies {
        let action = remedy.text();
        let label = if *number == 1 { "to do" } else { "" };
        prose.labelled(label, &format!("{number}. {action}"));
        for setting in remedy.settings() {
            prose.item(setting.product, setting.product.len() + 2, setting.how);
        }
    }
    for (remedy, verdict) in &view.classic {
        prose.more(&format!("{remedy}: {verdict}"));
    }
}

/// What happened, and what the applications log about it.
pub(crate) fn meaning(prose: &mut Prose<'_>, view: &CauseView) {
    prose.labelled("meaning", view.meaning);
    if let Some(note) = view.note {
        prose.more(note);
    }
    for (label, end) in AT.into_iter().zip(&view.ends) {
        let Some(symptom) = end.symptoms.first() else { continue };
        for (index, words) in symptom.common_words().enumerate() {
            if index == 0 {
                prose.labelled(label, &format!("{}, in the words of", symptom.name));
            }
            prose.item(words.speaker, 8, words.text);
        }
    }
}
