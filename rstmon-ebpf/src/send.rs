//! `tcp_send_reset`: the kernel sends a RST.
//!
//! Prototype: `(const struct sock *sk, const struct sk_buff *skb)`, and `enum sk_rst_reason reason` from 6.10 on
//! (`include/trace/events/tcp.h`). `sk` may be NULL or a `TIME_WAIT` minisock from 6.10 on; `skb` is NULL for an
//! active reset on every version.

use crate::{
    event,
    layout::SEND_HAS_REASON,
    netns, pending, preempt,
    reset::{ResetBuilder, with_work},
    skb::Segment,
    sock::Sock,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use rstmon_common::{key::direction, limits::REASON_UNSUPPORTED};

/// Counts and offers one sent reset.
#[btf_tracepoint(function = "tcp_send_reset")]
pub fn tcp_send_reset(ctx: BtfTracePointContext) -> i32 {
    preempt::off(|| handle(&ctx))
}

#[inline(always)]
fn handle(ctx: &BtfTracePointContext) -> i32 {
    let sk: *const u8 = ctx.arg(0);
    let skb: *const u8 = ctx.arg(1);
    let reason = if SEND_HAS_REASON.load() != 0 { ctx.arg::<u32>(2) } else { u32::from(REASON_UNSUPPORTED) };

    #[cfg(feature = "debug")]
    aya_log_ebpf::debug!(ctx, "tcp_send_reset: reason {}", reason);

    // SAFETY: the arguments of this very tracepoint.
    let (sock, segment) = unsafe { (Sock::from_btf(sk), Segment::from_btf(skb)) };
    let tcp = sock.tcp();
    netns::tally_sent(tcp, segment);
    pending::decide(tcp.filter(|_| segment.is_present()));
    with_work(|work| {
        let header = segment.read(&mut work.headers);
        let mut reset = ResetBuilder::new(work, sock, tcp, direction::SENT);
        reset.set_reason(reason);
        reset.add_segment(segment, header);
        if let Some(tcp) = tcp {
            reset.add_socket::<false>(tcp);
            reset.add_current();
        }
        if reset.may_have_tombstone() {
            reset.add_tombstone();
        }
        reset.finish();
        if reset.count() {
            event::offer(&reset);
        }
        reset.mark_tombstone();
    });
    0
}
