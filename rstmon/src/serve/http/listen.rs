//! `--web.listen-address`: from text to bound TCP listeners, in Go's notation as every exporter takes it.
//!
//! `:9100` is every address of the host, both families; a host name is resolved once, at start.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _},
    str::FromStr,
};
use tokio::net::{TcpListener, TcpSocket};

const FLAG: &str = "--web.listen-address";

/// Connections that may wait to be accepted. The default of 128 is too low: a slow-client attack would fill the queue,
/// and the kernel would drop a scraper's SYN.
const BACKLOG: u32 = 1024;

/// A parsed listen address; host names are not resolved yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListenAddress {
    /// `:port`.
    Any(u16),
    /// `address:port` or `[address]:port`.
    Socket(SocketAddr),
    /// `name:port`.
    Name(String, u16),
}

/// Why the server cannot listen. Each message is one line and ends with what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListenError {
    #[error("{text:?} is no listen address; write {FLAG} as host:port, [ipv6]:port or :port")]
    BadAddress { text: String },
    #[error("no address to listen on; give at least one with {FLAG}")]
    NoAddress,
    #[error("cannot resolve {name:?}; correct the name or write an IP address in {FLAG}")]
    Resolve {
        name: String,
        /// `None` when the name exists and has no address.
        source: Option<io::Error>,
    },
    #[error("{address} is in use: another process listens there; stop it or choose another with {FLAG}")]
    InUse { address: SocketAddr, source: io::Error },
    /// The port is below `net.ipv4.ip_unprivileged_port_start`, or a security module denies it.
    #[error("not allowed to listen on {address}; choose a port from 1024 up with {FLAG} or grant CAP_NET_BIND_SERVICE")]
    Denied { address: SocketAddr, source: io::Error },
    #[error("this host has no address {}; use one that `ip address` shows in {FLAG}", address.ip())]
    NotLocal { address: SocketAddr, source: io::Error },
    #[error("cannot listen on {address}: {source}; choose another with {FLAG}")]
    Other {
        address: SocketAddr,
        /// From socket(2), bind(2) or listen(2).
        source: io::Error,
    },
}

impl FromStr for ListenAddress {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let bad = || ListenError::BadAddress { text: text.to_owned() };
        if let Ok(address) = text.parse() {
            return Ok(Self::Socket(address));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(bad)?;
        let port = port.parse().map_err(|_| bad())?;
        let in_name = |character: char| character.is_ascii_alphanumeric() || "-._".contains(character);
        match host {
            "" => Ok(Self::Any(port)),
            // Only digits and dots: a mistyped IPv4 address, which the resolver need not be asked for.
            name if name.chars().all(|character| character.is_ascii_digit() || character == '.') => Err(bad()),
            name if name.chars().all(in_name) => Ok(Self::Name(name.to_owned(), port)),
            _ => Err(bad()),
        }
    }
}

impl ListenError {
    fn from_bind(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address, source },
            io::ErrorKind::PermissionDenied => Self::Denied { address, source },
            io::ErrorKind::AddrNotAvailable => Self::NotLocal { address, source },
            _ => Self::Other { address, source },
        }
    }
}

/// Binds all of `addresses`, or none: the first error is returned.
pub(crate) async fn bind_all(addresses: &[ListenAddress]) -> Result<Vec<TcpListener>, ListenError> {
    if addresses.is_empty() {
        return Err(ListenError::NoAddress);
    }
    let mut listeners = Vec::new();
    for address in addresses {
        match address {
            ListenAddress::Socket(address) => listeners.push(bind(*address)?),
            ListenAddress::Any(port) => listeners.push(bind_any(*port)?),
            ListenAddress::Name(name, port) => {
                for address in resolve(name, *port)? {
                    listeners.push(bind(address)?);
                }
            }
        }
    }
    Ok(listeners)
}

fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // As the standard library does: connections of the previous daemon in TIME_WAIT do not block the port.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|source| ListenError::from_bind(address, source))
}

/// One IPv6 socket accepts both families (`net.ipv6.bindv6only` is 0 by default). IPv4 only is the fallback for a host
/// booted without IPv6.
fn bind_any(port: u16) -> Result<TcpListener, ListenError> {
    match bind((Ipv6Addr::UNSPECIFIED, port).into()) {
        Err(ListenError::Other { .. } | ListenError::NotLocal { .. }) => bind((Ipv4Addr::UNSPECIFIED, port).into()),
        bound => bound,
    }
}

/// Blocks, once at the start: tokio's resolver would start a thread that keeps the privileges which the process drops
/// later.
fn resolve(name: &str, port: u16) -> Result<Vec<SocketAddr>, ListenError> {
    super::nss::use_built_in_modules();
    let failed = |source| ListenError::Resolve { name: name.to_owned(), source };
    let mut addresses: Vec<_> = (name, port).to_socket_addrs().map_err(|error| failed(Some(error)))?.collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(failed(None));
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_gos_notation() {
        let parse = |text: &str| text.parse::<ListenAddress>().expect(text);
        assert_eq!(parse(":9100"), ListenAddress::Any(9100));
        assert_eq!(parse("127.0.0.1:80"), ListenAddress::Socket(([127, 0, 0, 1], 80).into()));
        assert_eq!(parse("[::1]:80"), ListenAddress::Socket((Ipv6Addr::LOCALHOST, 80).into()));
        assert_eq!(parse("localhost:80"), ListenAddress::Name("localhost".to_owned(), 80));
        assert_eq!(parse(crate::config::DEFAULT_LISTEN), ListenAddress::Socket(([127, 0, 0, 1], 10474).into()));
    }

    #[test]
    fn a_mistyped_address_says_how_to_write_it() {
        for text in ["", "9100", "localhost", "127.0.0.1", "127.0.0.1.9:80", "::1:80", "host:99999", "http://host:80"] {
            let error = text.parse::<ListenAddress>().expect_err(text).to_string();
            assert!(error.contains("host:port"), "found {error:?}");
            assert!(error.contains(&format!("{text:?}")), "found {error:?}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named_with_the_way_out() {
        let first = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = first.local_addr().expect("its address");
        let error = bind_all(&[ListenAddress::Socket(address)]).await.expect_err("taken");
        let expected =
            format!("{address} is in use: another process listens there; stop it or choose another with {FLAG}");
        assert_eq!(error.to_string(), expected);
    }

    #[tokio::test]
    async fn an_address_of_another_host_is_named() {
        // TEST-NET-1 (RFC 5737) is on no interface.
        let error = bind_all(&[ListenAddress::Socket(([192, 0, 2, 1], 0).into())]).await.expect_err("not ours");
        assert!(matches!(error, ListenError::NotLocal { .. }), "found {error:?}");
    }

    #[tokio::test]
    async fn names_wildcards_and_several_addresses_bind() {
        let addresses = [ListenAddress::Any(0), ListenAddress::Name("localhost".to_owned(), 0)];
        assert!(bind_all(&addresses).await.expect("all of them").len() >= 2);
        assert!(matches!(bind_all(&[]).await, Err(ListenError::NoAddress)));
    }
}
