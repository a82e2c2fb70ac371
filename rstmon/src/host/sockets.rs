//! The TCP sockets and the addresses of a network namespace, from `/proc/<task>/net`. Needs no privilege, unlike the
//! kernel's socket diagnostics, which show only the namespace that their reader is in.

use super::counters::ProcNet;
use crate::model::State;
use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufRead, BufReader, Read as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// How much of a file is read, in bytes: of a table of sockets about 7,000, the listeners first.
const FILE_BYTES: u64 = 1 << 20;

/// A TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpSocket {
    pub(crate) local: SocketAddr,
    pub(crate) remote: SocketAddr,
    pub(crate) state: Option<State>,
}

/// The first TCP socket of a namespace that is wanted.
pub(crate) fn find(place: ProcNet, wanted: impl Fn(&TcpSocket) -> bool) -> Option<TcpSocket> {
    ["tcp", "tcp6"].into_iter().find_map(|name| {
        let mut found = None;
        let searched = each_line(place, name, |line| {
            found = parse(line).filter(|socket| wanted(socket));
            found.is_none()
        });
        if let Err(error) = searched {
            tracing::debug!(?place, name, %error, "cannot read the sockets");
        }
        found
    })
}

/// The addresses of a namespace, without those of the loopback network but its first one.
pub(crate) fn addresses(place: ProcNet) -> io::Result<HashSet<IpAddr>> {
    let mut addresses = HashSet::new();
    // An address of this host is a leaf of the routing trie, "|-- 10.0.0.1", above a line "/32 host LOCAL".
    let mut leaf = None;
    each_line(place, "fib_trie", |line| {
        if let Some(address) = line.trim_start().strip_prefix("|-- ") {
            leaf = address.trim_end().parse().ok().map(IpAddr::V4);
        } else if line.trim_end().ends_with("/32 host LOCAL") {
            addresses.extend(leaf);
        }
        true
    })?;
    // A kernel without IPv6 has no such file.
    let v6 = each_line(place, "if_inet6", |line| {
        addresses.extend(line.split_whitespace().next().and_then(v6_address).map(IpAddr::V6));
        true
    });
    match v6 {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(addresses),
    }
}

/// Hands the lines of a file to `take`, as long as it returns true.
fn each_line(place: ProcNet, name: &str, mut take: impl FnMut(&str) -> bool) -> io::Result<()> {
    let mut reader = BufReader::new(File::open(place.file(name))?.take(FILE_BYTES));
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 && take(&line) {
        line.clear();
    }
    Ok(())
}

/// A line of `/proc/net/tcp` or `tcp6` (`get_tcp4_sock`, `net/ipv4/tcp_ipv4.c`): a number, both ends, the state.
fn parse(line: &str) -> Option<TcpSocket> {
    let mut words = line.split_whitespace().skip(1);
    let (local, remote) = (end(words.next()?)?, end(words.next()?)?);
    Some(TcpSocket { local, remote, state: State::from_record(u8::from_str_radix(words.next()?, 16).ok()?) })
}

/// An end as `0100007F:0050`: the address in words of the host's byte order, the port.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    if !matches!(address.len(), 8 | 32) {
        return None;
    }
    let words: Option<Vec<u32>> = address
        .as_bytes()
        .chunks(8)
        .map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok())
        .collect();
    let address = match *words?.as_slice() {
        [word] => IpAddr::V4(Ipv4Addr::from(word.to_ne_bytes())),
        [a, b, c, d] => {
            let mut bytes = [0; 16];
            for (to, word) in bytes.chunks_mut(4).zip([a, b, c, d]) {
                to.copy_from_slice(&word.to_ne_bytes());
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, u16::from_str_radix(port, 16).ok()?))
}

/// An address as in `if_inet6`: 32 digits.
fn v6_address(text: &str) -> Option<Ipv6Addr> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok().map(Ipv6Addr::from)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    #[cfg(target_endian = "little")]
    fn lines_are_parsed() {
        let line = "   0: 0100007F:1F90 0200000A:C350 0A 00000000:00000000 00:00000000 00000000  1000 0 12345\n";
        let socket = parse(line).expect("a socket");
        assert_eq!(socket.local, "127.0.0.1:8080".parse().expect("address"));
        assert_eq!(socket.remote, "10.0.0.2:50000".parse().expect("address"));
        assert_eq!(socket.state, Some(State::Listen));
        let mapped = end("0000000000000000FFFF00000100007F:0016").expect("an end");
        assert_eq!(mapped, "127.0.0.1:22".parse().expect("address"));
        let v6 = end("B80D0120000000000000000001000000:0050").expect("an end");
        assert_eq!(v6, "[2001:db8::1]:80".parse().expect("address"));
    }

    #[test]
    fn other_text_is_no_socket() {
        for text in ["", "  sl  local_address rem_address   st tx_queue", "0: 1:2 3:4 0A", "0: \u{fc}100007F:1F90 x 0A"]
        {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(v6_address("1"), None);
    }

    #[test]
    fn a_socket_of_this_process_is_found_and_so_is_its_address() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let local = listener.local_addr().expect("its address");
        let found = find(ProcNet::Own, |socket| socket.local == local).expect("in the table");
        assert_eq!(found.state, Some(State::Listen));
        assert!(find(ProcNet::Own, |_| false).is_none());
        assert!(find(ProcNet::Task(u32::MAX), |_| true).is_none());
        let addresses = addresses(ProcNet::Own).expect("readable");
        assert!(addresses.contains(&local.ip()), "{addresses:?}");
    }
}
