//! The kernel half of rstmon: bounded, without allocation in the reset path, one concern a file.
//!
//! | file | concern |
//! |---|---|
//! | `send`, `receive` | the two reset hooks: what to count and offer |
//! | `answer` | resets that the hook of sent ones hides on kernels before 6.10 |
//! | `state`, `used`, `accept`, `backfill` | the hooks that learn owners |
//! | `reset` | evidence and owner of one reset -> the key it is counted under |
//! | `count`, `front`, `event`, `pending` | the counting path and its short cut, the event path, received resets that wait for a verdict |
//! | `sock`, `skb`, `task`, `layout`, `atomic` | reading and writing memory |
//! | `note`, `opened`, `graves`, `listeners`, `maps` | notes of sockets, and of connections opened here; tombstones, ports with a listener, the maps |
//! | `preempt` | keeping the CPU while a reset hook runs |
//! | `netns` | resets sent in each network namespace, and who lives there |

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
mod count;
mod event;
mod front;
mod graves;
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
mod used;

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
