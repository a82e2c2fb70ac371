//! Sockets and their owners according to `/proc`, independent of rstmon.

use crate::{actor::TcpState, netns::NetworkPlace};
use anyhow::{Context as _, Result};
use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

/// A line of the kernel's table of TCP sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketEntry {
    /// The inode number of the socket.
    pub inode: u64,
    /// Bytes written and not acknowledged.
    pub(crate) send_queue: u64,
    /// The peer's window is closed: there is unsent data, and the timer of the zero-window probe runs.
    pub(crate) stuck: bool,
}

/// The state of a socket after close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphan {
    /// A full socket in this state (`include/net/tcp_states.h`).
    Full(u8),
    /// A mini socket, for `FIN_WAIT2` or `TIME_WAIT`.
    Mini,
    /// The kernel has forgotten the connection.
    Gone,
}

/// Whether a socket of the host listens on a port, in either IP version. Connecting instead would cause a reset if none
/// does.
///
/// # Errors
/// When a table cannot be read.
pub fn is_listened_to(port: u16) -> Result<bool> {
    Ok(orphan(&NetworkPlace::Host, port, 0)? == Orphan::Full(TcpState::Listen as u8))
}

/// The state of the socket between two ports, in either IP version.
///
/// # Errors
/// When a table cannot be read.
pub(crate) fn orphan(place: &NetworkPlace, local: u16, remote: u16) -> Result<Orphan> {
    for file in ["tcp", "tcp6"] {
        let path = format!("/proc/thread-self/net/{file}");
        let table = place.run(|| fs::read_to_string(&path))?.with_context(|| format!("reading {path}"))?;
        if let Some(found) = table.lines().skip(1).find_map(|line| parse_orphan(line, local, remote)) {
            return Ok(found);
        }
    }
    Ok(Orphan::Gone)
}

fn parse_orphan(line: &str, local: u16, remote: u16) -> Option<Orphan> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let port = |field: usize| u16::from_str_radix(fields.get(field)?.split_once(':')?.1, 16).ok();
    if port(1)? != local || port(2)? != remote {
        return None;
    }
    // The kind of timer; only mini sockets have kind 3.
    if fields.get(5)?.starts_with("03:") {
        return Some(Orphan::Mini);
    }
    u8::from_str_radix(fields.get(3)?, 16).ok().map(Orphan::Full)
}

/// The IPv4 socket between two addresses, if there is one with a descriptor.
///
/// # Errors
/// When the table cannot be read.
pub fn find(place: &NetworkPlace, local: SocketAddr, remote: SocketAddr) -> Result<Option<SocketEntry>> {
    let table = place.run(|| fs::read_to_string("/proc/thread-self/net/tcp"))?.context("reading the socket table")?;
    Ok(table.lines().skip(1).find_map(|line| parse(line, local, remote)))
}

/// The local address of an established IPv4 connection to a service, if there is one.
///
/// # Errors
/// When the table cannot be read.
pub(crate) fn connected_to(place: &NetworkPlace, service: SocketAddr) -> Result<Option<SocketAddr>> {
    let table = place.run(|| fs::read_to_string("/proc/thread-self/net/tcp"))?.context("reading the socket table")?;
    Ok(table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let established = u8::from_str_radix(fields.get(3)?, 16).ok()? == TcpState::Established as u8;
        (established && address(fields.get(2)?)? == service).then_some(address(fields.get(1)?)?)
    }))
}

/// Whether a process has a descriptor of the socket with this inode number.
#[must_use]
pub fn has(pid: u32, inode: u64) -> bool {
    let target = format!("socket:[{inode}]");
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|link| link.as_os_str() == target.as_str())
}

/// Parses a line if it is of the socket between the two addresses; inode 0 means that it has no descriptor yet.
fn parse(line: &str, local: SocketAddr, remote: SocketAddr) -> Option<SocketEntry> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if address(fields.get(1)?)? != local || address(fields.get(2)?)? != remote {
        return None;
    }
    let (send_queue, _) = fields.get(4)?.split_once(':')?;
    let inode = fields.get(9)?.parse().ok().filter(|inode| *inode != 0)?;
    // The kind of timer; 4 is the zero-window probe.
    let stuck = fields.get(5)?.starts_with("04:");
    Some(SocketEntry { inode, send_queue: u64::from_str_radix(send_queue, 16).ok()?, stuck })
}

/// Parses `0100007F:1F90`: the address in the byte order of the machine, the port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let ip = Ipv4Addr::from(u32::from_str_radix(ip, 16).ok()?.to_ne_bytes());
    Some(SocketAddr::new(IpAddr::V4(ip), u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn parses_a_line() {
        let line =
            "   1: 0100007F:1F90 0100007F:9C40 01 0000002A:00000000 00:00000000 00000000     0        0 4711 1 x";
        let (local, remote) = (SocketAddr::from(([127, 0, 0, 1], 8080)), SocketAddr::from(([127, 0, 0, 1], 40000)));
        assert_eq!(parse(line, local, remote), Some(SocketEntry { inode: 4711, send_queue: 42, stuck: false }));
        assert_eq!(parse(line, remote, local), None);
        assert_eq!(parse_orphan(line, 8080, 40000), Some(Orphan::Full(1)));
        assert_eq!(parse_orphan(&line.replace(" 00:", " 03:"), 8080, 40000), Some(Orphan::Mini));
        assert_eq!(parse_orphan(line, 1, 40000), None);
    }
}
