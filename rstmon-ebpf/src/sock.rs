//! A socket at a hook. Its kind decides which fields may be read.
//!
//! `TIME_WAIT` and `NEW_SYN_RECV` sockets have only `sock_common`; nothing past it is ever read from them.

use crate::{
    branchless::{opaque, positive, some},
    clock::jiffies_to_ms,
    layout::{
        CGROUP_KN, FILE_CRED, ICSK_LRCVTIME, ICSK_RETRANSMITS, INET_SPORT, KERNFS_ID, NET_INUM, SK_ACK_BACKLOG,
        SK_CGROUP, SK_LINGERTIME, SK_LOCK_OWNED, SK_MAX_ACK_BACKLOG, SK_PROTOCOL, SK_SHUTDOWN, SK_SOCKET, SKC_DADDR,
        SKC_DPORT, SKC_FAMILY, SKC_FLAGS, SKC_NET, SKC_RCV_SADDR, SKC_STATE, SKC_V6_DADDR, SKC_V6_RCV_SADDR,
        SOCKET_FILE, TCP_BYTES_RECEIVED, TCP_BYTES_SENT, TCP_COPIED_SEQ, TCP_DATA_SEGS_OUT, TCP_IS_MPTCP, TCP_LINGER2,
        TCP_LSNDTIME, TCP_RCV_NXT, TCP_RCV_TSTAMP, TCP_RCV_TSVAL, TCP_SND_NXT, TCP_SND_UNA, TCP_SND_WL1, TCP_SRTT_US,
        TCP_TS_RECENT, TCP_TS_RECENT_STAMP, TCP_TYPE, TCP_WRITE_SEQ, cast, field,
    },
    skb::{family, from_words, set_v4},
};
use aya_ebpf::{Global, helpers::generated::bpf_skc_to_tcp_sock};
use core::ptr::NonNull;
use rstmon_common::{
    Tuple,
    key::{role, socket, state},
    limits::{ABSENT_U32, ABSENT_U64},
};

/// Bits of `sk_flags` (`enum sock_flags`, `include/net/sock.h`): the peer's FIN arrived (set by `tcp_fin`);
/// `SO_LINGER` is on.
const SOCK_DONE: u64 = 1 << 1;
const SOCK_LINGER: u64 = 1 << 4;
const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;
/// `RCV_SHUTDOWN` of `sk_shutdown` (`include/net/sock.h`).
pub const RCV_SHUTDOWN: u8 = 1;
/// `SEND_SHUTDOWN` of `sk_shutdown`.
pub const SEND_SHUTDOWN: u8 = 2;

/// The socket argument of a hook.
#[derive(Clone, Copy)]
pub struct Sock {
    /// The argument: `struct sock *`, NULL, or a minisock.
    sk: *const u8,
    /// One of [`socket`].
    pub kind: u8,
    /// `skc_state` at the hook; 0 without a socket.
    pub state: u8,
}

impl Sock {
    /// # Safety
    /// `sk` must be the `struct sock *` argument of a BTF-typed tracepoint, or of a traced function.
    #[inline(always)]
    pub unsafe fn from_btf(sk: *const u8) -> Self {
        if sk.is_null() {
            return Self { sk, kind: socket::NONE, state: 0 };
        }
        // SAFETY: typed pointer. 6.10 and 6.11 call it non-NULL, so the verifier may drop the check above: the
        // load then faults and reads 0, which is no TCP state.
        let now = unsafe { field::<u8>(sk, &SKC_STATE) }.unwrap_or(0);
        let kind = match now {
            0 => socket::NONE,
            state::TIME_WAIT => socket::TIME_WAIT,
            state::NEW_SYN_RECV => socket::REQUEST,
            _ => socket::FULL,
        };
        Self { sk, kind, state: now }
    }

