//! Over all keys that closed values can make: one rule decides, the catalogue knows its verdict, and no text that is
//! meant for one end of a connection is shown to the other.

use super::{judge, received, sent, table::Rule};
use crate::{
    explain::{
        Cause, Confidence, Facts, Severity,
        present::{CauseView, ResetsSeen},
        sentence,
    },
    model::{BIT_NAMES, Bits, Clock, Direction, Reason, Reasons, Reset, Role, SocketKind, State},
};
use proptest::prelude::*;
use rstmon_common::{
    ResetRecord,
    evidence::{with_ended, with_means, with_phase, with_role},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::{Duration, SystemTime},
};
use zerocopy::FromZeros as _;

/// Every reason that a rule may ask for: of those of MPTCP, which the rules treat as one, the first.
fn reasons() -> Vec<&'static str> {
    let (mptcp, others): (Vec<_>, Vec<_>) = Reason::NAMES.into_iter().partition(|name| name.starts_with("mptcp_"));
    others.into_iter().chain(mptcp.into_iter().take(1)).chain([Reason::UNSUPPORTED]).collect()
}

fn closed(role: u8, phase: u8, means: u8, ended: u8) -> u64 {
    with_ended(with_means(with_phase(with_role(0, role), phase), means), ended)
}

/// Evidence of closed values, and of the bits that have a name.
fn evidence() -> impl Strategy<Value = u64> {
    let values =
        (0..4u8, 0..8u8, 0..8u8, 0..5u8).prop_map(|(role, phase, means, ended)| closed(role, phase, means, ended));
    let bits = prop_oneof![
        // Few facts, as most resets have, and any number of them.
        prop::collection::vec(0..BIT_NAMES.len(), 0..6),
        prop::collection::vec(0..BIT_NAMES.len(), 0..BIT_NAMES.len()),
    ];
    (values, bits).prop_map(|(values, bits)| bits.into_iter().fold(values, |all, index| all | BIT_NAMES[index].0))
}

fn facts() -> impl Strategy<Value = Facts> {
    let direction = prop::sample::select(Direction::ALL);
    let state = prop_oneof![Just(None), prop::sample::select(State::ALL).prop_map(Some)];
    (direction, prop::sample::select(reasons()), state, prop::sample::select(SocketKind::ALL), evidence()).prop_map(
        |(direction, reason, state, socket, bits)| Facts {
            direction,
            reason: Reason::new(reason),
            state,
            socket,
            bits: Bits(bits),
        },
    )
}

fn check(facts: &Facts) -> Result<Cause, TestCaseError> {
    let judgement = judge(facts);
    let entry = judgement.cause.entry();
    let directions = match facts.direction {
        Direction::Sent => entry.directions.sent(),
        Direction::Received => entry.directions.received(),
    };
    prop_assert!(directions, "{judgement:?} of {facts:?} is of the other direction");
    let stated = entry.how_known.levels.iter().any(|level| level.confidence == judgement.confidence);
    prop_assert!(stated, "{}: the catalogue does not say when it is {}", judgement.cause, judgement.confidence);
    // An unknown role gets the texts of either, marked as such.
    let role = facts.bits.role();
    if let (Some(only), Some(role)) = (entry.role, role) {
        prop_assert_eq!(only == Role::Opened, role == Role::Opened, "{:?} reaches {}", judgement, role);
    }
    let seen = ResetsSeen { direction: Some(facts.direction), role, ..ResetsSeen::default() };
    let view = CauseView::of_resets(judgement.cause.into(), seen);
    prop_assert!(!view.remedies.is_empty(), "{}: no remedy for {:?}", judgement.cause, role);
    for remedy in entry.remedies.iter().filter(|remedy| {
        remedy.role.is_some_and(|meant| role.is_some_and(|role| (meant == Role::Opened) != (role == Role::Opened)))
    }) {
        prop_assert!(
            view.remedies.iter().all(|shown| shown.action != remedy.action),
            "{:?} is shown {}",
            role,
            remedy.action
        );
    }
    // A harmful verdict is more than a guess.
    if judgement.severity == Severity::Harmful {
        prop_assert_ne!(judgement.confidence, Confidence::Guess, "{:?}", judgement);
    }
    Ok(judgement.cause)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn every_key_has_a_verdict_that_the_catalogue_knows(facts in facts()) {
        check(&facts)?;
    }

    /// Counters and events agree, and the sentence has no article or plural that does not fit.
    #[test]
    fn every_key_has_a_sentence(facts in facts(), numbers in 0u32..3) {
        let mut record = ResetRecord::new_zeroed();
        record.key.evidence = facts.bits.0;
        record.evidence.segment_bytes = numbers;
        record.evidence.unread_bytes = numbers;
        record.evidence.unacked_bytes = numbers;
        record.evidence.bytes_received = u64::from(numbers);
        record.evidence.role = facts.bits.role().map_or(0, |role| role as u8 + 1);
        let clock = Clock::new(SystemTime::UNIX_EPOCH + Duration::from_hours(1), Duration::ZERO);
        let mut reset = Reset::decode(&record, &Reasons::from_variants([]), clock);
        (reset.direction, reset.reason, reset.state, reset.socket) =
            (facts.direction, facts.reason.clone(), facts.state, facts.socket);
        prop_assert_eq!(&Facts::from_reset(&reset), &facts);
        let sentence = sentence::evidence(&reset, &judge(&facts));
        for wrong in ["a ACK", " 1 bytes", "  ", " ,", " ;"] {
            prop_assert!(!sentence.contains(wrong), "{sentence}");
        }
    }
}

