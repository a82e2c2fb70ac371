//! The catalogue is complete, consistent and fit to be printed.

use super::{
    Cause, CauseEntry, Confidence, Directions, Symptom, document, entries, explanations::USUAL_EXPLANATIONS,
    settings::GROUPS,
};
use crate::model::{Reason, Role};
use std::collections::BTreeSet;

/// The directions that are documented, written out.
const DIRECTIONS: [(Cause, Directions); 31] = [
    (Cause::Refused, Directions::Both),
    (Cause::ClosedWithUnreadData, Directions::Sent),
    (Cause::WriteAfterClose, Directions::Sent),
    (Cause::KeepaliveRace, Directions::Sent),
    (Cause::StaleConnection, Directions::Sent),
    (Cause::GaveUpWaiting, Directions::Sent),
    (Cause::RequestTimeout, Directions::Sent),
    (Cause::LateGoodbye, Directions::Sent),
    (Cause::AlreadyReset, Directions::Sent),
    (Cause::PortReuse, Directions::Sent),
    (Cause::PortScan, Directions::Sent),
    (Cause::PeerAborted, Directions::Received),
    (Cause::RequestReset, Directions::Received),
    (Cause::WroteToClosedPeer, Directions::Received),
    (Cause::PeerResetIdle, Directions::Received),
    (Cause::PeerReset, Directions::Received),
    (Cause::ResetWhileClosing, Directions::Received),
    (Cause::CutOnThePath, Directions::Both),
    (Cause::UnknownConnection, Directions::Sent),
    (Cause::IdleTimeout, Directions::Sent),
    (Cause::IdleAbort, Directions::Sent),
    (Cause::LingerAbort, Directions::Sent),
    (Cause::ProcessExit, Directions::Sent),
    (Cause::ListenerOverflow, Directions::Sent),
    (Cause::ListenerClosed, Directions::Sent),
    (Cause::Disconnect, Directions::Sent),
    (Cause::Killed, Directions::Sent),
    (Cause::MemoryPressure, Directions::Sent),
    (Cause::ProtocolViolation, Directions::Sent),
    (Cause::Mptcp, Directions::Both),
    (Cause::Unexplained, Directions::Both),
];

/// Causes for which there is no classic remedy to weigh: they are benign, deliberate, or not understood.
const WITHOUT_CLASSIC: [Cause; 10] = [
    Cause::LateGoodbye,
    Cause::AlreadyReset,
    Cause::PortReuse,
    Cause::PortScan,
    Cause::ResetWhileClosing,
    Cause::LingerAbort,
    Cause::Disconnect,
    Cause::ProtocolViolation,
    Cause::Mptcp,
    Cause::Unexplained,
];

/// Every piece of prose of an entry.
fn texts(entry: &'static CauseEntry) -> Vec<&'static str> {
    let mut texts = vec![entry.title, entry.what_happened, entry.how_known.evidence];
    texts.extend(entry.how_known.levels.iter().map(|level| level.when));
    texts.extend(entry.how_known.older_kernels);
    texts.extend(entry.sees.note);
    texts.extend(entry.remedies.iter().map(|remedy| remedy.action));
    texts.extend(entry.classic.iter().flat_map(|classic| classic.weighed().map(|(_, verdict)| verdict)));
    texts
}

/// Text that is shown next to the entries.
fn shared_texts() -> Vec<&'static str> {
    let mut texts = Vec::new();
    for group in GROUPS {
        texts.push(group.title);
        texts.extend(group.settings.iter().flat_map(|setting| [setting.product, setting.how]));
    }
    for form in Symptom::ALL.iter().map(|symptom| symptom.form()) {
        texts.extend([form.title, form.meaning]);
        texts.extend(form.words.iter().flat_map(|words| [words.speaker, words.text]));
    }
    texts.extend(USUAL_EXPLANATIONS.iter().map(|usual| usual.explanation));
    texts
}