    /// Address of the socket, as an identity only.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.sk as u64
    }

    /// The typed pointer, for socket-local storage.
    #[inline(always)]
    pub fn as_ptr(self) -> *const u8 {
        self.sk
    }

    /// The full TCP socket; `None` for anything else.
    #[inline(always)]
    pub fn tcp(self) -> Option<Tcp> {
        if self.sk.is_null() {
            return None;
        }
        if let Some(tcp) = cast(self.sk, &TCP_TYPE) {
            // SAFETY: a typed pointer; the protocol lies past `sock_common`, and is read from full sockets only.
            let is_tcp = self.kind == socket::FULL && unsafe { field(self.sk, &SK_PROTOCOL) } == Some(IPPROTO_TCP);
            return if is_tcp { NonNull::new(tcp.cast_mut()).map(Tcp) } else { None };
        }
        // SAFETY: the helper accepts NULL, minisocks and other protocols, and returns NULL for them.
        let tcp = unsafe { bpf_skc_to_tcp_sock(self.sk.cast_mut().cast()) }.cast::<u8>().cast_const();
        NonNull::new(tcp.cast_mut()).map(Tcp)
    }
}

/// A full TCP socket: every field of `sock`, `inet_sock`, `inet_connection_sock` and `tcp_sock` may be read.
///
/// Never NULL, so that `Option<Tcp>` is one word: the payload of a two-word `None` would be uninitialised stack, a copy
/// of which verifiers before 6.3 refuse.
#[derive(Clone, Copy)]
pub struct Tcp(NonNull<u8>);

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $ty:ty = $field:ident or $absent:expr;)*) => {
        $($(#[$doc])* #[inline(always)] pub fn $name(self) -> $ty {
            self.get::<$ty>(&$field).unwrap_or($absent)
        })*
    };
}

impl Tcp {
    #[inline(always)]
    fn as_ptr(self) -> *const u8 {
        self.0.as_ptr()
    }

    /// A field of the socket; `None` when the kernel has no such field. `T` must have the field's width.
    #[inline(always)]
    pub fn get<T: Copy>(self, offset: &Global<u32>) -> Option<T> {
        // SAFETY: a Tcp holds a non-NULL `struct tcp_sock *`, and the verifier checks the offset and the width.
        unsafe { field(self.as_ptr(), offset) }
    }

    getters! {
        shutdown: u8 = SK_SHUTDOWN or 0;
        /// Connections in the accept queue.
        backlog: u32 = SK_ACK_BACKLOG or ABSENT_U32;
        /// Limit of the accept queue. A child keeps its listener's, an opened socket has 0.
        backlog_limit: u32 = SK_MAX_ACK_BACKLOG or ABSENT_U32;
        /// `write_seq`: the next byte the application will write.
        write_seq: u32 = TCP_WRITE_SEQ or 0;
        /// Segments with payload that were sent, retransmissions included.
        payload_segments: u32 = TCP_DATA_SEGS_OUT or ABSENT_U32;
        /// `rcv_nxt`: the sequence number expected next from the peer.
        rcv_nxt: u32 = TCP_RCV_NXT or 0;
        /// `snd_una`: the first sequence number that the peer has not acknowledged.
        snd_una: u32 = TCP_SND_UNA or 0;
        /// Payload bytes sent, retransmissions included.
        bytes_sent: u64 = TCP_BYTES_SENT or ABSENT_U64;
        /// Retransmissions of what is in flight.
        retransmitting: u8 = ICSK_RETRANSMITS or 0;
    }

    #[inline(always)]
    fn flags(self) -> u64 {
        self.get(&SKC_FLAGS).unwrap_or(0)
    }

    /// The peer's FIN has arrived.
    #[inline(always)]
    pub fn fin_received(self) -> bool {
        self.flags() & SOCK_DONE != 0
    }

    /// The same as a number.
    #[inline(always)]
    fn fin_bit(self) -> u64 {
        self.flags() >> SOCK_DONE.ilog2() & 1
    }

    /// Payload bytes sent, retransmissions included; `None` when the kernel has no such field.
    #[inline(always)]
    pub fn payload_sent(self) -> Option<u64> {
        self.get(&TCP_BYTES_SENT)
    }

    /// Payload bytes received in order; the kernel counts the FIN as one. `None` when the kernel has no such field.
    #[inline(always)]
    pub fn payload_received(self) -> Option<u64> {
        let bytes = self.get::<u64>(&TCP_BYTES_RECEIVED)?;
        Some(bytes.wrapping_sub(self.fin_bit() & some(bytes)))
    }

    /// The same; `ABSENT_U64` when the kernel has no such field.
    #[inline(always)]
    pub fn bytes_received(self) -> u64 {
        self.payload_received().unwrap_or(ABSENT_U64)
    }

