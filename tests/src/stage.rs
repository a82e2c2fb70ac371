//! The namespaces and addresses of a scenario.

use crate::{
    actor::Actor,
    machine::MachineLock,
    netns::{self, NetNs, NetworkPlace},
};
use anyhow::Result;
use rustix::net::{AddressFamily, SocketType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The IP versions of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4 at both ends.
    V4,
    /// IPv6 at both ends.
    V6,
    /// An IPv4 client and a server with an IPv6 socket: the packets are IPv4.
    Mapped,
}

/// The namespaces and addresses of the two ends of a scenario.
#[derive(Debug)]
pub struct Stage {
    server: (NetworkPlace, IpAddr),
    client: (NetworkPlace, IpAddr),
    family: Family,
    _machine: MachineLock,
}

impl Stage {
    /// Loopback of the namespace that the tests run in.
    ///
    /// # Errors
    /// When the machine cannot be locked.
    pub fn host(family: Family) -> Result<Self> {
        Ok(Self::alone(NetworkPlace::Host, family, MachineLock::shared()?))
    }

    /// Loopback of a new namespace, whose counters and sysctls are not shared with other tests.
    ///
    /// # Errors
    /// When the namespace cannot be made.
    pub fn loopback(family: Family) -> Result<Self> {
        Ok(Self::alone(NetworkPlace::In(NetNs::new()?), family, MachineLock::shared()?))
    }

    /// Loopback of a new namespace, while no other test runs on this machine.
    ///
    /// # Errors
    /// When the namespace cannot be made.
    pub fn undisturbed(family: Family) -> Result<Self> {
        let machine = MachineLock::exclusive()?;
        Ok(Self::alone(NetworkPlace::In(NetNs::new()?), family, machine))
    }

    /// Two namespaces joined by a veth pair.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn joined(family: Family) -> Result<Self> {
        let (server, client) = netns::joined(&["192.0.2.1/24", "2001:db8::1/64"], &["192.0.2.2/24", "2001:db8::2/64"])?;
        let address = |last| match family {
            Family::V6 => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)),
            Family::V4 | Family::Mapped => IpAddr::V4(Ipv4Addr::new(192, 0, 2, last.to_be_bytes()[1])),
        };
        Ok(Self {
            server: (NetworkPlace::In(server), address(1)),
            client: (NetworkPlace::In(client), address(2)),
            family,
            _machine: MachineLock::shared()?,
        })
    }

    fn alone(place: NetworkPlace, family: Family, machine: MachineLock) -> Self {
        let address = match family {
            Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
            Family::V4 | Family::Mapped => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        Self { server: (place.clone(), address), client: (place, address), family, _machine: machine }
    }

    /// The server's namespace.
    #[must_use]
    pub fn server(&self) -> &NetworkPlace {
        &self.server.0
    }

    /// The client's namespace; the same as the server's on loopback.
    #[must_use]
    pub fn client(&self) -> &NetworkPlace {
        &self.client.0
    }

    /// The IP versions of the two ends.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The server's address as the client connects to it.
    #[must_use]
    pub fn server_address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.server.1, port)
    }

    /// The address that the client binds to.
    #[must_use]
    pub fn client_address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.client.1, port)
    }

    /// The address that the server binds to; the unspecified one for mapped traffic.
    #[must_use]
    pub(crate) fn listen_address(&self) -> SocketAddr {
        match self.family {
            Family::Mapped => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
            Family::V4 | Family::V6 => self.server_address(0),
        }
    }

    /// The kind of socket that the server opens, as the actors name it.
    #[must_use]
    pub(crate) fn server_socket(&self) -> &'static str {
        if self.family == Family::V4 { "v4" } else { "v6" }
    }

    /// The kind of socket that the client opens, as the actors name it.
    #[must_use]
    pub fn client_socket(&self) -> &'static str {
        if self.family == Family::V6 { "v6" } else { "v4" }
    }

    /// Starts an actor in the server's namespace.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn server_actor(&self, comm: &str) -> Result<Actor> {
        Actor::spawn(self.server(), comm)
    }

    /// Starts an actor in the client's namespace.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn client_actor(&self, comm: &str) -> Result<Actor> {
        Actor::spawn(self.client(), comm)
    }

    /// A port of the server's address on which nothing listens.
    ///
    /// # Errors
    /// When no socket can be bound.
    pub fn closed_port(&self) -> Result<u16> {
        let address = self.server_address(0);
        // It is only bound: a port that had a listener would have a last owner.
        self.server().run(|| {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
            rustix::net::bind(&socket, &address)?;
            Ok(SocketAddr::try_from(rustix::net::getsockname(&socket)?)?.port())
        })?
    }
}
