//! The offending segment of a passive reset.
//!
//! `skb->data` stands at the transport header there (`tcp_v4_send_reset`, `tcp_v6_send_reset`).

use crate::layout::{
    DEV_NET, NET_INUM, SKB_DEV, SKB_HEAD, SKB_LEN, SKB_NETWORK_HEADER, SKB_TRANSPORT_HEADER, WORDS_TYPE, cast, field,
    probe_into, probe_or_default,
};
use rstmon_common::{
    Tuple,
    evidence::{self, SMALL_BYTES},
};

/// The IP header and the first 16 bytes of the TCP header (ports, sequence, acknowledgement, offset and flags), in
/// words, of either IP version without options or extensions. Memory behind a shorter segment can be read, too: every
/// buffer ends with `struct skb_shared_info`.
pub type Headers = [u64; 7];
/// Length of an IPv4 header without options.
const V4_BYTES: u16 = 20;
/// Length of an IPv6 header without extensions.
const V6_BYTES: u16 = 40;

/// Length of a TCP header without options.
const HEADER_BYTES: u16 = 20;
/// Length of one with timestamps and no other option, in words of 32 bits.
const WORDS_WITH_TIMESTAMPS: u16 = 8;

/// The segment that is answered; absent for an active reset.
#[derive(Clone, Copy)]
pub struct Segment {
    /// The typed `struct sk_buff *`.
    skb: *const u8,
    head: u64,
}

/// The fields of a segment's TCP header that are used.
#[derive(Clone, Copy, Default)]
pub struct Header {
    /// Source and destination, as they lie in memory.
    ports: u32,
    /// Data offset in the low byte, flags in the high one.
    offset_flags: u16,
    /// Sequence number, in host order.
    sequence: u32,
    /// What it acknowledges, in host order.
    acknowledgement: u32,
    /// Bytes from the TCP header on.
    length: u32,
    /// Address of the options.
    options: u64,
}

impl Segment {
    /// The segment of a hook's argument; an active reset has none.
    ///
    /// # Safety
    /// `skb` must be the `const struct sk_buff *` argument of `tcp_send_reset`, or of one of the functions that call
    /// it.
    #[inline(always)]
    pub unsafe fn from_btf(skb: *const u8) -> Self {
        if skb.is_null() {
            return Self { skb, head: 0 };
        }
        // SAFETY: typed pointer. Kernels before 6.12 call it non-NULL, so the verifier may drop the check above:
        // a load from NULL faults and reads 0, which the test of `head` catches.
        Self { skb, head: unsafe { field::<u64>(skb, &SKB_HEAD) }.unwrap_or(0) }
    }

    /// Whether there is one.
    #[inline(always)]
    pub fn is_present(self) -> bool {
        self.head != 0
    }

    /// Reads both headers at once into `headers`, if the segment is present: the cost of a read is the call.
    #[inline(always)]
    pub fn read(self, headers: &mut Headers) -> Header {
        if self.skb.is_null() || !self.is_present() {
            return Header::default();
        }
        let head = self.head as *const u8;
        // SAFETY: typed pointer.
        let (network, transport, length) = unsafe {
            (
                field::<u16>(self.skb, &SKB_NETWORK_HEADER).unwrap_or(0),
                field::<u16>(self.skb, &SKB_TRANSPORT_HEADER).unwrap_or(0),
                field::<u32>(self.skb, &SKB_LEN).unwrap_or(0),
            )
        };
        let start = head.wrapping_add(network as usize);
        match cast(start, &WORDS_TYPE) {
            Some(words) => copy(words.cast(), headers),
            None => probe_into(headers, start),
        }
        let (ports, sequence, acknowledgement, offset_flags) = match transport.wrapping_sub(network) {
            V4_BYTES => (high(headers[2]), low(headers[3]), high(headers[3]), headers[4].to_le_bytes()),
            V6_BYTES => (low(headers[5]), high(headers[5]), low(headers[6]), rotated(headers[6])),
            _ => {
                let header = probe_or_default::<[u64; 2]>(head.wrapping_add(transport as usize));
                (low(header[0]), high(header[0]), low(header[1]), rotated(header[1]))
            }
        };
        let offset_flags = u16::from_le_bytes([offset_flags[0], offset_flags[1]]);
        let (sequence, acknowledgement) = (u32::from_be(sequence), u32::from_be(acknowledgement));
        let options = self.head.wrapping_add(u64::from(transport) + u64::from(HEADER_BYTES));
        Header { ports, offset_flags, sequence, acknowledgement, length, options }
    }

    /// The network namespace of the device that received the segment, a typed `struct net *`, NULL without a device.
    /// `None` where there is no segment, or the kernel has no such field.
    #[inline(always)]
    pub fn net(self) -> Option<*const u8> {
        if self.skb.is_null() {
            return None;
        }
        // SAFETY: typed pointers; a load from a device that is NULL faults and reads 0.
        unsafe {
            let dev = field::<u64>(self.skb, &SKB_DEV)?;
            field::<u64>(dev as *const u8, &DEV_NET).map(|net| net as *const u8)
        }
    }

