//! Many short processes, one after the other: each takes one of a set of names, has a connection reset and ends.

use crate::{
    During as _,
    options::check,
    socket::{listening, open},
    storm,
};
use anyhow::{Result, bail};
use rstmon_tests::{protocol::Fields, random::SplitMix};
use rustix::{
    io::Errno,
    net::{self, SocketFlags},
    process::{Signal, set_parent_process_death_signal},
    thread::set_name,
};
use std::{ffi::CString, net::SocketAddr, os::fd::OwnedFd};

/// Exit status of a child that succeeded.
const DONE: i32 = 7;

/// `crowd CLOSED COUNT SEED NAMES PREFIX`: `count` children with one of `names` names each. Half of them are refused at
/// the address `closed`; the others end with a byte unread, which resets a connection to this process.
pub(crate) fn crowd(closed: SocketAddr, count: u64, seed: u64, names: usize, prefix: &str) -> Result<Fields> {
    let mut random = SplitMix(seed);
    let kind = if closed.is_ipv4() { "v4" } else { "v6" };
    let (listener, open_address) = listening(closed.ip(), 16)?;
    let (mut refused, mut died) = (0u64, 0u64);
    for _ in 0..count {
        let name = CString::new(format!("{prefix}{:x}", random.below(names.max(1))))?;
        let leaves = random.below(2) == 0;
        // SAFETY: this process has one thread, so the child inherits no locked mutex.
        let pid = unsafe { libc::fork() };
        check(pid).during("fork")?;
        if pid == 0 {
            // The child has inherited the listener: without this signal, a child would keep connections open that this
            // process does not accept any more.
            let _ = set_parent_process_death_signal(Some(Signal::KILL));
            let lived = if leaves { leave_unread(&name, kind, open_address) } else { be_refused(&name, kind, closed) };
            // SAFETY: ends the child at once, without the parent's buffers being written a second time. What it has
            // open is closed by the kernel, in the order of the descriptors.
            unsafe { libc::_exit(if lived.is_ok() { DONE } else { 1 }) };
        }
        if leaves {
            let server: OwnedFd = net::accept_with(&listener, SocketFlags::CLOEXEC).during("accept")?;
            storm::say(&server)?;
            storm::was_reset(&server)?;
            died += 1;
        } else {
            refused += 1;
        }
        let mut status = 0;
        // SAFETY: `pid` is a child that only this call waits for; `status` is writable.
        check(unsafe { libc::waitpid(pid, &raw mut status, 0) }).during("waitpid")?;
        if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != DONE {
            bail!("a child of the crowd ended with status {status}");
        }
    }
    Ok(Fields::default()
        .with("received", refused + died)
        .with("refused", refused)
        .with("died", died)
        .with("addresses", 1)
        .with("ports", 2))
}

fn be_refused(name: &CString, kind: &str, closed: SocketAddr) -> Result<()> {
    set_name(name)?;
    match net::connect(open(kind)?, &closed) {
        Err(Errno::CONNREFUSED) => Ok(()),
        other => bail!("connect: {other:?}"),
    }
}

/// Connects, waits for a byte, and leaves the connection open: the kernel closes it when the process ends.
fn leave_unread(name: &CString, kind: &str, address: SocketAddr) -> Result<()> {
    set_name(name)?;
    let client = open(kind)?;
    net::connect(&client, &address).during("connect")?;
    storm::arrived(&client)?;
    std::mem::forget(client);
    Ok(())
}
