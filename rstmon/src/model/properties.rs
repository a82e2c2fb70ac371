//! Bytes of the ring -> record -> reset. For any bytes, their number alone decides whether they are a record, and a
//! decoded reset has exactly the information of its record.

use crate::model::{Clock, Family, Provenance, Reasons, Reset, text};
use proptest::{prelude::*, sample::Index};
use rstmon_common::{
    Nudge, ResetRecord,
    key::provenance,
    limits::{ABSENT_U32, ABSENT_U64, REASON_UNSUPPORTED},
};
use std::{
    net::{IpAddr, Ipv6Addr},
    time::{Duration, SystemTime},
};
use zerocopy::{FromBytes as _, IntoBytes as _};

const BYTES: usize = size_of::<ResetRecord>();

fn reasons() -> Reasons {
    Reasons::from_variants([("SK_RST_REASON_NO_SOCKET", 1), ("SK_RST_REASON_TCP_ABORT_ON_CLOSE", 11)])
}

fn clock() -> Clock {
    Clock::new(SystemTime::UNIX_EPOCH + Duration::from_hours(500_000), Duration::from_hours(240))
}

/// Bytes of a record: random ones, or those of a blank record with up to 40 changes.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let blank = prop::collection::vec((any::<Index>(), any::<u8>()), 0..40).prop_map(|changes| {
        let mut bytes = ResetRecord::BLANK.as_bytes().to_vec();
        for (index, byte) in changes {
            bytes[index.index(BYTES)] = byte;
        }
        bytes
    });
    prop_oneof![prop::collection::vec(any::<u8>(), BYTES), blank]
}

