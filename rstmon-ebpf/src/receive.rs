//! `tcp_receive_reset`: the kernel accepted a RST, or data that arrived at a closed socket (see `pending`).
//!
//! Prototype: `(struct sock *sk)` (`include/trace/events/tcp.h`), called by `tcp_reset()`; always a full socket.
//! It fires before the error and the state are set: queues and state are those of the connection.

use crate::{
    event, pending, preempt,
    reset::{ResetBuilder, with_work},
    sock::Sock,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use rstmon_common::{key::direction, limits::REASON_UNSUPPORTED};

/// Counts and offers one received reset: at once, or when it is proved to be one.
#[btf_tracepoint(function = "tcp_receive_reset")]
pub fn tcp_receive_reset(ctx: BtfTracePointContext) -> i32 {
    preempt::off(|| handle(&ctx))
}

#[inline(always)]
fn handle(ctx: &BtfTracePointContext) -> i32 {
    // SAFETY: the argument of this very tracepoint.
    let sock = unsafe { Sock::from_btf(ctx.arg(0)) };
    let tcp = sock.tcp();
    pending::decide(None);
    with_work(|work| {
        let mut reset = ResetBuilder::new(work, sock, tcp, direction::RECEIVED);
        reset.set_reason(u32::from(REASON_UNSUPPORTED));
        if let Some(tcp) = tcp {
            reset.add_socket::<true>(tcp);
        }
        reset.finish();
        if pending::is_doubtful(&reset) {
            pending::wait(&reset);
        } else if reset.count() {
            event::offer(&reset);
        }
    });
    0
}
