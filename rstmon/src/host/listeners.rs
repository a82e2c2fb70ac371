//! Listeners of rstmon's network namespace with their accept queues and drops, from the kernel's socket diagnostics
//! (`NETLINK_SOCK_DIAG`, as shown by `ss -lm`). They show full accept queues, which cause no resets by default
//! (`tcp_abort_on_overflow=0`). Needs no privilege.

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};
use std::{
    collections::{BTreeMap, HashMap},
    io,
};

/// `SOCK_DIAG_BY_FAMILY` (`include/uapi/linux/sock_diag.h`).
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 0x1;
const NLM_F_DUMP: u16 = 0x300;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// `struct nlmsghdr`
const HEADER_BYTES: usize = 16;
/// `struct inet_diag_msg`
const MESSAGE_BYTES: usize = 72;
/// `INET_DIAG_SKMEMINFO` (`include/uapi/linux/inet_diag.h`): an attribute of nine 32-bit numbers, of which the last
/// are the drops.
const INET_DIAG_SKMEMINFO: u16 = 7;
const SK_MEMINFO_DROPS: usize = 8;
const TCP_LISTEN: u32 = 10;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// Enough for any datagram of a dump.
const BUFFER_BYTES: usize = 64 * 1024;

/// A socket that listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListeningSocket {
    /// Socket cookie, never used twice by a kernel.
    cookie: u64,
    port: u16,
    backlog: u32,
    limit: u32,
    /// Segments dropped, modulo 2^32.
    drops: u32,
}

/// Sums over the listeners of one port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PortListeners {
    /// Connections in the accept queues.
    pub(crate) backlog: u64,
    /// Limits of the accept queues.
    pub(crate) limit: u64,
    /// Segments that the listeners dropped since they began to listen, mostly because of a full accept queue.
    pub(crate) drops: u64,
}

/// Reads all listening sockets.
pub(crate) fn read() -> io::Result<Vec<ListeningSocket>> {
    let mut sockets = Vec::new();
    for family in [AF_INET, AF_INET6] {
        dump(family, &mut sockets)?;
    }
    Ok(sockets)
}

#[must_use]
pub(crate) fn by_port(sockets: &[ListeningSocket]) -> BTreeMap<u16, PortListeners> {
    let mut listeners = BTreeMap::<u16, PortListeners>::new();
    for socket in sockets {
        let listener = listeners.entry(socket.port).or_default();
        listener.backlog += u64::from(socket.backlog);
        listener.limit += u64::from(socket.limit);
        listener.drops += u64::from(socket.drops);
    }
    listeners
}

/// Sums of the segments that listeners have dropped, including listeners that are closed by now: they only grow. Drops
/// of a socket between its last reading and its close are missing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drops {
    /// Drops at the last reading, by socket cookie.
    last: HashMap<u64, u32>,
    total: BTreeMap<u16, u64>,
}

impl Drops {
    /// Adds the drops since the last reading.
    pub(crate) fn absorb(&mut self, sockets: &[ListeningSocket]) {
        for socket in sockets {
            let growth = socket.drops.wrapping_sub(self.last.get(&socket.cookie).copied().unwrap_or(0));
            if growth > 0 {
                *self.total.entry(socket.port).or_default() += u64::from(growth);
            }
        }
        self.last = sockets.iter().map(|socket| (socket.cookie, socket.drops)).collect();
    }

    /// Drops by port; ports without drops are absent.
    #[must_use]
    pub(crate) fn total(&self) -> &BTreeMap<u16, u64> {
        &self.total
    }
}

fn dump(family: u8, sockets: &mut Vec<ListeningSocket>) -> io::Result<()> {
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG))?;
    send(&socket, &request(family), SendFlags::empty())?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if parse(&buffer[..length.min(BUFFER_BYTES)], sockets)? {
            return Ok(());
        }
    }
}

/// `struct nlmsghdr` and `struct inet_diag_req_v2`: every listener of a family, with its memory information.
fn request(family: u8) -> Vec<u8> {
    const LENGTH: u32 = 72;
    let mut bytes = Vec::with_capacity(LENGTH as usize);
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    bytes.extend([0; 8]); // sequence and port id, not needed for a single request
    bytes.extend([family, 6 /* IPPROTO_TCP */, 1 << (INET_DIAG_SKMEMINFO - 1), 0]);
    bytes.extend((1u32 << TCP_LISTEN).to_ne_bytes());
    bytes.resize(LENGTH as usize, 0); // any addresses
    bytes
}

