//! Grouping: which resets make a row.

pub(crate) use crate::command::cli::Group;
use crate::{
    attribute::container,
    event::{Event, filter::FilterSubject, snapshot::SeriesCount},
    explain::{CauseId, Severity},
    model::{Direction, Family},
};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::IpAddr;

/// Prefix lengths of a peer network (IPv4, IPv6): the usual size of one site or one subscriber.
const NETWORK_BITS: (u8, u8) = (24, 64);

impl Group {
    /// All groupings in the order of the keys 1 to 6.
    pub(crate) const ALL: [Self; 6] = [Self::Who, Self::Cause, Self::Process, Self::Unit, Self::Port, Self::Network];

    #[must_use]
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Who => "who and why",
            Self::Cause => "cause",
            Self::Process => "process",
            Self::Unit => "unit",
            Self::Port => "port",
            Self::Network => "peer network",
        }
    }

    /// The next grouping; the first one follows the last.
    #[must_use]
    pub(crate) fn next(self) -> Self {
        let at = Self::ALL.iter().position(|group| *group == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// Counts have no addresses: only events can be grouped by them.
    #[must_use]
    pub(crate) fn needs_events(self) -> bool {
        self == Self::Network
    }
}

/// The row that a reset belongs to. A field is `None` if the grouping ignores it or its value is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RowKey {
    pub(crate) process: Option<String>,
    /// Unit of the owner, or its container if it is in no unit.
    pub(crate) place: Option<String>,
    /// The port that names the service.
    pub(crate) port: Option<u16>,
    pub(crate) direction: Option<Direction>,
    pub(crate) cause: Option<CauseId>,
    /// Network of the peer, /24 or /64.
    pub(crate) network: Option<IpNet>,
}

impl RowKey {
    /// The key of the row that an event or a count belongs to.
    #[must_use]
    pub(crate) fn of(subject: &impl FilterSubject, group: Group) -> Self {
        let process = || subject.process().map(str::to_owned);
        let place = || place(subject).map(str::to_owned);
        match group {
            Group::Who => Self {
                process: process(),
                place: place(),
                port: subject.port(),
                direction: Some(subject.direction()),
                cause: subject.cause(),
                network: None,
            },
            Group::Cause => Self { cause: subject.cause(), ..Self::default() },
            Group::Process => Self { process: process(), ..Self::default() },
            Group::Unit => Self { place: place(), ..Self::default() },
            Group::Port => Self { port: subject.port(), ..Self::default() },
            Group::Network => Self { network: subject.remote().map(network), ..Self::default() },
        }
    }
}

/// The unit, or else the first 12 characters of the container's id, which counts have as well.
pub(crate) fn place<S: FilterSubject + ?Sized>(subject: &S) -> Option<&str> {
    const SHORT: usize = 12;
    subject.unit().or_else(|| subject.container().map(|id| id.get(..SHORT).unwrap_or(id)))
}

fn network(address: IpAddr) -> IpNet {
    match address {
        IpAddr::V4(address) => Ipv4Net::new(address, NETWORK_BITS.0).map(|net| net.trunc().into()),
        IpAddr::V6(address) => Ipv6Net::new(address, NETWORK_BITS.1).map(|net| net.trunc().into()),
    }
    // Both lengths are within an address.
    .unwrap_or_else(|_| address.into())
}

/// The identity of a series: all its fields but the count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SeriesId {
    key: RowKey,
    severity: Option<Severity>,
    reason: String,
    container: Option<String>,
    family: Option<Family>,
}

impl SeriesId {
    #[must_use]
    pub(crate) fn of(series: &SeriesCount) -> Self {
        Self {
            key: RowKey::of(series, Group::Who),
            severity: series.severity(),
            reason: series.reason.clone(),
            container: series.container.clone(),
            family: series.family,
        }
    }

    /// The series that the reset of an event is counted in.
    #[must_use]
    pub(crate) fn of_event(event: &Event) -> Self {
        Self {
            key: RowKey::of(event, Group::Who),
            severity: Some(event.severity),
            reason: event.reason.as_str().to_owned(),
            container: event.container().map(|id| container::short(id).to_owned()),
            family: event.family,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, network};

    #[test]
    fn peers_are_grouped_by_what_a_site_usually_has() {
        let net = |address: &str| network(address.parse().expect("an address")).to_string();
        assert_eq!(net("10.1.2.3"), "10.1.2.0/24");
        assert_eq!(net("2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
    }

    #[test]
    fn next_passes_through_all_groupings() {
        let mut group = Group::Who;
        for expected in [Group::Cause, Group::Process, Group::Unit, Group::Port, Group::Network, Group::Who] {
            group = group.next();
            assert_eq!(group, expected);
        }
    }
}