    /// `sk->sk_socket` is set: a process has a descriptor (or is closing the last one).
    #[inline(always)]
    pub fn is_attached(self) -> bool {
        // SAFETY: as in `get`.
        unsafe { field::<u64>(self.as_ptr(), &SK_SOCKET) != Some(0) }
    }

    /// Address of the credentials of the task that made the socket's file: of a child, the task that accepted it; 0
    /// where no process has a descriptor.
    #[inline(always)]
    pub fn file_credentials(self) -> u64 {
        // SAFETY: as in `get`, and typed pointers from there on; a NULL on the way makes the next load fault and read
        // 0.
        unsafe {
            let Some(socket) = field::<u64>(self.as_ptr(), &SK_SOCKET) else { return 0 };
            let Some(file) = field::<u64>(socket as *const u8, &SOCKET_FILE) else { return 0 };
            field(file as *const u8, &FILE_CRED).unwrap_or(0)
        }
    }

    /// IP version of the connection: 4 also for IPv4 on an IPv6 socket.
    #[inline(always)]
    pub fn family(self) -> u8 {
        // SAFETY: as in `get`.
        unsafe {
            if field::<u16>(self.as_ptr(), &SKC_FAMILY) == Some(AF_INET6) { family(&self.v6(&SKC_V6_DADDR)) } else { 4 }
        }
    }

    /// Remote port in host order; 0 of a listener.
    #[inline(always)]
    pub fn remote_port(self) -> u16 {
        u16::from_be(self.get(&SKC_DPORT).unwrap_or(0))
    }

