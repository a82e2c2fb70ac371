//! `tcp_v4_send_reset`, `tcp_v6_send_reset`: answers to segments that meet no socket or only a `TIME_WAIT` minisock,
//! for which the tracepoint `tcp_send_reset` does not fire before 6.10. These hooks need trampolines, and are attached
//! on those kernels only.
//!
//! Prototype: `static void tcp_v4_send_reset(const struct sock *sk, struct sk_buff *skb)` (`net/ipv4/tcp_ipv4.c`,
//! `net/ipv6/tcp_ipv6.c`, the same from 4.15 to 6.9). At their entry the kernel has not yet decided to send a reset: it
//! does not answer a RST, nor a segment without a socket that was not sent to an address of this host. One exception is
//! not checked here: to a segment with an MD5 signature (`TCP_MD5SIG`) that fits no listener the kernel sends no reset.

use crate::{
    event,
    layout::{RT_TYPE, RT6_FLAGS, SKB_REFDST, probe},
    netns, pending, preempt,
    reset::{ResetBuilder, with_work},
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
/// Route type `RTN_LOCAL` (`include/uapi/linux/rtnetlink.h`).
const LOCAL_V4: u16 = 2;
/// Route flag `RTF_LOCAL` (`include/uapi/linux/ipv6_route.h`).
const LOCAL_V6: u32 = 0x8000_0000;

/// Counts and offers an IPv4 reset that has no full socket.
#[fentry(function = "tcp_v4_send_reset")]
pub fn tcp_v4_send_reset(ctx: FEntryContext) -> i32 {
    let (sk, skb): (*const u8, *const u8) = (ctx.arg(0), ctx.arg(1));
    preempt::off(|| answer(sk, skb, || probe::<u16>(route(skb), &RT_TYPE).is_none_or(|kind| kind == LOCAL_V4)))
}

/// Counts and offers an IPv6 reset that has no full socket.
#[fentry(function = "tcp_v6_send_reset")]
pub fn tcp_v6_send_reset(ctx: FEntryContext) -> i32 {
    let (sk, skb): (*const u8, *const u8) = (ctx.arg(0), ctx.arg(1));
    preempt::off(|| answer(sk, skb, || probe::<u32>(route(skb), &RT6_FLAGS).is_none_or(|flags| flags & LOCAL_V6 != 0)))
}

/// The route of the segment, `struct rtable *` or `struct rt6_info *`: both begin with their `dst_entry`.
#[inline(always)]
fn route(skb: *const u8) -> *const u8 {
    (probe::<u64>(skb, &SKB_REFDST).unwrap_or(0) & DST_MASK) as *const u8
}

#[inline(always)]
fn answer(sk: *const u8, skb: *const u8, is_local: impl FnOnce() -> bool) -> i32 {
    // SAFETY: the arguments of the traced function, which have the types of the tracepoint's.
    let (sock, segment) = unsafe { (Sock::from_btf(sk), Segment::from_btf(skb)) };
    // The tracepoint fires for full sockets.
    let hidden = match sock.kind {
        socket::NONE => is_local(),
        socket::TIME_WAIT => true,
        _ => false,
    };
    if !hidden {
        return 0;
    }
    with_work(|work| {
        let header = segment.read(&mut work.headers);
        if header.is_reset() {
            return;
        }
        netns::tally_sent(None, segment);
        // A waiting reset is on a full socket, so this reset does not prove it false.
        pending::decide(None);
        let mut reset = ResetBuilder::new(work, sock, None, direction::SENT);
        reset.set_reason(u32::from(REASON_UNSUPPORTED));
        reset.add_segment(segment, header);
        reset.add_tombstone();
        reset.finish();
        if reset.count() {
            event::offer(&reset);
        }
        reset.mark_tombstone();
    });
    0
}
