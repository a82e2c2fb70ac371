//! Record -> [`Reset`]. A sentinel in the record becomes `None`.

use super::{
    Bits, Direction, Evidence, Family, Owner, Provenance, Reasons, Reset, Role, SocketKind, State, Wire,
    evidence::known, text,
};
use rstmon_common::{CountKey, ResetRecord};
use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::{Duration, SystemTime},
};

/// Turns the kernel's boot clock into wall-clock time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    boot: SystemTime,
}

impl Clock {
    /// A clock from a wall-clock time and the boot clock at the same moment.
    #[must_use]
    pub(crate) fn new(wall: SystemTime, since_boot: Duration) -> Self {
        Self { boot: wall.checked_sub(since_boot).unwrap_or(SystemTime::UNIX_EPOCH) }
    }

    /// Wall-clock time of a moment on the boot clock.
    #[must_use]
    pub(crate) fn at(&self, boot_time: Duration) -> SystemTime {
        self.boot.checked_add(boot_time).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

impl Reset {
    #[must_use]
    pub(crate) fn decode(record: &ResetRecord, reasons: &Reasons, clock: Clock) -> Self {
        // Exhaustive, so that a new field does not compile until it is decoded here.
        let ResetRecord {
            key,
            time_ns,
            owner_start_ns,
            evidence,
            local,
            remote,
            netns,
            tgid,
            uid,
            local_port,
            remote_port,
            wire,
        } = *record;

        let boot_time = Duration::from_nanos(time_ns);
        Self {
            time: clock.at(boot_time),
            direction: Direction::from_record(key.direction).unwrap_or(Direction::Sent),
            reason: reasons.get(key.reason).clone(),
            state: State::from_record(key.state),
            socket: SocketKind::from_record(key.socket).unwrap_or(SocketKind::None),
            family: Family::from_record(key.family),
            local: SocketAddr::new(address(local), local_port),
            remote: SocketAddr::new(address(remote), remote_port),
            service_port: (key.service_port != 0).then_some(key.service_port),
            role: Role::from_record(evidence.role),
            netns: (netns != 0).then_some(netns),
            uid: known(uid),
            owner: owner(key, tgid, owner_start_ns),
            cgroup: key.cgroup,
            bits: Bits(key.evidence),
            evidence: Evidence::decode(&evidence, State::from_record(key.state), time_ns),
            wire: Wire::decode(wire, key.direction),
            boot_time,
        }
    }
}

/// The owner in a record, which has a pid or at least a name with a provenance.
fn owner(key: CountKey, tgid: u32, start_ns: u64) -> Option<Owner> {
    let pid = (tgid != 0).then_some(tgid);
    let provenance = Provenance::from_record(key.provenance);
    let process = text::comm(&key.comm);
    let named = process.is_some() && provenance != Provenance::None;
    (pid.is_some() || named).then(|| Owner { pid, start_ns, process: process.unwrap_or_default(), provenance })
}

fn address(bytes: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(bytes).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::{Clock, Reset};
    use crate::model::{Direction, Family, Provenance, Reasons, State};
    use rstmon_common::{ResetRecord, limits::ABSENT_U32};
    use std::time::{Duration, SystemTime};
    use zerocopy::FromZeros;

    fn record() -> ResetRecord {
        let mut record = ResetRecord::new_zeroed();
        record.key.family = 4;
        record.key.state = 8;
        record.key.direction = 1;
        record.key.provenance = 4;
        record.key.comm[..4].copy_from_slice(b"java");
        record.tgid = 4711;
        record.time_ns = 5_000_000_000;
        record.evidence.established_ns = 2_000_000_000;
        record.local = *b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\x01";
        record.local_port = 8080;
        record.evidence.send_idle_ms = 1500;
        record.evidence.unread_bytes = ABSENT_U32;
        record
    }

    fn decode(record: &ResetRecord) -> Reset {
        let clock = Clock::new(SystemTime::UNIX_EPOCH + Duration::from_secs(100), Duration::from_secs(10));
        Reset::decode(record, &Reasons::from_variants([]), clock)
    }

    #[test]
    fn a_record_is_decoded_field_by_field() {
        let reset = decode(&record());
        assert_eq!(reset.direction, Direction::Received);
        assert_eq!(reset.family, Some(Family::Ipv4));
        assert_eq!(reset.state, Some(State::CloseWait));
        assert_eq!(reset.local.to_string(), "127.0.0.1:8080");
        assert_eq!(reset.time, SystemTime::UNIX_EPOCH + Duration::from_secs(95));
        assert_eq!(reset.evidence.age, Some(Duration::from_secs(3)));
        assert_eq!(reset.evidence.send_idle, Some(Duration::from_millis(1500)));
        let owner = reset.owner.expect("an owner");
        assert_eq!((owner.pid, owner.process.as_str(), owner.provenance), (Some(4711), "java", Provenance::Used));
    }

    #[test]
    fn what_is_not_known_is_absent() {
        let mut unowned = record();
        unowned.tgid = 0;
        unowned.key.provenance = 0;
        unowned.evidence.established_ns = 0;
        let reset = decode(&unowned);
        assert_eq!(reset.owner, None);
        assert_eq!(reset.evidence.age, None);
        assert_eq!(reset.evidence.unread_bytes, None);
        assert_eq!(reset.evidence.closed_ago, None);
        assert_eq!(reset.netns, None);
    }

    #[test]
    fn an_owner_may_have_a_name_only() {
        let mut nameless = record();
        nameless.tgid = 0;
        let owner = decode(&nameless).owner.expect("a name");
        assert_eq!((owner.pid, owner.process.as_str()), (None, "java"));
        nameless.key.comm = [0; 16];
        assert_eq!(decode(&nameless).owner, None);
    }

    #[test]
    fn a_record_of_garbage_still_decodes() {
        let mut garbage = ResetRecord::new_zeroed();
        zerocopy::IntoBytes::as_mut_bytes(&mut garbage).fill(0xff);
        let reset = decode(&garbage);
        assert_eq!((reset.state, reset.family, reset.role), (None, None, None));
    }
}
