//! The offending segment of a passive reset.
//!
//! `skb->data` stands at the transport header there (`tcp_v4_send_reset`, `tcp_v6_send_reset`).

use crate::layout::{
    DEV_NET, NET_INUM, SKB_DEV, SKB_HEAD, SKB_LEN, SKB_NETWORK_HEADER, SKB_TRANSPORT_HEADER, field, probe,
    probe_or_default,
};
use rstmon_common::{Tuple, evidence};

/// First 16 bytes of a TCP header: ports, sequence, acknowledgement, offset and flags.
type TcpHeader = [u8; 16];

/// What the segment tells: addresses, and bits of evidence.
pub struct Segment {
    head: *const u8,
    network: u16,
    dev: *const u8,
    header: TcpHeader,
    length: u32,
}

impl Segment {
    /// Reads the segment; where there is none (an active reset) it is not [`Self::is_present`].
    ///
    /// # Safety
    /// `skb` must be the `const struct sk_buff *` argument of `tcp_send_reset`, or that of the functions that call it.
    #[inline(always)]
    pub unsafe fn read(skb: *const u8) -> Self {
        let mut segment =
            Self { head: core::ptr::null(), network: 0, dev: core::ptr::null(), header: [0; 16], length: 0 };
        if skb.is_null() {
            return segment;
        }
        // SAFETY: typed pointer. Kernels before 6.12 call it non-NULL, so the verifier may drop the check above:
        // a load from NULL faults and reads 0, which the test of `head` catches.
        unsafe {
            segment.head = field::<u64>(skb, &SKB_HEAD).unwrap_or(0) as *const u8;
            if segment.is_present() {
                let transport = field::<u16>(skb, &SKB_TRANSPORT_HEADER).unwrap_or(0);
                segment.network = field::<u16>(skb, &SKB_NETWORK_HEADER).unwrap_or(0);
                segment.dev = probe::<u64>(skb, &SKB_DEV).unwrap_or(0) as *const u8;
                segment.length = field::<u32>(skb, &SKB_LEN).unwrap_or(0);
                segment.header = probe_or_default(segment.head.wrapping_add(transport as usize));
            }
        }
        segment
    }

    /// Whether there is one.
    #[inline(always)]
    pub fn is_present(&self) -> bool {
        !self.head.is_null()
    }

    /// Payload bytes.
    #[inline(always)]
    pub fn payload(&self) -> u32 {
        self.length.saturating_sub(u32::from(self.header[12] >> 4) * 4)
    }

    /// Whether it is a RST itself.
    #[inline(always)]
    pub fn is_reset(&self) -> bool {
        self.header[13] & 0x04 != 0
    }

    /// `SEGMENT_*` bits of evidence.
    #[inline(always)]
    pub fn evidence(&self) -> u32 {
        let flags = self.header[13];
        let mut bits = 0;
        if flags & 0x02 != 0 {
            bits |= evidence::SEGMENT_SYN;
        }
        if flags & 0x10 != 0 {
            bits |= evidence::SEGMENT_ACK;
        }
        if self.payload() > 0 {
            bits |= evidence::SEGMENT_DATA;
        }
        bits
    }

    /// Fills in both ends: the segment came from the peer, so its destination is the local end.
    #[inline(always)]
    pub fn endpoints(&self, tuple: &mut Tuple) {
        tuple.remote_port = u16::from_be_bytes([self.header[0], self.header[1]]);
        tuple.local_port = u16::from_be_bytes([self.header[2], self.header[3]]);
        let ip = self.head.wrapping_add(self.network as usize);
        if probe_or_default::<u8>(ip) >> 4 == 6 {
            tuple.remote = probe_or_default(ip.wrapping_add(8));
            tuple.local = probe_or_default(ip.wrapping_add(24));
        } else {
            set_v4(&mut tuple.remote, probe_or_default(ip.wrapping_add(12)));
            set_v4(&mut tuple.local, probe_or_default(ip.wrapping_add(16)));
        }
        if tuple.netns == 0 {
            tuple.netns = probe(self.net(), &NET_INUM).unwrap_or(0);
        }
    }

    /// The network namespace of the device that it came in by, `struct net *`; NULL where there is none.
    #[inline(always)]
    pub fn net(&self) -> *const u8 {
        probe::<u64>(self.dev, &DEV_NET).unwrap_or(0) as *const u8
    }
}

/// Stores an IPv4 address (network order in memory) as `::ffff:a.b.c.d`.
#[inline(always)]
pub fn set_v4(to: &mut [u8; 16], address: u32) {
    *to = [0; 16];
    to[10] = 0xff;
    to[11] = 0xff;
    let bytes = address.to_ne_bytes();
    to[12] = bytes[0];
    to[13] = bytes[1];
    to[14] = bytes[2];
    to[15] = bytes[3];
}

/// IP version of an address in [`Tuple`] form.
#[inline(always)]
pub fn family(address: &[u8; 16]) -> u8 {
    let mapped = address[10] == 0xff
        && address[11] == 0xff
        && u64::from_ne_bytes([
            address[0], address[1], address[2], address[3], address[4], address[5], address[6], address[7],
        ]) == 0
        && address[8] == 0
        && address[9] == 0;
    if mapped { 4 } else { 6 }
}