/// The code spans of a text.
fn code_spans(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn each_entry_is_filed_under_its_own_cause() {
    for &cause in Cause::ALL {
        assert_eq!(cause.entry().cause, cause);
    }
}

#[test]
fn directions_are_the_documented_ones() {
    let found: Vec<_> = entries().map(|entry| (entry.cause, entry.directions)).collect();
    assert_eq!(found, DIRECTIONS);
}

#[test]
fn each_entry_is_complete() {
    for entry in entries() {
        let cause = entry.cause;
        assert!(entry.title.len() <= 48 && !entry.title.ends_with('.'), "{cause}: {}", entry.title);
        let sentences = entry.what_happened.matches(". ").count() + 1;
        assert!((2..=7).contains(&sentences), "{cause}: {sentences} sentences of what happened");
        assert!(!entry.how_known.levels.is_empty(), "{cause}: no confidence rule");
        assert!(!entry.sees.sender.is_empty() && !entry.sees.receiver.is_empty(), "{cause}: an end sees nothing");
        assert!(!entry.remedies.is_empty(), "{cause}: no remedy, not even \"none needed\"");
        assert!(!entry.see_also.is_empty(), "{cause}: related to nothing");
        assert_eq!(entry.classic.is_none(), WITHOUT_CLASSIC.contains(&cause), "{cause}: the classic remedies");
    }
}

#[test]
fn prose_is_clean() {
    for text in entries().flat_map(texts).chain(shared_texts()) {
        assert!(!text.is_empty(), "an empty text");
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "not printable ASCII: {text}");
        assert_eq!(text, text.trim(), "space around");
        assert!(!text.contains("  "), "two spaces: {text}");
        assert!(!text.contains('|'), "a bar would break a Markdown table: {text}");
        assert_eq!(text.matches('`').count() % 2, 0, "an open code span: {text}");
        assert!(code_spans(text).all(|code| !code.is_empty()), "an empty code span: {text}");
    }
}

#[test]
fn sentences_end_and_clauses_do_not() {
    for entry in entries() {
        let mut sentences = vec![entry.what_happened, entry.how_known.evidence];
        sentences.extend(entry.how_known.older_kernels);
        sentences.extend(entry.sees.note);
        sentences.extend(entry.remedies.iter().map(|remedy| remedy.action));
        for text in sentences {
            assert!(text.ends_with('.'), "{}: {text}", entry.cause);
        }
        for level in entry.how_known.levels {
            assert!(!level.when.ends_with('.'), "{}: {}", entry.cause, level.when);
            assert!(!level.when.starts_with("when"), "{}: {}", entry.cause, level.when);
        }
    }
}

#[test]
fn confidence_descends_without_repetition() {
    for entry in entries() {
        let levels: Vec<Confidence> = entry.how_known.levels.iter().map(|level| level.confidence).collect();
        assert!(levels.windows(2).all(|pair| pair[0] > pair[1]), "{}: {levels:?}", entry.cause);
    }
}

/// A cause of one role has remedies for that role only, and each role of any other cause has one.
#[test]
fn every_role_of_a_cause_has_a_remedy() {
    for entry in entries() {
        for role in [Role::Opened, Role::Accepted] {
            let has = entry.remedies.iter().any(|remedy| remedy.is_for(Some(role)));
            let can = entry.role.is_none_or(|only| only == role);
            let neutral = entry.remedies.iter().any(|remedy| remedy.role.is_none());
            assert!(has == can || neutral, "{}: remedies for {role}", entry.cause);
        }
    }
}

#[test]
fn related_causes_are_others_and_named_once() {
    for entry in entries() {
        let unique: BTreeSet<Cause> = entry.see_also.iter().copied().collect();
        assert_eq!(unique.len(), entry.see_also.len(), "{}: named twice", entry.cause);
        assert!(!unique.contains(&entry.cause), "{} refers to itself", entry.cause);
    }
}

#[test]
fn symptoms_of_an_end_are_named_once() {
    for entry in entries() {
        for end in [entry.sees.sender, entry.sees.receiver] {
            let unique: BTreeSet<Symptom> = end.iter().copied().collect();
            assert_eq!(unique.len(), end.len(), "{}: {end:?}", entry.cause);
        }
    }
}