/// A walk over keys that covers the small sets entirely: every closed value with every single and every pair of bits.
#[test]
fn pairs_of_facts_have_a_verdict_that_the_catalogue_knows() {
    let mut rules_met: BTreeMap<&str, u64> = BTreeMap::new();
    let mut levels: HashSet<(Cause, Confidence)> = HashSet::new();
    let bits: Vec<u64> = BIT_NAMES.iter().map(|(bit, _)| *bit).collect();
    let in_states = [
        None,
        Some(State::Established),
        Some(State::CloseWait),
        Some(State::FinWait2),
        Some(State::Listen),
        Some(State::SynSent),
    ];
    for reason in reasons() {
        let reason = Reason::new(reason);
        for socket in [SocketKind::None, SocketKind::Full, SocketKind::TimeWait] {
            for state in in_states {
                for (index, first) in bits.iter().enumerate() {
                    for second in &bits[index..] {
                        for role in 0..4 {
                            let closed = closed(role, 3, 0, 0);
                            let facts = Facts {
                                direction: Direction::Sent,
                                reason: reason.clone(),
                                state,
                                socket,
                                bits: Bits(closed | first | second),
                            };
                            let judgement = judge(&facts);
                            levels.insert((judgement.cause, judgement.confidence));
                            *rules_met.entry(judgement.rule).or_default() += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(rules_met.len() > 20, "{rules_met:?}");
    for (cause, confidence) in levels {
        let stated = cause.entry().how_known.levels.iter().any(|level| level.confidence == confidence);
        assert!(stated, "{cause} does not say when it is {confidence}");
    }
}

#[test]
fn rules_have_names_of_their_own_and_every_cause_has_a_rule() {
    let rules = || sent::RULES.iter().chain(received::RULES);
    let names: BTreeSet<&str> = rules().map(|rule: &Rule| rule.name).collect();
    assert_eq!(names.len(), rules().count());
    for name in names {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'), "{name}");
    }
    for cause in Cause::ALL.iter().filter(|cause| **cause != Cause::Unexplained) {
        let directions = cause.entry().directions;
        // A received reset that the peer never sent is proved by what the peer writes afterwards, so by a sent one.
        let received_rule = directions.received() && *cause != Cause::CutOnThePath;
        assert_eq!(sent::RULES.iter().any(|rule| rule.cause == *cause), directions.sent(), "{cause}");
        assert_eq!(received::RULES.iter().any(|rule| rule.cause == *cause), received_rule, "{cause}");
    }
}
