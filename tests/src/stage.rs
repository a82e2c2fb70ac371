//! Where a scenario plays: which namespaces, which addresses.

use crate::{
    actor::Actor,
    machine::Machine,
    netns::{self, NetNs, Place},
};
use anyhow::Result;
use rustix::net::{AddressFamily, SocketType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Which IP the two ends speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4 at both ends.
    V4,
    /// IPv6 at both ends.
    V6,
    /// An IPv4 client of a server whose socket is IPv6: what the wire carries is IPv4.
    Mapped,
}

/// The ground of a scenario: a place and an address for either end.
#[derive(Debug)]
pub struct Stage {
    server: (Place, IpAddr),
    client: (Place, IpAddr),
    family: Family,
    _machine: Machine,
}

impl Stage {
    /// Loopback of the namespace that the tests run in.
    ///
    /// # Errors
    /// When the machine cannot be locked.
    pub fn host(family: Family) -> Result<Self> {
        Ok(Self::alone(Place::Host, family, Machine::shared()?))
    }

    /// Loopback of a namespace of its own, so that its counters and sysctls are this scenario's.
    ///
    /// # Errors
    /// When the namespace cannot be made.
    pub fn loopback(family: Family) -> Result<Self> {
        Ok(Self::alone(Place::In(NetNs::new()?), family, Machine::shared()?))
    }

    /// Loopback of a namespace of its own, with nobody else at work on the machine.
    ///
    /// # Errors
    /// When the namespace cannot be made.
    pub fn undisturbed(family: Family) -> Result<Self> {
        let machine = Machine::exclusive()?;
        Ok(Self::alone(Place::In(NetNs::new()?), family, machine))
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
            server: (Place::In(server), address(1)),
            client: (Place::In(client), address(2)),
            family,
            _machine: Machine::shared()?,
        })
    }

    fn alone(place: Place, family: Family, machine: Machine) -> Self {
        let address = match family {
            Family::V6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
            Family::V4 | Family::Mapped => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        Self { server: (place.clone(), address), client: (place, address), family, _machine: machine }
    }

    /// The server's namespace.
    #[must_use]
    pub fn server(&self) -> &Place {
        &self.server.0
    }

    /// The client's namespace, on loopback the same.
    #[must_use]
    pub fn client(&self) -> &Place {
        &self.client.0
    }

    /// Which IP is spoken.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// The server's address as the client dials it.
    #[must_use]
    pub fn server_address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.server.1, port)
    }

    /// The client's address.
    #[must_use]
    pub fn client_address(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.client.1, port)
    }

    /// What the server binds to: for mapped traffic every address.
    #[must_use]
    pub fn listen_address(&self) -> SocketAddr {
        match self.family {
            Family::Mapped => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0),
            Family::V4 | Family::V6 => self.server_address(0),
        }
    }

    /// The kind of socket the server opens, in the actors' words.
    #[must_use]
    pub fn server_socket(&self) -> &'static str {
        if self.family == Family::V4 { "v4" } else { "v6" }
    }

    /// The kind of socket the client opens.
    #[must_use]
    pub fn client_socket(&self) -> &'static str {
        if self.family == Family::V6 { "v6" } else { "v4" }
    }

    /// A process at the server's end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn server_actor(&self, comm: &str) -> Result<Actor> {
        Actor::spawn(self.server(), comm)
    }

    /// A process at the client's end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn client_actor(&self, comm: &str) -> Result<Actor> {
        Actor::spawn(self.client(), comm)
    }

    /// A port at the server's end where nobody listens: taken and given back.
    ///
    /// # Errors
    /// When no socket can be bound.
    pub fn closed_port(&self) -> Result<u16> {
        let address = self.server_address(0);
        // Bound only: a port that had a listener would have a last owner.
        self.server().run(|| {
            let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
            let socket = rustix::net::socket(family, SocketType::STREAM, None)?;
            rustix::net::bind(&socket, &address)?;
            Ok(SocketAddr::try_from(rustix::net::getsockname(&socket)?)?.port())
        })?
    }
}
