//! The values that a filter tests, for events and for counts. Counts have no addresses.

use crate::{
    event::{Event, snapshot::SeriesCount},
    explain::{CauseId, Severity},
    model::{Direction, Family},
};
use std::net::IpAddr;

/// A value that is not known is `None` and matches no value of a filter.
pub(crate) trait FilterSubject {
    fn process(&self) -> Option<&str>;
    fn unit(&self) -> Option<&str>;
    /// Id of the owner's container, or the first 12 characters of it.
    fn container(&self) -> Option<&str>;
    /// The port that names the service.
    fn port(&self) -> Option<u16>;
    fn cause(&self) -> Option<CauseId>;
    fn reason(&self) -> &str;
    fn direction(&self) -> Direction;
    fn family(&self) -> Option<Family>;
    /// Address of the end on this host.
    fn local(&self) -> Option<IpAddr>;
    fn remote(&self) -> Option<IpAddr>;
    fn severity(&self) -> Option<Severity>;
}

impl FilterSubject for Event {
    fn process(&self) -> Option<&str> {
        self.process()
    }

    fn unit(&self) -> Option<&str> {
        self.unit()
    }

    fn container(&self) -> Option<&str> {
        self.container()
    }

    fn port(&self) -> Option<u16> {
        self.service_port
    }

    fn cause(&self) -> Option<CauseId> {
        Some(self.cause)
    }

    fn reason(&self) -> &str {
        self.reason.as_str()
    }

    fn direction(&self) -> Direction {
        self.direction
    }

    fn family(&self) -> Option<Family> {
        self.family
    }

    fn local(&self) -> Option<IpAddr> {
        Some(self.local.address)
    }

    fn remote(&self) -> Option<IpAddr> {
        Some(self.remote.address)
    }

    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }
}

/// A count has no addresses: check [`is_about_addresses`](super::Filter::is_about_addresses) before filtering counts.
impl FilterSubject for SeriesCount {
    fn process(&self) -> Option<&str> {
        self.process.as_deref()
    }

    fn unit(&self) -> Option<&str> {
        self.unit.as_deref()
    }

    fn container(&self) -> Option<&str> {
        self.container.as_deref()
    }

    fn port(&self) -> Option<u16> {
        self.port
    }

    fn cause(&self) -> Option<CauseId> {
        self.cause
    }

    fn reason(&self) -> &str {
        &self.reason
    }

    fn direction(&self) -> Direction {
        self.direction
    }

    fn family(&self) -> Option<Family> {
        self.family
    }

    fn local(&self) -> Option<IpAddr> {
        None
    }

    fn remote(&self) -> Option<IpAddr> {
        None
    }

    fn severity(&self) -> Option<Severity> {
        self.severity.or_else(|| self.cause.map(|cause| cause.entry().severity))
    }
}
