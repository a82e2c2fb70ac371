//! Records of the ring buffer, including ones that the kernel half never writes.
//!
//! The input is split into records. An incomplete last one is filled up, so that inputs stay valid if a field is added.
//!
//! Holds: any record decodes to a reset; its cause is in the catalogue, also by the rules for its counting key; its
//! event survives JSON unchanged; no text in it can break a line or a terminal; joining loses no events.

use super::replay::check_event;
use crate::{
    event::{Event, join},
    explain::{Cause, Facts, Verdict, rules},
    model::{Clock, Reasons, Reset},
};
use rstmon_common::ResetRecord;
use std::time::{Duration, Instant, SystemTime};
use zerocopy::{FromBytes as _, IntoBytes as _};

/// Records beyond this number in one input reach no new code.
const RECORDS: usize = 16;

/// A kernel's names of some reasons; other numbers have no name.
const REASONS: [(&str, i64); 12] = [
    ("SK_RST_REASON_NOT_SPECIFIED", 0),
    ("SK_RST_REASON_NO_SOCKET", 1),
    ("SK_RST_REASON_TCP_INVALID_ACK_SEQUENCE", 2),
    ("SK_RST_REASON_INVALID_SYN", 9),
    ("SK_RST_REASON_TCP_ABORT_ON_CLOSE", 10),
    ("SK_RST_REASON_TCP_ABORT_ON_LINGER", 11),
    ("SK_RST_REASON_TCP_ABORT_ON_MEMORY", 12),
    ("SK_RST_REASON_TCP_STATE", 13),
    ("SK_RST_REASON_TCP_KEEPALIVE_TIMEOUT", 14),
    ("SK_RST_REASON_TCP_TIMEWAIT_SOCKET", 15),
    ("SK_RST_REASON_TCP_DISCONNECT_WITH_DATA", 16),
    ("SK_RST_REASON_MPTCP_RST_EMPTCP", 17),
];

/// Decodes, explains and joins the records.
pub(crate) fn run(bytes: &[u8]) {
    let reasons = Reasons::from_variants(REASONS);
    let clock = Clock::new(SystemTime::UNIX_EPOCH + Duration::from_hours(500_000), Duration::from_hours(240));
    let now = Instant::now();
    let (mut joiner, mut events) = (join::Joiner::default(), Vec::new());
    let records = bytes.chunks(size_of::<ResetRecord>()).take(RECORDS).map(record);
    let expected = records.fold(0, |count, record| {
        joiner.push(explain(&record, &reasons, clock), now, |event| events.push(event));
        count + 1
    });
    joiner.expire(now + join::WAIT, |event| events.push(event));
    assert_eq!(events.len(), expected, "events after joining");
    events.iter().for_each(check_event);
}

/// Copies the bytes over a blank record. A whole record is parsed as one from the ring is.
fn record(bytes: &[u8]) -> ResetRecord {
    ResetRecord::read_from_bytes(bytes).unwrap_or_else(|_| {
        let mut record = ResetRecord::BLANK;
        record.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        record
    })
}

fn explain(record: &ResetRecord, reasons: &Reasons, clock: Clock) -> Event {
    let reset = Reset::decode(record, reasons, clock);
    let verdict = Verdict::on(&reset);
    let facts = Facts::from_key(&record.key, reasons);
    assert_eq!(facts, Facts::from_reset(&reset), "the event and the count have different facts");
    let judgement = rules::judge(&facts);
    assert_eq!(
        (judgement.rule, judgement.cause, judgement.confidence, judgement.severity),
        (verdict.rule, verdict.cause, verdict.confidence, verdict.severity),
        "the event and the count have different verdicts"
    );
    assert!(Cause::ALL.contains(&verdict.cause), "{verdict:?}");
    let event = Event::new(&reset, None, verdict);
    check_event(&event);
    event
}
