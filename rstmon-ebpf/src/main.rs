//! The kernel half of rstmon: bounded, without allocation in the reset path, one concern in each file.
//!
//! | file | concern |
//! |---|---|
//! | `send`, `receive` | the two reset hooks: what to count and offer |
//! | `answer` | sent resets for which `tcp_send_reset` does not fire on kernels before 6.10 |
//! | `state`, `used`, `accept`, `backfill` | the hooks that learn owners |
//! | `holders` | which processes that hold sockets live and have not forked, and the hooks that learn it |
//! | `reset` | evidence and owner of one reset -> the key it is counted under |
//! | `conversation`, `late` | what is known of it on a full socket, and of one whose socket is gone |
//! | `facts` | phase of a conversation, means of a close |
//! | `count`, `front`, `event` | the counting path, the table in front of its hashes, the event path |
//! | `pending` | received resets that wait until they are proved true or false |
//! | `sock`, `skb`, `task`, `layout`, `atomic`, `clock` | reading and writing memory, reading clocks |
//! | `wire` | the sequence numbers of a reset |
//! | `branchless` | conditions that the verifier does not follow |
//! | `note`, `opened` | notes of sockets, and of connections opened here |
//! | `tombstones`, `listeners` | tombstones of connections, ports with a listener |
//! | `maps` | the maps |
//! | `preempt` | turning preemption off while a reset hook runs |
//! | `netns` | resets sent in each network namespace, and the tasks in it |

#![no_std]
#![no_main]
#![expect(clippy::inline_always, reason = "readers of one field: a call would cost more than they do")]
#![expect(clippy::needless_pass_by_value, reason = "the signature of a program is given by its macro")]
#![expect(unreachable_pub, reason = "one binary of many small modules: `pub` means shared between them")]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

mod accept;
mod answer;
mod atomic;
mod backfill;
mod branchless;
mod clock;
mod conversation;
mod count;
mod event;
mod facts;
mod front;
mod holders;
mod late;
mod layout;
mod listeners;
mod maps;
mod netns;
mod note;
mod opened;
mod pending;
mod preempt;
mod receive;
mod reset;
mod send;
mod skb;
mod sock;
mod state;
mod task;
mod tombstones;
mod used;
mod wire;

/// Licence of the kernel half as the kernel sees it: GPL-only helpers need a compatible one.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[cfg(not(test))]
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo) -> ! {
    // SAFETY: no code path of the kernel half panics; the verifier would refuse one that could loop here.
    unsafe { core::hint::unreachable_unchecked() }
}
