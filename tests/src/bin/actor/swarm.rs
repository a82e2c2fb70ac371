//! Many processes of random names, each with one refused connection.

use crate::{During as _, options::check, socket::open};
use anyhow::{Result, bail};
use rstmon_tests::{protocol::Fields, random::SplitMix};
use rustix::{io::Errno, net, thread::set_name};
use std::{ffi::CString, net::SocketAddr};

/// Bytes of a name, without the NUL.
const NAME: usize = 15;
/// Exit status of a child that was refused.
const REFUSED: i32 = 7;

/// Forks `count` children, one after the other, each of which takes a random name and connects to a closed port.
pub(crate) fn swarm(address: SocketAddr, count: u64, seed: u64) -> Result<Fields> {
    let mut random = SplitMix(seed);
    for _ in 0..count {
        let name: Vec<u8> = random.bytes(NAME).into_iter().map(|byte| byte.max(1)).collect();
        // SAFETY: this process has one thread, so the child inherits no locked mutex.
        let pid = unsafe { libc::fork() };
        check(pid).during("fork")?;
        if pid == 0 {
            let code = match one(&name, address) {
                Ok(()) => REFUSED,
                Err(_) => 1,
            };
            // SAFETY: ends the child at once, without the parent's buffers being written a second time.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: `pid` is a child that only this call waits for; `status` is writable.
        check(unsafe { libc::waitpid(pid, &raw mut status, 0) }).during("waitpid")?;
        if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != REFUSED {
            bail!("a child of the swarm ended with status {status}");
        }
    }
    Ok(Fields::default().with("refused", count))
}

fn one(name: &[u8], address: SocketAddr) -> Result<()> {
    set_name(&CString::new(name)?).during("prctl")?;
    match net::connect(open(if address.is_ipv4() { "v4" } else { "v6" })?, &address) {
        Err(Errno::CONNREFUSED) => Ok(()),
        other => bail!("connect: {other:?}"),
    }
}