    /// Address of the socket, as an identity only.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.as_ptr() as u64
    }

    /// Both ends and the network namespace. A listener's remote end is zero: it is read from the segment instead.
    #[inline(always)]
    pub fn endpoints(self, tuple: &mut Tuple) {
        tuple.netns = self.netns();
        tuple.local_port = self.local_port();
        tuple.remote_port = self.remote_port();
        // SAFETY: as in `get`.
        unsafe {
            if field::<u16>(self.as_ptr(), &SKC_FAMILY) == Some(AF_INET6) {
                tuple.local = self.v6(&SKC_V6_RCV_SADDR);
                tuple.remote = self.v6(&SKC_V6_DADDR);
            } else {
                set_v4(&mut tuple.local, field(self.as_ptr(), &SKC_RCV_SADDR).unwrap_or(0));
                set_v4(&mut tuple.remote, field(self.as_ptr(), &SKC_DADDR).unwrap_or(0));
            }
        }
    }

    /// An IPv6 address in two loads; all zero where the kernel has none.
    #[inline(always)]
    fn v6(self, address: &Global<u32>) -> [u8; 16] {
        // SAFETY: as in `get`.
        let [first, second] = unsafe { field::<[u64; 2]>(self.as_ptr(), address) }.unwrap_or([0; 2]);
        from_words(first, second)
    }

    /// The network namespace, a typed `struct net *`.
    #[inline(always)]
    pub fn net(self) -> Option<*const u8> {
        // SAFETY: as in `get`.
        unsafe { field::<u64>(self.as_ptr(), &SKC_NET) }.map(|net| net as *const u8)
    }

    /// Inode of the network namespace; 0 = unknown.
    #[inline(always)]
    pub fn netns(self) -> u32 {
        let Some(net) = self.net() else { return 0 };
        // SAFETY: a typed pointer.
        unsafe { field(net, &NET_INUM) }.unwrap_or(0)
    }

    /// A process holds the socket lock. Timers and softirq take only the spinlock (`bh_lock_sock`).
    #[inline(always)]
    pub fn is_locked(self) -> bool {
        // SAFETY: as in `get`.
        let owned = unsafe { field::<u32>(self.as_ptr(), &SK_LOCK_OWNED) };
        owned.unwrap_or(0) != 0
    }

    /// `SO_LINGER` with a time of 0.
    #[inline(always)]
    pub fn lingers_zero(self) -> bool {
        // SAFETY: as in `get`.
        self.flags() & SOCK_LINGER != 0 && unsafe { field::<u64>(self.as_ptr(), &SK_LINGERTIME) } == Some(0)
    }

    /// `TCP_LINGER2` below 0.
    #[inline(always)]
    pub fn linger2_negative(self) -> bool {
        // SAFETY: as in `get`.
        unsafe { field::<i32>(self.as_ptr(), &TCP_LINGER2) }.unwrap_or(0) < 0
    }

    /// An MPTCP subflow.
    #[inline(always)]
    pub fn is_mptcp(self) -> bool {
        // SAFETY: as in `get`.
        unsafe { field::<u8>(self.as_ptr(), &TCP_IS_MPTCP) }.unwrap_or(0) & 1 != 0
    }

    /// Local port in host order; `skc_num` is already 0 once the socket was set to CLOSE.
    #[inline(always)]
    pub fn local_port(self) -> u16 {
        u16::from_be(self.get(&INET_SPORT).unwrap_or(0))
    }

    /// Which end of its connection the socket is: a child keeps a copy of its listener's limit (`sk_clone`),
    /// `connect()` never sets one.
    #[inline(always)]
    pub fn end(self) -> u8 {
        match self.backlog_limit() {
            ABSENT_U32 => role::UNKNOWN,
            0 => role::OPENED,
            _ => role::ACCEPTED,
        }
    }

    /// Bytes received and not read: `rcv_nxt - copied_seq`, exact even when the queue was already emptied. A FIN
    /// takes a sequence number until it is read.
    #[inline(always)]
    pub fn unread(self) -> u32 {
        match self.difference(&TCP_RCV_NXT, &TCP_COPIED_SEQ) {
            None => ABSENT_U32,
            Some(unread) => low(unread.wrapping_sub(self.fin_bit() & some(unread))),
        }
    }

    /// Unsent and unacknowledged bytes of payload of a socket that is, or was, in a state: a SYN or FIN under way takes
    /// a sequence number and is none.
    #[inline(always)]
    pub fn outstanding(self, state: u8) -> (u32, u32) {
        let sequences = (self.difference(&TCP_WRITE_SEQ, &TCP_SND_NXT), self.difference(&TCP_SND_NXT, &TCP_SND_UNA));
        let (Some(unsent), Some(unacked)) = sequences else { return (ABSENT_U32, ABSENT_U32) };
        let (fin, syn) = (opaque(FIN_UNDER_WAY >> (state & 31) & 1), opaque(SYN_UNDER_WAY >> (state & 31) & 1));
        let fin_unsent = fin & some(unsent);
        let fin_unacked = fin & (some(unsent) ^ 1) & some(unacked);
        (low(unsent.wrapping_sub(fin_unsent)), low(unacked.wrapping_sub(fin_unacked) & syn.wrapping_sub(1)))
    }

    /// Sequence distance; negative ones (a queue already purged) are 0. `None` when the kernel has no such field.
    #[inline(always)]
    fn difference(self, high: &Global<u32>, low: &Global<u32>) -> Option<u64> {
        // SAFETY: as in `get`.
        let (high, low) = unsafe { (field::<u32>(self.as_ptr(), high)?, field::<u32>(self.as_ptr(), low)?) };
        Some(positive(high.wrapping_sub(low)))
    }

    /// Jiffies since the last data segment was sent; `ABSENT_U32` before the handshake, as below.
    #[inline(always)]
    pub fn send_idle(self, now: u32) -> u32 {
        self.since(&TCP_LSNDTIME, now)
    }

    /// Jiffies since the last data segment was received.
    #[inline(always)]
    pub fn receive_idle(self, now: u32) -> u32 {
        self.since(&ICSK_LRCVTIME, now)
    }

    /// Whether the peer's last segment was an acknowledgement behind all of its payload, and whether it was payload:
    /// two numbers, both 0 where that is not known or the last segment was a FIN. `snd_wl1` is the sequence number of
    /// the last segment that acknowledged or carried payload (`tcp_update_wl`).
    #[inline(always)]
    pub fn last_segment(self) -> (u64, u64) {
        let Some(last) = self.get::<u32>(&TCP_SND_WL1) else { return (0, 0) };
        let known = self.fin_bit() ^ 1;
        let payload = some(u64::from(last ^ self.rcv_nxt()));
        ((payload ^ 1) & known, payload & known)
    }

    /// Jiffies since an acknowledgement was received from the peer, with payload or without.
    #[inline(always)]
    pub fn heard_idle(self, now: u32) -> u32 {
        self.since(&TCP_RCV_TSTAMP, now)
    }

    /// The latest value of the timestamps option that the peer can have sent until now, if its clock counts
    /// milliseconds; `ABSENT_U32` without timestamps: what it sent last, and the time since then, with a margin for a
    /// path whose delay varies by half a round trip and for clocks that differ by a thousandth.
    ///
    /// `rx_opt.rcv_tsval` is the value of the last segment, also of a RST, `rx_opt.ts_recent` the last that passed the
    /// checks (`tcp_parse_aligned_timestamp`, `tcp_store_ts_recent`).
    #[inline(always)]
    pub fn peer_clock(self, now: u32) -> u32 {
        let since_ms = jiffies_to_ms(self.heard_idle(now));
        let (recent, last) = (self.get::<u32>(&TCP_TS_RECENT), self.get::<u32>(&TCP_RCV_TSVAL));
        let (Some(recent), Some(last)) = (recent, last) else { return ABSENT_U32 };
        if since_ms == ABSENT_U32 || self.get::<u32>(&TCP_TS_RECENT_STAMP).unwrap_or(0) == 0 {
            return ABSENT_U32;
        }
        let latest = recent.wrapping_add(low(positive(last.wrapping_sub(recent))));
        // `srtt_us` is eight times the round trip.
        let margin_ms = self.get::<u32>(&TCP_SRTT_US).unwrap_or(0) / (8 * 2 * 1000) + since_ms / 1024;
        latest.wrapping_add(since_ms).wrapping_add(margin_ms).wrapping_add(2 * jiffies_to_ms(1))
    }

    /// Jiffies of silence. With own payload unacknowledged, the time since anything but a FIN was received, data or
    /// acknowledgement; else the time without payload in either direction: a peer that only receives is not silent.
    #[inline(always)]
    pub fn silence(self, now: u32, unacked: u32) -> u32 {
        let received = self.since(&ICSK_LRCVTIME, now);
        if unacked == 0 || unacked == ABSENT_U32 {
            self.idle(now)
        } else if self.fin_received() {
            // The time of the last acknowledgement may be the FIN's.
            received
        } else {
            smaller(self.since(&TCP_RCV_TSTAMP, now), received)
        }
    }

    /// Jiffies without a byte in either direction.
    #[inline(always)]
    pub fn idle(self, now: u32) -> u32 {
        smaller(self.send_idle(now), self.receive_idle(now))
    }

    /// Jiffies since a time stamp; `ABSENT_U32` where it is 0. No `Option`: the compiler may copy the payload of a
    /// `None`, and the verifier refuses the copy of an uninitialised register.
    #[inline(always)]
    fn since(self, stamp: &Global<u32>, now: u32) -> u32 {
        // SAFETY: as in `get`.
        let stamp = unsafe { field::<u32>(self.as_ptr(), stamp) }.unwrap_or(0);
        // A stamp taken on another CPU may be one tick ahead: none is in the future.
        let absent = some(u64::from(stamp)).wrapping_sub(1);
        low(positive(now.wrapping_sub(stamp)) | absent)
    }

    /// Cgroup that the socket was created in; 0 = unknown.
    #[inline(always)]
    pub fn cgroup(self) -> u64 {
        // SAFETY: as in `get`, and typed pointers from there on; a NULL on the way makes the next load fault and read
        // 0.
        unsafe {
            let Some(cgroup) = field::<u64>(self.as_ptr(), &SK_CGROUP) else { return 0 };
            let Some(kn) = field::<u64>(cgroup as *const u8, &CGROUP_KN) else { return 0 };
            field(kn as *const u8, &KERNFS_ID).unwrap_or(0)
        }
    }
}

/// States in which a FIN of this end, or a SYN, is unacknowledged.
const FIN_UNDER_WAY: u64 = 1 << state::FIN_WAIT1 | 1 << state::CLOSING | 1 << state::LAST_ACK;
const SYN_UNDER_WAY: u64 = 1 << state::SYN_SENT | 1 << state::SYN_RECV;

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "half a word")]
fn low(word: u64) -> u32 {
    word as u32
}

/// The smaller of two numbers; `ABSENT_U32`, the greatest, only where both are absent.
#[inline(always)]
fn smaller(a: u32, b: u32) -> u32 {
    if a < b { a } else { b }
}