    /// Inode of that namespace; 0 = unknown. Not used where there is a full socket, which has its own namespace and
    /// whose segment has no device any more.
    #[inline(always)]
    pub fn netns(self) -> u32 {
        let Some(net) = self.net() else { return 0 };
        // SAFETY: a typed pointer.
        unsafe { field(net, &NET_INUM) }.unwrap_or(0)
    }
}

impl Header {
    /// Writes addresses and ports: the segment came from the peer, so its destination is the local end.
    #[inline(always)]
    pub fn endpoints(self, headers: &Headers, tuple: &mut Tuple) {
        let [remote_high, remote_low, local_high, local_low] = self.ports.to_le_bytes();
        tuple.remote_port = u16::from_be_bytes([remote_high, remote_low]);
        tuple.local_port = u16::from_be_bytes([local_high, local_low]);
        if headers[0].to_le_bytes()[0] >> 4 == 6 {
            tuple.remote = from_words(headers[1], headers[2]);
            tuple.local = from_words(headers[3], headers[4]);
        } else {
            set_v4(&mut tuple.remote, high(headers[1]));
            set_v4(&mut tuple.local, low(headers[2]));
        }
    }

    /// Length of the TCP header, in words of 32 bits.
    #[inline(always)]
    fn words(self) -> u16 {
        self.offset_flags >> 4 & 0xf
    }

    /// Number of payload bytes.
    #[inline(always)]
    pub fn payload(self) -> u32 {
        self.length.saturating_sub(u32::from(self.words()) * 4)
    }

    /// Address of the options; 0 where they have no room for timestamps.
    #[inline(always)]
    pub fn options(self) -> u64 {
        if self.words() >= WORDS_WITH_TIMESTAMPS { self.options } else { 0 }
    }

    /// Sequence number of its first byte of payload, or of its SYN.
    #[inline(always)]
    pub fn sequence(self) -> u32 {
        self.sequence
    }

    /// What it acknowledges: of meaning where it carries ACK.
    #[inline(always)]
    pub fn acknowledgement(self) -> u32 {
        self.acknowledgement
    }

    /// Whether it is a RST itself.
    #[inline(always)]
    pub fn is_reset(self) -> bool {
        self.offset_flags & 0x0400 != 0
    }

    /// `SEGMENT_*` bits of evidence.
    #[inline(always)]
    pub fn evidence(self) -> u64 {
        let flags = u64::from(self.offset_flags);
        let (fin, syn, ack) = (flags >> 8 & 1, flags >> 9 & 1, flags >> 12 & 1);
        let stray = (syn | ack ^ 1) & (syn ^ 1 | fin);
        let data = u64::from(self.payload() > 0) * evidence::SEGMENT_DATA;
        let large = u64::from(self.payload() > SMALL_BYTES) * evidence::SEGMENT_LARGE;
        let (fin, syn, ack) = (fin * evidence::SEGMENT_FIN, syn * evidence::SEGMENT_SYN, ack * evidence::SEGMENT_ACK);
        let stray = stray * evidence::SEGMENT_STRAY;
        fin | syn | ack | stray | data | large
    }
}

/// Copies words from an address from which loads are allowed.
#[inline(always)]
fn copy(from: *const u64, to: &mut Headers) {
    for (index, word) in to.iter_mut().enumerate() {
        // SAFETY: the verifier checks each load; one of an address that cannot be read yields 0.
        *word = unsafe { core::ptr::read_volatile(from.add(index)) };
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "half a word")]
fn low(word: u64) -> u32 {
    word as u32
}

#[inline(always)]
fn high(word: u64) -> u32 {
    low(word >> 32)
}

/// The bytes of a word, with the upper half first.
#[inline(always)]
fn rotated(word: u64) -> [u8; 8] {
    (word >> 32).to_le_bytes()
}

/// An address of two words as they lie in memory.
#[inline(always)]
pub fn from_words(first: u64, second: u64) -> [u8; 16] {
    // SAFETY: both are plain bytes. As words, because the compiler copies a byte array byte by byte.
    unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>([first, second]) }
}

/// The words of an address as they lie in memory.
#[inline(always)]
pub fn to_words(address: &[u8; 16]) -> [u64; 2] {
    // SAFETY: both are plain bytes.
    unsafe { core::mem::transmute::<[u8; 16], [u64; 2]>(*address) }
}

/// Whether an address is the one of all addresses, `::` or `0.0.0.0`.
#[inline(always)]
pub fn is_unspecified(address: &[u8; 16]) -> bool {
    let [first, second] = to_words(address);
    first == 0 && (second == 0 || second == MAPPED)
}

/// Stores an IPv4 address (network order in memory) as `::ffff:a.b.c.d`.
#[inline(always)]
pub fn set_v4(to: &mut [u8; 16], address: u32) {
    *to = from_words(0, u64::from(address) << 32 | MAPPED);
}

/// The bytes before an IPv4 address in IPv6's form, as the low half of a word.
const MAPPED: u64 = 0xffff_0000;

/// IP version of an address in [`Tuple`] form.
#[inline(always)]
pub fn family(address: &[u8; 16]) -> u8 {
    let [first, second] = to_words(address);
    if first == 0 && u64::from(low(second)) == MAPPED { 4 } else { 6 }
}
