//! Sentences of typical resets.

use super::{duration, evidence};
use crate::{
    explain::{Facts, rules},
    model::{Clock, Reasons, Reset},
};
use rstmon_common::{
    CountKey, EvidenceRecord, ResetRecord,
    evidence::{
        ACTIVE, ANSWERED, ATTACHED, CLOSED_HERE, CLOSED_RECENTLY, LAST_WORD, LINGER_ZERO, LISTENER_WAS_FULL, LOCKED,
        PEER_FIN, SEGMENT_ACK, SEGMENT_DATA, SEGMENT_FIN, SEGMENT_LARGE, SHUT_RECEIVE, SHUT_SEND, TOMBSTONE, UNACKED,
        UNSENT_AT_CLOSE, ended, means, phase, with_ended, with_means, with_phase, with_role,
    },
    key::{direction, role, socket, state},
};
use std::time::{Duration, SystemTime};

const MS: u64 = 1_000_000;

/// A reset of `web[7]` on 10.0.0.1:80, ten seconds after the handshake.
fn record(role: u8, phase: u8, bits: u64) -> ResetRecord {
    let address = |last| [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, last];
    let mut key = CountKey { evidence: with_phase(with_role(bits, role), phase), ..ResetRecord::BLANK.key };
    key.comm[..3].copy_from_slice(b"web");
    ResetRecord {
        key,
        time_ns: 20_000 * MS,
        evidence: EvidenceRecord { role, established_ns: 10_000 * MS, ..EvidenceRecord::UNKNOWN },
        local: address(1),
        local_port: 80,
        remote: address(2),
        remote_port: 4000,
        tgid: 7,
        ..ResetRecord::BLANK
    }
}

/// A segment of 86 bytes, `ago_ms` after the close.
fn late(role: u8, phase: u8, bits: u64, ago_ms: u64, end: u8) -> ResetRecord {
    let closed = TOMBSTONE | CLOSED_HERE | SEGMENT_ACK | SEGMENT_DATA | SEGMENT_LARGE;
    let mut late = record(role, phase, with_ended(with_means(bits | closed, means::CLOSE), end));
    late.key.socket = socket::NONE;
    late.evidence.closed_ns = late.time_ns - ago_ms * MS;
    late.evidence.segment_bytes = 86;
    (late.evidence.bytes_sent, late.evidence.bytes_received) = (348, 100_054);
    late
}

fn received(role: u8, phase: u8, bits: u64) -> ResetRecord {
    let mut received = record(role, phase, bits);
    (received.key.direction, received.key.state, received.key.socket) =
        (direction::RECEIVED, state::ESTABLISHED, socket::FULL);
    (received.evidence.bytes_sent, received.evidence.bytes_received) = (348, 100_054);
    received
}

fn sentence(record: &ResetRecord) -> String {
    let clock = Clock::new(SystemTime::UNIX_EPOCH + Duration::from_hours(1), Duration::ZERO);
    let reset = Reset::decode(record, &Reasons::from_variants([("SK_RST_REASON_NOT_SPECIFIED", 0)]), clock);
    evidence(&reset, &rules::judge(&Facts::from_reset(&reset)))
}

#[test]
fn a_race_says_how_long_the_connection_was_idle_and_what_was_answered() {
    let mut race = late(role::ACCEPTED, phase::IDLE, ANSWERED | CLOSED_RECENTLY, 41, ended::FINS);
    race.evidence.idle_before_close_ms = 20_000;
    assert_eq!(
        sentence(&race),
        "web[7] closed the connection 41 ms before, idle for 20.0 s; the client then wrote 86 bytes (answered 348 bytes \
         after 100,054 received)"
    );
    race.key.evidence |= LAST_WORD;
    assert!(
        sentence(&race).contains("idle for 20.0 s but for a last word of its own; the client"),
        "{}",
        sentence(&race)
    );
}

#[test]
fn a_client_that_gave_up_says_how_long_it_had_waited() {
    let mut late = late(role::OPENED, phase::REQUEST, 0, 400, ended::FINS);
    late.evidence.idle_before_close_ms = 1000;
    (late.evidence.bytes_sent, late.evidence.bytes_received) = (1, 0);
    assert_eq!(
        sentence(&late),
        "web[7] gave up after 1.0 s without an answer; the server wrote 86 bytes 400 ms later (1 byte sent, 0 received \
         before)"
    );
}

#[test]
fn a_lost_answer_says_how_much_was_unsent() {
    let mut lost = late(role::ACCEPTED, phase::ANSWER, UNSENT_AT_CLOSE, 3, ended::FINS);
    lost.evidence.unsent_bytes = 967_232;
    assert!(sentence(&lost).starts_with("web[7] closed the connection 3 ms before with 967,232 bytes still unsent; "));
}

