//! Socket activation: listeners that the service manager opened and hands over (`sd_listen_fds(3)`).
//!
//! Each socket's address family decides its use: TCP listeners serve the metrics, the one Unix listener serves the
//! commands. Any other descriptor is an error, because the unit that passes it expects it to be used.

use rustix::net::{AddressFamily, SocketType, getsockname, sockopt};
use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd},
};
use tokio::net::{TcpListener, UnixListener};

/// Why inherited descriptors cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InheritError {
    /// `LISTEN_FDS`, `LISTEN_PID` or `LISTEN_FDNAMES` cannot be parsed.
    #[error("the service manager's LISTEN_FDS makes no sense: {source}")]
    Environment { source: io::Error },
    #[error(
        "the service manager passed {name:?}, which is no listening TCP or Unix stream socket; correct rstmon.socket"
    )]
    Kind {
        /// `FileDescriptorName=` of the socket unit.
        name: String,
    },
    #[error("the service manager passed more than one Unix socket, {name:?} among them; leave one in rstmon.socket")]
    Twice {
        /// `FileDescriptorName=` of the socket unit.
        name: String,
    },
    /// fcntl(2) or the registration with epoll failed.
    #[error("cannot use a socket that the service manager passed: {source}")]
    Use { source: io::Error },
}

/// Listeners that the service manager opened.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    tcp: Vec<std::net::TcpListener>,
    unix: Option<std::os::unix::net::UnixListener>,
}

impl Inherited {
    /// The listeners passed to this process, which may be none. Must be called at most once: it takes ownership.
    pub(crate) fn from_environment() -> Result<Self, InheritError> {
        let passed = sd_notify::listen_fds_with_names().map_err(|source| InheritError::Environment { source })?;
        Self::sort(passed.map(|(fd, name)| {
            // SAFETY: by the protocol these descriptors are open and owned by this process, and no other code takes
            // them.
            (unsafe { OwnedFd::from_raw_fd(fd) }, name)
        }))
    }

    fn sort(passed: impl IntoIterator<Item = (OwnedFd, String)>) -> Result<Self, InheritError> {
        let mut inherited = Self::default();
        for (fd, name) in passed {
            match family(&fd) {
                Some(AddressFamily::INET | AddressFamily::INET6) => inherited.tcp.push(fd.into()),
                Some(AddressFamily::UNIX) if inherited.unix.is_some() => return Err(InheritError::Twice { name }),
                Some(AddressFamily::UNIX) => inherited.unix = Some(fd.into()),
                _ => return Err(InheritError::Kind { name }),
            }
        }
        Ok(inherited)
    }

    /// Registers the listeners with the tokio runtime, in whose context it has to be called.
    pub(crate) fn into_parts(self) -> Result<(Vec<TcpListener>, Option<UnixListener>), InheritError> {
        let Self { tcp, unix } = self;
        let parts = || -> io::Result<_> {
            let mut listeners = Vec::new();
            for listener in tcp {
                listener.set_nonblocking(true)?;
                listeners.push(TcpListener::from_std(listener)?);
            }
            let unix = match unix {
                Some(listener) => {
                    listener.set_nonblocking(true)?;
                    Some(UnixListener::from_std(listener)?)
                }
                None => None,
            };
            Ok((listeners, unix))
        };
        parts().map_err(|source| InheritError::Use { source })
    }
}

/// `None` for anything but a listening stream socket.
fn family(fd: &OwnedFd) -> Option<AddressFamily> {
    let listens = sockopt::socket_acceptconn(fd).ok()?;
    let streams = sockopt::socket_type(fd).ok()? == SocketType::STREAM;
    (listens && streams).then(|| getsockname(fd).ok().map(|address| address.address_family()))?
}

#[cfg(test)]
mod tests {
    use super::{InheritError, Inherited};
    use std::{
        net::{TcpListener, TcpStream, UdpSocket},
        os::{fd::OwnedFd, unix::net::UnixListener},
    };

    fn named(fd: impl Into<OwnedFd>) -> (OwnedFd, String) {
        (fd.into(), "rstmon.socket".to_owned())
    }

    #[tokio::test]
    async fn listeners_are_sorted_by_family() {
        let directory = tempfile::tempdir().expect("a directory");
        let v4 = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = v4.local_addr().expect("its address");
        let unix = UnixListener::bind(directory.path().join("s")).expect("a socket");
        let (tcp, unix) =
            Inherited::sort([named(unix), named(v4)]).expect("both are listeners").into_parts().expect("usable");
        assert_eq!(tcp.iter().map(|tcp| tcp.local_addr().expect("bound")).collect::<Vec<_>>(), [address]);
        assert!(unix.is_some());
    }

    #[test]
    fn what_does_not_listen_is_refused_by_name() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let stream = TcpStream::connect(listener.local_addr().expect("its address")).expect("a connection");
        let file = tempfile::tempfile().expect("a file");
        for fd in [named(stream), named(UdpSocket::bind("127.0.0.1:0").expect("a port")), named(file)] {
            let error = Inherited::sort([fd]).expect_err("no listener");
            assert!(error.to_string().contains("rstmon.socket"), "{error}");
        }
    }

    #[test]
    fn a_second_unix_socket_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let passed = ["a", "b"].map(|name| named(UnixListener::bind(directory.path().join(name)).expect("a socket")));
        assert!(matches!(Inherited::sort(passed), Err(InheritError::Twice { .. })));
    }
}
