//! `tcp_v4_send_reset`, `tcp_v6_send_reset`: resets that `tcp_send_reset` hides before 6.10, because no socket or only
//! a `TIME_WAIT` minisock is there. Need a trampoline, and are attached on those kernels only.
//!
//! Prototype: `static void tcp_v4_send_reset(const struct sock *sk, struct sk_buff *skb)` (`net/ipv4/tcp_ipv4.c`,
//! `net/ipv6/tcp_ipv6.c`, the same from 4.15 to 6.9). At their entry a reset is not decided yet: they leave a RST
//! unanswered, and a segment without a socket that was not sent to an address of this host. What is not known here is
//! whether such a segment carries an MD5 signature (`TCP_MD5SIG`) that fits no listener: then none is sent.

use crate::{
    event,
    layout::{RT_TYPE, RT6_FLAGS, SKB_REFDST, probe},
    netns, pending, preempt,
    reset::{Reset, with_room},
    skb::Segment,
    sock::Sock,
};
use aya_ebpf::{macros::fentry, programs::FEntryContext};
use rstmon_common::{
    key::{direction, socket},
    limits::REASON_UNSUPPORTED,
};

/// The lowest bit of `_skb_refdst` is a flag (`SKB_DST_NOREF`, `include/linux/skbuff.h`).
const DST_MASK: u64 = !1;
/// `RTN_LOCAL` (`include/uapi/linux/rtnetlink.h`).
const LOCAL_V4: u16 = 2;
/// `RTF_LOCAL` (`include/uapi/linux/ipv6_route.h`).
const LOCAL_V6: u32 = 0x8000_0000;

/// Counts and offers an IPv4 reset that has no full socket.
#[fentry(function = "tcp_v4_send_reset")]
pub fn tcp_v4_send_reset(ctx: FEntryContext) -> i32 {
    let (sk, skb): (*const u8, *const u8) = (ctx.arg(0), ctx.arg(1));
    preempt::off(|| answer(sk, skb, || probe::<u16>(route(skb), &RT_TYPE).is_none_or(|kind| kind == LOCAL_V4)))
}

/// The same for IPv6.
#[fentry(function = "tcp_v6_send_reset")]
pub fn tcp_v6_send_reset(ctx: FEntryContext) -> i32 {
    let (sk, skb): (*const u8, *const u8) = (ctx.arg(0), ctx.arg(1));
    preempt::off(|| answer(sk, skb, || probe::<u32>(route(skb), &RT6_FLAGS).is_none_or(|flags| flags & LOCAL_V6 != 0)))
}

/// The route that the segment came by, `struct rtable *` or `struct rt6_info *`: both begin with their `dst_entry`.
#[inline(always)]
fn route(skb: *const u8) -> *const u8 {
    (probe::<u64>(skb, &SKB_REFDST).unwrap_or(0) & DST_MASK) as *const u8
}

#[inline(always)]
fn answer(sk: *const u8, skb: *const u8, is_local: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the arguments of this very function, of the types that the tracepoint has.
    let (sock, segment) = unsafe { (Sock::from_btf(sk), Segment::from_btf(skb)) };
    // Full sockets are the tracepoint's.
    let hidden = match sock.kind {
        socket::NONE => is_local(),
        socket::TIME_WAIT => true,
        _ => false,
    };
    if !hidden {
        return 0;
    }
    with_room(|work| {
        let header = segment.read(&mut work.headers);
        if header.is_reset() {
            return;
        }
        netns::tally_sent(None, segment);
        // What waits had a full socket.
        pending::decide(None);
        let mut reset = Reset::new(work, sock, None, direction::SENT);
        reset.set_reason(u32::from(REASON_UNSUPPORTED));
        reset.add_segment(segment, header);
        reset.add_memory();
        reset.finish();
        if reset.count() {
            event::offer(&reset);
        }
    });
    0
}
