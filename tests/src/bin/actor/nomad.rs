//! A process that makes one network namespace after the other, has some connections reset in each and leaves it, so
//! that the kernel removes it.

use crate::{During as _, options::check, socket::open, storm::Storm};
use anyhow::{Context as _, Result};
use rstmon_tests::{kernel::Counters, protocol::Fields, random::SplitMix};
use std::{ffi::c_short, fs, mem, os::fd::AsRawFd as _};

/// The most resets that a namespace sees.
const MOST_RESETS: usize = 6;

/// `nomad COUNT SEED`: the last namespace stays until the next such command or the end of this process.
pub(crate) fn nomad(count: u64, seed: u64) -> Result<Fields> {
    let mut random = SplitMix(seed);
    let (mut received, mut sent, mut ends) = (0, 0, 0);
    for _ in 0..count {
        // SAFETY: takes no pointers, and changes nothing but where this thread's new sockets are.
        check(unsafe { libc::unshare(libc::CLONE_NEWNET) }).during("unshare")?;
        loopback_up()?;
        let mut storm = Storm::new("v4", random.number())?;
        storm.provoke(1 + random.below(MOST_RESETS) as u64)?;
        let report = storm.report();
        received += report.get::<u64>("received")?;
        ends += report.get::<u64>("addresses")?;
        sent += out_rsts()?;
    }
    Ok(Fields::default()
        .with("namespaces", count)
        .with("received", received)
        .with("sent", sent)
        .with("addresses", ends)
        .with("ports", 0))
}

/// The kernel's counter in the namespace of this thread, in which only this process has sent resets.
fn out_rsts() -> Result<u64> {
    let path = "/proc/thread-self/net/snmp";
    let text = fs::read_to_string(path).with_context(|| format!("reading {path}"))?;
    Ok(Counters::of_snmp(&text)?.get("OutRsts"))
}

fn loopback_up() -> Result<()> {
    let socket = open("v4")?;
    // SAFETY: all zeroes is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(*b"lo") {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    request.ifr_ifru.ifru_flags = c_short::try_from(libc::IFF_UP)?;
    // SAFETY: the request is an `ifreq` with a name and flags, which is what this one reads.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw mut request) }).during("ioctl")?;
    Ok(())
}
