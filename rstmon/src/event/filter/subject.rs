//! What a filter looks at: an event, or a count, which has no addresses.

use crate::{
    event::{Event, snapshot::SeriesCount},
    explain::{Cause, Severity},
    model::{Direction, Family},
};
use std::net::IpAddr;

/// What a filter looks at. What is not known is `None` and matches no value.
pub(crate) trait Subject {
    /// Comm of the owner.
    fn process(&self) -> Option<&str>;
    /// systemd unit of the owner.
    fn unit(&self) -> Option<&str>;
    /// Container of the owner: its id, or the first 12 characters of it.
    fn container(&self) -> Option<&str>;
    /// Service port.
    fn port(&self) -> Option<u16>;
    /// Why.
    fn cause(&self) -> Option<Cause>;
    /// The kernel's reason.
    fn reason(&self) -> &str;
    /// Which way.
    fn direction(&self) -> Direction;
    /// IP version.
    fn family(&self) -> Option<Family>;
    /// Address on this host.
    fn local(&self) -> Option<IpAddr>;
    /// Address of the other end.
    fn remote(&self) -> Option<IpAddr>;
    /// How bad.
    fn severity(&self) -> Option<Severity>;
}

impl Subject for Event {
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

    fn cause(&self) -> Option<Cause> {
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

/// A count has no addresses: ask [`is_about_addresses`](super::Filter::is_about_addresses) before counts are filtered.
impl Subject for SeriesCount {
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

    fn cause(&self) -> Option<Cause> {
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
        self.cause.map(|cause| cause.entry().severity)
    }
}
