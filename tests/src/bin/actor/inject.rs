//! Segments that a TCP implementation would not send in this state, built here and sent through a raw socket.

use crate::During as _;
use anyhow::{Result, bail};
use rstmon_tests::protocol::Fields;
use rustix::net::{self, AddressFamily, RawProtocol, SendFlags, SocketFlags, SocketType};
use std::net::SocketAddrV4;

const IP_HEADER: usize = 20;
const TCP_HEADER: u16 = 20;
/// Version 4, header of five 32-bit words.
const IP_FIRST_BYTE: u8 = 0x45;
/// NOP, NOP, kind 8, length 10; the value and its echo follow.
const TIMESTAMPS: [u8; 4] = [1, 1, 8, 10];
const TCP: u8 = 6;

/// Sends one IPv4 segment, from any source address; with the timestamps option where there is a `stamp`.
pub(crate) fn segment(
    from: SocketAddrV4,
    to: SocketAddrV4,
    flags: &str,
    seq: u32,
    ack: u32,
    payload: u16,
    stamp: Option<u32>,
) -> Result<Fields> {
    // IPPROTO_RAW implies IP_HDRINCL: the kernel fills in the checksum, identification and length of the IP header.
    let protocol = RawProtocol::new(libc::IPPROTO_RAW.unsigned_abs()).map(net::Protocol::from_raw);
    let fd = net::socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, protocol).during("socket")?;
    let packet = packet(from, to, bits(flags)?, seq, ack, &content(stamp, payload));
    net::sendto(&fd, &packet, SendFlags::empty(), &std::net::SocketAddr::V4(SocketAddrV4::new(*to.ip(), 0)))
        .during("sendto")?;
    Ok(Fields::default())
}

/// The TCP header's flag byte from letters: F S R P A U; a dash is no flag.
fn bits(flags: &str) -> Result<u8> {
    flags.trim_matches('-').chars().try_fold(0, |bits, letter| {
        Ok(bits
            | match letter {
                'F' => 0x01,
                'S' => 0x02,
                'R' => 0x04,
                'P' => 0x08,
                'A' => 0x10,
                'U' => 0x20,
                _ => bail!("flag {letter:?}"),
            })
    })
}

/// What follows the fixed part of the header.
struct Content {
    options: Vec<u8>,
    payload: u16,
}

fn content(stamp: Option<u32>, payload: u16) -> Content {
    let mut options = Vec::new();
    if let Some(stamp) = stamp {
        options.extend(TIMESTAMPS);
        options.extend(stamp.to_be_bytes());
        options.extend([0; 4]);
    }
    Content { options, payload }
}

fn packet(from: SocketAddrV4, to: SocketAddrV4, flags: u8, seq: u32, ack: u32, content: &Content) -> Vec<u8> {
    let Content { options, payload } = content;
    let header = usize::from(TCP_HEADER) + options.len();
    let length = header + usize::from(*payload);
    let mut tcp = Vec::with_capacity(length);
    tcp.extend(from.port().to_be_bytes());
    tcp.extend(to.port().to_be_bytes());
    tcp.extend(seq.to_be_bytes());
    tcp.extend(ack.to_be_bytes());
    tcp.extend([u8::try_from(header / 4).unwrap_or(u8::MAX) << 4, flags]);
    tcp.extend(u16::MAX.to_be_bytes());
    tcp.extend([0; 4]);
    tcp.extend(options);
    tcp.resize(length, b'x');

    let mut pseudo = Vec::with_capacity(12 + tcp.len());
    pseudo.extend(from.ip().octets());
    pseudo.extend(to.ip().octets());
    pseudo.extend([0, TCP]);
    pseudo.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    pseudo.extend(&tcp);
    tcp[16..18].copy_from_slice(&checksum(&pseudo).to_be_bytes());

    let mut packet = vec![0u8; IP_HEADER];
    packet[0] = IP_FIRST_BYTE;
    packet[8] = 64;
    packet[9] = TCP;
    packet[12..16].copy_from_slice(&from.ip().octets());
    packet[16..20].copy_from_slice(&to.ip().octets());
    packet.extend(tcp);
    packet
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_with_its_checksum_sums_to_zero() {
        let from: SocketAddrV4 = "198.51.100.1:4000".parse().expect("address");
        let to: SocketAddrV4 = "127.0.0.1:80".parse().expect("address");
        let packet = packet(from, to, 0x18, 1, 2, &content(None, 3));
        let mut covered = Vec::new();
        covered.extend(&packet[12..20]);
        covered.extend([0, 6, 0, 23]);
        covered.extend(&packet[20..]);
        assert_eq!(checksum(&covered), 0);
    }

    #[test]
    fn letters_become_bits() {
        assert_eq!(bits("SA").expect("known"), 0x12);
        assert_eq!(bits("FPU").expect("known"), 0x29);
        assert_eq!(bits("-").expect("no flag"), 0);
        assert!(bits("X").is_err());
    }
}
