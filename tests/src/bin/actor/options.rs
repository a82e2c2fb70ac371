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
