//! Rules of a namespace's packet filter that are removed on drop.

use crate::netns::NetworkPlace;
use anyhow::Result;
use std::net::SocketAddr;

/// A rule for the IPv4 segments that arrive in a namespace and match it.
#[derive(Debug)]
#[must_use = "the rule is removed when this is dropped"]
pub struct Firewall {
    place: NetworkPlace,
    rule: String,
}

impl Firewall {
    /// Drops arriving TCP segments that match `matching` (`--dport 80 --tcp-flags RST RST`).
    ///
    /// # Errors
    /// When iptables is missing or refuses the rule.
    pub fn dropping(place: &NetworkPlace, matching: &str) -> Result<Self> {
        Self::add(place, format!("INPUT -p tcp {matching} -j DROP"))
    }

    /// Answers arriving TCP segments that match with a reset of the filter's own.
    ///
    /// # Errors
    /// As [`Firewall::dropping`].
    pub fn rejecting(place: &NetworkPlace, matching: &str) -> Result<Self> {
        Self::add(place, format!("INPUT -p tcp {matching} -j REJECT --reject-with tcp-reset"))
    }

    /// Sends what this namespace's processes send to the port `from` of an address to its port `to` instead.
    ///
    /// # Errors
    /// As [`Firewall::dropping`].
    pub fn translating(place: &NetworkPlace, from: SocketAddr, to: u16) -> Result<Self> {
        let (ip, from) = (from.ip(), from.port());
        Self::add(place, format!("OUTPUT -t nat -p tcp -d {ip} --dport {from} -j DNAT --to-destination {ip}:{to}"))
    }

    fn add(place: &NetworkPlace, rule: String) -> Result<Self> {
        place.tool(&format!("iptables -w -A {rule}"))?;
        Ok(Self { place: place.clone(), rule })
    }
}

impl Drop for Firewall {
    fn drop(&mut self) {
        let _ = self.place.tool(&format!("iptables -w -D {}", self.rule));
    }
}