/// Reads one datagram of the dump; `true` when it was the last.
fn parse(mut datagram: &[u8], sockets: &mut Vec<ListeningSocket>) -> io::Result<bool> {
    while let Some((length, kind)) = u32_at(datagram, 0).zip(u16_at(datagram, 4)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length < HEADER_BYTES || length > datagram.len() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a netlink message of impossible length"));
        }
        let payload = &datagram[HEADER_BYTES..length];
        match kind {
            NLMSG_DONE => return Ok(true),
            NLMSG_ERROR => {
                let code = u32_at(payload, 0).unwrap_or(0).cast_signed();
                return Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
            SOCK_DIAG_BY_FAMILY => sockets.extend(socket(payload)),
            _ => {}
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(false)
}

/// One `struct inet_diag_msg` with its attributes; `None` if it is cut short.
fn socket(message: &[u8]) -> Option<ListeningSocket> {
    let port: [u8; 2] = message.get(4..6)?.try_into().ok()?;
    let cookie: [u8; 8] = message.get(44..52)?.try_into().ok()?;
    let mut socket = ListeningSocket {
        cookie: u64::from_ne_bytes(cookie),
        port: u16::from_be_bytes(port),
        backlog: u32_at(message, 56)?,
        limit: u32_at(message, 60)?,
        drops: 0,
    };
    let mut attributes = message.get(MESSAGE_BYTES..)?;
    while let Some((length, kind)) = u16_at(attributes, 0).zip(u16_at(attributes, 2)) {
        let length = usize::from(length);
        if length < 4 || length > attributes.len() {
            break;
        }
        if kind == INET_DIAG_SKMEMINFO {
            socket.drops = u32_at(&attributes[4..length], SK_MEMINFO_DROPS * 4).unwrap_or(0);
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Some(socket)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Drops, ListeningSocket, PortListeners, by_port, parse, read};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn a_listener_is_found_with_its_queue() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let _waiting = TcpStream::connect(address).expect("a connection");
        let found = by_port(&read().expect("the kernel answers"))[&address.port()];
        assert_eq!((found.backlog, found.drops), (1, 0));
        assert!(found.limit > 0, "{found:?}");
    }

    #[test]
    fn drops_come_from_the_memory_information() {
        let mut message = vec![0u8; 16 + 72 + 4 + 36];
        message[0..4].copy_from_slice(&128u32.to_ne_bytes());
        message[4..6].copy_from_slice(&20u16.to_ne_bytes());
        message[16 + 4..16 + 6].copy_from_slice(&8080u16.to_be_bytes());
        message[16 + 56..16 + 60].copy_from_slice(&3u32.to_ne_bytes());
        message[16 + 60..16 + 64].copy_from_slice(&128u32.to_ne_bytes());
        message[88..90].copy_from_slice(&40u16.to_ne_bytes());
        message[90..92].copy_from_slice(&7u16.to_ne_bytes());
        message[92 + 32..92 + 36].copy_from_slice(&9u32.to_ne_bytes());
        message[16 + 44..16 + 52].copy_from_slice(&77u64.to_ne_bytes());
        let mut found = Vec::new();
        assert!(!parse(&message, &mut found).expect("a valid message"));
        assert_eq!(found, [ListeningSocket { cookie: 77, port: 8080, backlog: 3, limit: 128, drops: 9 }]);
    }

    #[test]
    fn listeners_of_a_port_are_added_up() {
        let one = ListeningSocket { cookie: 1, port: 80, backlog: 3, limit: 128, drops: 9 };
        let sum = PortListeners { backlog: 6, limit: 256, drops: 18 };
        assert_eq!(by_port(&[one, ListeningSocket { cookie: 2, ..one }]), BTreeMap::from([(80, sum)]));
    }

    #[test]
    fn drops_stay_when_their_listener_goes() {
        let socket = |cookie, drops| ListeningSocket { cookie, port: 80, drops, ..ListeningSocket::default() };
        let mut drops = Drops::default();
        let mut totals = Vec::new();
        for sockets in [
            vec![socket(1, 5), socket(2, 0)],
            vec![socket(1, 7), socket(2, 1)],
            vec![socket(2, 1)],
            vec![],
            vec![socket(3, u32::MAX)],
            vec![socket(3, 1)],
        ] {
            drops.absorb(&sockets);
            totals.push(drops.total()[&80]);
        }
        let wrapped = 8 + u64::from(u32::MAX) + 2;
        assert_eq!(totals, [5, 8, 8, 8, 8 + u64::from(u32::MAX), wrapped]);
    }

    #[test]
    fn damaged_answers_never_panic() {
        let mut seed = 0x9e37_79b9_7f4a_7c15u64;
        let mut bytes = vec![0u8; 256];
        for round in 0..20_000usize {
            for byte in &mut bytes {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                *byte = seed.to_ne_bytes()[0];
            }
            // Every second round has a valid header, so that the attributes are parsed.
            if round % 2 == 0 {
                bytes[..4].copy_from_slice(&200u32.to_ne_bytes());
                bytes[4..6].copy_from_slice(&20u16.to_ne_bytes());
            }
            // An error is as good as a result here.
            let _ = parse(&bytes[..round % 257], &mut Vec::new());
        }
    }
}