/// The inverse of decoding. An absent number is written as its sentinel; texts are those of `like`.
fn encode(reset: &Reset, like: &ResetRecord) -> ResetRecord {
    let number = |number: Option<u32>| number.unwrap_or(ABSENT_U32);
    let millis = |time: Option<Duration>| time.map_or(ABSENT_U32, |time| u32::try_from(time.as_millis()).expect("ms"));
    let before = |ago: Option<Duration>, as_was: u64| {
        let at = ago.map_or(0, |ago| like.time_ns - u64::try_from(ago.as_nanos()).expect("ns"));
        // A time after the reset is decoded as zero time ago.
        if as_was > like.time_ns && ago == Some(Duration::ZERO) { as_was } else { at }
    };
    let address = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    let mut record = *like;
    let evidence = &reset.evidence;
    record.time_ns = u64::try_from(reset.boot_time.as_nanos()).expect("ns");
    record.key.service_port = reset.service_port.unwrap_or(0);
    record.key.cgroup = reset.cgroup;
    record.key.evidence = reset.bits.0;
    record.local = address(reset.local.ip());
    record.remote = address(reset.remote.ip());
    (record.local_port, record.remote_port) = (reset.local.port(), reset.remote.port());
    record.netns = reset.netns.unwrap_or(0);
    record.uid = number(reset.uid);
    record.tgid = reset.owner.as_ref().map_or(0, |owner| owner.pid.unwrap_or(0));
    if let Some(owner) = &reset.owner {
        record.owner_start_ns = owner.start_ns;
    }
    record.evidence.established_ns = before(evidence.age, like.evidence.established_ns);
    record.evidence.closed_ns = before(evidence.closed_ago, like.evidence.closed_ns);
    record.evidence.send_idle_ms = millis(evidence.send_idle);
    record.evidence.receive_idle_ms = millis(evidence.receive_idle);
    record.evidence.silent_ms = millis(evidence.silent.or(evidence.queue_full_ago));
    record.evidence.idle_before_close_ms = millis(evidence.idle_before_close);
    record.evidence.unread_bytes = number(evidence.unread_bytes);
    record.evidence.unsent_bytes = number(evidence.unsent_bytes);
    record.evidence.unacked_bytes = number(evidence.unacked_bytes);
    record.evidence.after_fin_bytes = number(evidence.after_fin_bytes);
    record.evidence.segment_bytes = number(evidence.segment_bytes);
    record.evidence.bytes_sent = evidence.sent_bytes.unwrap_or(ABSENT_U64);
    record.evidence.bytes_received = evidence.received_bytes.unwrap_or(ABSENT_U64);
    record.evidence.backlog = number(evidence.backlog);
    record.evidence.backlog_limit = number(evidence.backlog_limit);
    record.evidence.rtt_us = evidence.rtt.map_or(ABSENT_U32, |rtt| u32::try_from(rtt.as_micros()).expect("us"));
    record.evidence.retransmits = number(evidence.retransmits);
    record.evidence.probes = evidence.probes;
    record.evidence.exit_signal = evidence.exit_signal.unwrap_or(0);
    record
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// The ring's reader distinguishes records and nudges by their sizes.
    #[test]
    fn only_the_right_number_of_bytes_is_a_record(bytes in prop::collection::vec(any::<u8>(), 0..2 * BYTES)) {
        let record = ResetRecord::read_from_bytes(&bytes).ok();
        prop_assert_eq!(record.is_some(), bytes.len() == BYTES);
        prop_assert!(record.is_none_or(|record| record.as_bytes() == bytes));
        prop_assert_eq!(Nudge::read_from_bytes(&bytes).is_ok(), bytes.len() == size_of::<Nudge>());
        prop_assert_ne!(BYTES, size_of::<Nudge>());
    }

    #[test]
    fn a_record_goes_through_bytes_unchanged(bytes in bytes()) {
        let record = ResetRecord::read_from_bytes(&bytes).expect("as many bytes as a record has");
        prop_assert_eq!(record.as_bytes(), &bytes[..]);
    }

    #[test]
    fn a_reset_has_the_information_of_its_record(bytes in bytes()) {
        let record = ResetRecord::read_from_bytes(&bytes).expect("as many bytes as a record has");
        let reset = Reset::decode(&record, &reasons(), clock());
        let encoded = encode(&reset, &record);
        prop_assert_eq!(encoded.as_bytes(), &bytes[..], "{:?}", reset);
    }

    /// Closed sets: a number of the set becomes its word, any other number becomes `None`.
    #[test]
    fn numbers_become_their_words_and_no_others(bytes in bytes()) {
        let record = ResetRecord::read_from_bytes(&bytes).expect("as many bytes as a record has");
        let reset = Reset::decode(&record, &reasons(), clock());
        prop_assert_eq!(reset.state.is_some(), (1..=12).contains(&record.key.state));
        prop_assert_eq!(reset.state.map(|state| state as u8 + 1), reset.state.map(|_| record.key.state));
        prop_assert_eq!(reset.family.map(Family::as_str), match record.key.family {
            4 => Some("ipv4"),
            6 => Some("ipv6"),
            _ => None,
        });
        prop_assert_eq!(reset.role.is_some(), (1..=3).contains(&record.evidence.role));
        prop_assert_eq!(&reset.reason, &reasons().get(record.key.reason.min(REASON_UNSUPPORTED)).clone());
        if let Some(owner) = &reset.owner {
            let known = (provenance::CURRENT..=provenance::TOMBSTONE).contains(&record.key.provenance);
            prop_assert_eq!(owner.provenance != Provenance::None, known);
            prop_assert!(!owner.process.contains(text::is_unsafe), "{:?}", owner.process);
            prop_assert_eq!(&owner.process, &text::comm(&record.key.comm).unwrap_or_default());
        }
    }

    /// A later time on the boot clock makes the wall-clock time later by the same duration.
    #[test]
    fn the_wall_clock_is_the_boot_clock_shifted(time_ns in 0..1u64 << 60, by in 0u64..1 << 40) {
        let mut record = ResetRecord::BLANK;
        record.time_ns = time_ns;
        record.remote = Ipv6Addr::LOCALHOST.octets();
        let early = Reset::decode(&record, &reasons(), clock());
        record.time_ns += by;
        let late = Reset::decode(&record, &reasons(), clock());
        prop_assert_eq!(late.time.duration_since(early.time).expect("later"), Duration::from_nanos(by));
    }
}