#[test]
fn a_killed_server_names_the_signal() {
    let mut killed = late(role::ACCEPTED, phase::IDLE, ANSWERED, 400, ended::FINS);
    killed.key.evidence = with_means(killed.key.evidence, means::SIGNAL);
    killed.evidence.exit_signal = 9;
    killed.evidence.idle_before_close_ms = 5000;
    assert!(
        sentence(&killed)
            .starts_with("web[7] was ended by SIGKILL 400 ms before and left the connection, idle for 5.0 s"),
        "{}",
        sentence(&killed)
    );
}

#[test]
fn an_echo_and_a_connection_given_up_say_when_it_ended() {
    let echo = late(role::ACCEPTED, phase::IDLE, 0, 2, ended::RESET_SENT);
    let expected =
        "a reset of this host had ended the connection of web[7] 2 ms before; after that 10.0.0.2:4000 wrote 86 bytes";
    assert_eq!(sentence(&echo), expected);
    let given_up = late(role::OPENED, phase::REQUEST, 0, 2000, ended::SILENT);
    assert!(sentence(&given_up).contains("was given up 2.0 s before without FIN or reset"), "{}", sentence(&given_up));
}

#[test]
fn a_connection_given_up_says_that_it_had_been_quiet() {
    let mut given_up = late(role::OPENED, phase::REQUEST, 0, 2000, ended::SILENT);
    given_up.evidence.idle_before_close_ms = 7000;
    assert!(sentence(&given_up).contains("after a timeout, quiet for 7.0 s by then"), "{}", sentence(&given_up));
    given_up.evidence.idle_before_close_ms = 900;
    assert!(!sentence(&given_up).contains("quiet"), "{}", sentence(&given_up));
}

#[test]
fn a_fin_that_met_no_time_wait_says_so_only_where_there_should_be_one() {
    let fin = |bits, ago_ms, state| {
        let mut fin = late(role::ACCEPTED, phase::ANSWER, bits | SEGMENT_FIN, 0, ended::FINS);
        fin.time_ns += ago_ms * MS;
        fin.key.evidence &= !(SEGMENT_DATA | SEGMENT_LARGE);
        (fin.evidence.segment_bytes, fin.key.state) = (0, state);
        sentence(&fin).contains("tcp_max_tw_buckets")
    };
    assert!(fin(0, 100, 0) && fin(0, 100, state::LISTEN));
    assert!(!fin(0, 100, state::TIME_WAIT), "it met one");
    assert!(!fin(PEER_FIN, 100, 0), "the peer had closed first, and keeps it");
    assert!(!fin(0, 61_000, 0), "it is over");
}

#[test]
fn a_full_queue_says_when_it_was_full() {
    let mut late = record(role::LISTENER, phase::UNKNOWN, SEGMENT_ACK | SEGMENT_DATA | LISTENER_WAS_FULL);
    (late.key.state, late.key.socket) = (state::LISTEN, socket::FULL);
    (late.evidence.segment_bytes, late.evidence.silent_ms) = (9, 3100);
    assert_eq!(
        sentence(&late),
        "the accept queue of web[7] on port 80 was full 3.1 s before; 10.0.0.2:4000 sent an ACK with 9 bytes for a \
         connection that was dropped then"
    );
}

#[test]
fn an_abort_says_what_was_unread() {
    let close = ACTIVE | ATTACHED | LOCKED | SHUT_RECEIVE | SHUT_SEND | LINGER_ZERO;
    let mut abort = record(role::OPENED, phase::ANSWER, close);
    (abort.key.socket, abort.key.state) = (socket::FULL, state::ESTABLISHED);
    abort.evidence.unread_bytes = 1;
    assert_eq!(sentence(&abort), "web[7] closed the connection with SO_LINGER 0, 1 byte unread");
}

#[test]
fn a_request_that_was_reset_says_that_the_connection_had_been_quiet() {
    let mut reset = received(role::OPENED, phase::REQUEST, UNACKED);
    reset.evidence.unacked_bytes = 86;
    (reset.evidence.send_idle_ms, reset.evidence.receive_idle_ms) = (10, 7010);
    assert_eq!(
        sentence(&reset),
        "10.0.0.2:4000 reset the connection before it had answered the request of web[7], 86 bytes not acknowledged; the \
         connection had been quiet for 7.0 s before the request (348 bytes sent, 100,054 received before)"
    );
}

#[test]
fn durations_have_a_unit_and_at_most_one_decimal() {
    let cases = [
        (Duration::from_micros(50), "less than 1 ms"),
        (Duration::from_millis(41), "41 ms"),
        (Duration::from_secs(20), "20.0 s"),
        (Duration::from_secs(210), "3.5 min"),
        (Duration::from_hours(2), "2.0 h"),
    ];
    for (given, expected) in cases {
        assert_eq!(duration(given), expected);
    }
}