#[test]
fn kernel_reasons_are_spelt_as_the_kernel_spells_them() {
    // A code span that starts like a reason and is no setting must be one, or a cause, or a known other word.
    let others = ["tcp_abort_on_overflow", "tcp_mem", "tcp_retries2"];
    for text in entries().flat_map(texts) {
        for code in code_spans(text) {
            let looks_like_one = ["tcp_", "mptcp_", "no_", "invalid_"].iter().any(|prefix| code.starts_with(prefix));
            if looks_like_one && !others.contains(&code) && code != "mptcp_rst_" {
                assert!(Reason::NAMES.contains(&code), "{code} is no reset reason: {text}");
            }
        }
    }
}

#[test]
fn causes_that_are_named_in_prose_exist() {
    // Every span of this shape in the entries' prose is a cause, a reason or a kernel setting.
    for text in entries().flat_map(texts) {
        for code in code_spans(text) {
            let shaped_like_an_id =
                code.contains('_') && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let of_another_kind = Reason::NAMES.contains(&code)
                || ["tcp_mem", "mptcp_rst_", "proxy_ignore_client_abort", "max_connect_errors"].contains(&code);
            if shaped_like_an_id && !of_another_kind {
                assert!(code.parse::<Cause>().is_ok(), "{code} is neither: {text}");
            }
        }
    }
}

#[test]
fn every_symptom_and_every_setting_group_is_used() {
    for &symptom in Symptom::ALL {
        assert!(
            entries().any(|entry| entry.sees.sender.contains(&symptom) || entry.sees.receiver.contains(&symptom)),
            "{symptom:?} belongs to no cause"
        );
    }
    for group in GROUPS {
        assert!(
            entries().any(|entry| entry.remedies.iter().any(|remedy| remedy.settings == Some(group))),
            "{} serves no remedy",
            group.id
        );
    }
}

#[test]
fn every_setting_group_that_is_used_is_documented() {
    for remedy in entries().flat_map(|entry| entry.remedies) {
        if let Some(group) = remedy.settings {
            assert!(GROUPS.contains(&group), "{} has no section", group.id);
        }
    }
}

#[test]
fn the_words_of_an_errno_name_its_number_where_the_program_does() {
    for form in Symptom::ALL.iter().map(|symptom| symptom.form()) {
        let Some(errno) = form.errno else { continue };
        let number = errno.number.to_string();
        for words in form.words.iter().filter(|words| ["Python", "nginx"].contains(&words.speaker)) {
            assert!(words.text.contains(&number), "{} does not say {number}: {}", words.speaker, words.text);
        }
        for speaker in ["Go", "Python", "Node", "nginx"] {
            assert!(form.words.iter().any(|words| words.speaker == speaker), "{}: no words of {speaker}", errno.name);
        }
        assert!(form.words.iter().any(|words| words.speaker.starts_with("Java")), "{}: no Java", errno.name);
    }
}

#[test]
fn errnos_are_those_of_this_platform() {
    for form in Symptom::ALL.iter().map(|symptom| symptom.form()) {
        let Some(errno) = form.errno else { continue };
        let expected = match errno.name {
            "ECONNRESET" => libc::ECONNRESET,
            "EPIPE" => libc::EPIPE,
            "ECONNREFUSED" => libc::ECONNREFUSED,
            "ETIMEDOUT" => libc::ETIMEDOUT,
            "ECONNABORTED" => libc::ECONNABORTED,
            other => panic!("{other} is not checked"),
        };
        assert_eq!(i32::from(errno.number), expected, "{}", errno.name);
    }
}

#[test]
fn the_document_serialises_ids_and_words() -> Result<(), serde_json::Error> {
    let json = serde_json::to_value(document())?;
    assert_eq!(json["causes"][0]["id"], "refused");
    assert_eq!(json["causes"][0]["severity"], "notice");
    assert_eq!(json["causes"][0]["directions"], "both");
    assert_eq!(json["causes"][0]["sees"]["receiver"][0], "refused");
    assert_eq!(json["causes"].as_array().map(Vec::len), Some(Cause::ALL.len()));
    assert_eq!(json["symptoms"][0]["id"], "reset_on_read");
    assert_eq!(json["symptoms"][0]["errno"]["number"], 104);
    Ok(())
}
