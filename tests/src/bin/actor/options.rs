//! Socket options by name: those that change how a connection ends.

use crate::{During as _, Failed};
use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use std::{
    ffi::c_int,
    mem,
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
};

/// `TCP_REPAIR` of linux/tcp.h: a socket closed in repair mode is forgotten without a segment.
const TCP_REPAIR: c_int = 19;

/// `TCP_REPAIR_QUEUE` of linux/tcp.h: the queue that [`TCP_QUEUE_SEQ`] is about.
const TCP_REPAIR_QUEUE: c_int = 20;
/// `TCP_QUEUE_SEQ` of linux/tcp.h: the next sequence number of a queue.
const TCP_QUEUE_SEQ: c_int = 21;
/// Values of [`TCP_REPAIR_QUEUE`].
const TCP_RECV_QUEUE: c_int = 1;
const TCP_SEND_QUEUE: c_int = 2;
/// Value of [`TCP_REPAIR`] that leaves repair mode without a window probe.
const TCP_REPAIR_OFF_NO_WP: c_int = -1;

/// Sets one option from its words: `linger 0`, `linger2 -1`, `keepalive 1 1 1`.
pub(crate) fn set(fd: &OwnedFd, words: &[&str]) -> Result<()> {
    let number = |word: &str| word.parse::<c_int>().with_context(|| format!("number {word:?}"));
    match words {
        ["linger", seconds] => linger(fd, number(seconds)?)?,
        ["keepalive", idle, interval, count] => {
            integer(fd, libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, number(idle)?)?;
            integer(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, number(interval)?)?;
            integer(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, number(count)?)?;
            integer(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
        }
        [name, value] => {
            let (level, option) = match *name {
                "linger2" => (libc::IPPROTO_TCP, libc::TCP_LINGER2),
                "repair" => (libc::IPPROTO_TCP, TCP_REPAIR),
                "nodelay" => (libc::IPPROTO_TCP, libc::TCP_NODELAY),
                "quickack" => (libc::IPPROTO_TCP, libc::TCP_QUICKACK),
                // Milliseconds after which unacknowledged data ends the connection.
                "user-timeout" => (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
                "defer-accept" => (libc::IPPROTO_TCP, libc::TCP_DEFER_ACCEPT),
                "reuseport" => (libc::SOL_SOCKET, libc::SO_REUSEPORT),
                "reuseaddr" => (libc::SOL_SOCKET, libc::SO_REUSEADDR),
                "rcvbuf" => (libc::SOL_SOCKET, libc::SO_RCVBUF),
                // The kernel chooses the port at connect: any that is free towards that peer.
                "no-port" => (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT),
                "v6only" => (libc::IPPROTO_IPV6, libc::IPV6_V6ONLY),
                _ => bail!("unknown option {name}"),
            };
            integer(fd, level, option, number(value)?)?;
        }
        _ => bail!("option {words:?}"),
    }
    Ok(())
}

/// Bytes received but not read (`SIOCINQ`), or written but not acknowledged (`SIOCOUTQ`).
pub(crate) fn queued(fd: &OwnedFd, which: Queue) -> Result<c_int, Failed> {
    let request = match which {
        Queue::Receive => libc::FIONREAD,
        Queue::Send => libc::TIOCOUTQ,
    };
    let mut bytes: c_int = 0;
    // SAFETY: both requests write one int to the pointer they are given.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw mut bytes) }).during("ioctl")?;
    Ok(bytes)
}

/// The two queues of a socket.
#[derive(Clone, Copy)]
pub(crate) enum Queue {
    Receive,
    Send,
}

/// The kernel's view of a connection.
pub(crate) fn tcp_info(fd: &OwnedFd) -> Result<libc::tcp_info, Failed> {
    // SAFETY: tcp_info is plain numbers, for which all zeroes is a value.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut length = socklen::<libc::tcp_info>();
    // SAFETY: `info` has `length` writable bytes; the kernel writes at most as many.
    let result = unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, (&raw mut info).cast(), &raw mut length)
    };
    check(result).during("getsockopt")?;
    Ok(info)
}

/// The next sequence numbers that a connection sends and expects. Repair mode, which shows them, takes `CAP_NET_ADMIN`.
pub(crate) fn sequences(fd: &OwnedFd) -> Result<(u32, u32), Failed> {
    in_repair(fd, || {
        let mut found = [0u32; 2];
        for (queue, sequence) in [TCP_SEND_QUEUE, TCP_RECV_QUEUE].into_iter().zip(&mut found) {
            integer(fd, libc::IPPROTO_TCP, TCP_REPAIR_QUEUE, queue)?;
            let mut length = socklen::<u32>();
            let value: *mut u32 = sequence;
            // SAFETY: `value` has `length` writable bytes; the kernel writes at most as many.
            let result = unsafe {
                libc::getsockopt(fd.as_raw_fd(), libc::IPPROTO_TCP, TCP_QUEUE_SEQ, value.cast(), &raw mut length)
            };
            check(result).during("getsockopt")?;
        }
        Ok((found[0], found[1]))
    })
}

/// The value of the timestamps option that a connection would send now.
pub(crate) fn timestamp(fd: &OwnedFd) -> Result<u32, Failed> {
    let mut value = 0u32;
    let mut length = socklen::<u32>();
    // SAFETY: `value` has `length` writable bytes; the kernel writes at most as many.
    let result = unsafe {
        let pointer: *mut u32 = &raw mut value;
        libc::getsockopt(fd.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_TIMESTAMP, pointer.cast(), &raw mut length)
    };
    check(result).during("getsockopt")?;
    Ok(value)
}

/// Sets the initial sequence number of the connection that this socket will open.
pub(crate) fn initial_sequence(fd: &OwnedFd, sequence: u32) -> Result<(), Failed> {
    in_repair(fd, || {
        integer(fd, libc::IPPROTO_TCP, TCP_REPAIR_QUEUE, TCP_SEND_QUEUE)?;
        set_raw(fd, libc::IPPROTO_TCP, TCP_QUEUE_SEQ, &sequence)
    })
}

fn in_repair<T>(fd: &OwnedFd, work: impl FnOnce() -> Result<T, Failed>) -> Result<T, Failed> {
    integer(fd, libc::IPPROTO_TCP, TCP_REPAIR, 1)?;
    let done = work();
    integer(fd, libc::IPPROTO_TCP, TCP_REPAIR, TCP_REPAIR_OFF_NO_WP)?;
    done
}

fn linger(fd: &OwnedFd, seconds: c_int) -> Result<(), Failed> {
    let value = libc::linger { l_onoff: 1, l_linger: seconds };
    set_raw(fd, libc::SOL_SOCKET, libc::SO_LINGER, &value)
}

fn integer(fd: &OwnedFd, level: c_int, option: c_int, value: c_int) -> Result<(), Failed> {
    set_raw(fd, level, option, &value)
}

fn set_raw<T>(fd: impl AsFd, level: c_int, option: c_int, value: &T) -> Result<(), Failed> {
    let value: *const T = value;
    // SAFETY: the kernel reads `size_of::<T>()` bytes behind a pointer made from a reference.
    let result = unsafe { libc::setsockopt(fd.as_fd().as_raw_fd(), level, option, value.cast(), socklen::<T>()) };
    check(result).during("setsockopt")
}

fn socklen<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(mem::size_of::<T>()).unwrap_or(libc::socklen_t::MAX)
}

/// Converts the C convention, -1 and errno, to a result.
pub(crate) fn check(result: c_int) -> rustix::io::Result<()> {
    if result >= 0 {
        return Ok(());
    }
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO);
    Err(Errno::from_raw_os_error(errno))
}
