//! Notifications to the service manager (`sd_notify(3)`) over the socket that `NOTIFY_SOCKET` names. Without the
//! variable, none are sent.
//!
//! The notifier connects at the start, because the sandbox later forbids abstract sockets, and keeps the connection. If
//! the manager replaces its socket, the notifier connects again.

use sd_notify::NotifyState;
use std::{
    env,
    ffi::{OsStr, OsString},
    fmt::Write as _,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    path::{Path, PathBuf},
    time::Duration,
};

const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// Limit of the time that the daemon waits for a manager that does not read.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends notifications to the service manager, if there is one.
pub(super) struct Notifier(Option<Manager>);

struct Manager {
    name: OsString,
    socket: UnixDatagram,
}

impl Notifier {
    /// Connects to the socket that the environment names.
    pub(super) fn from_environment() -> Self {
        Self::new(env::var_os(NOTIFY_SOCKET))
    }

    fn new(name: Option<OsString>) -> Self {
        Self(name.and_then(|name| match open(&name) {
            Ok(socket) => Some(Manager { name, socket }),
            Err(error) => {
                tracing::error!(socket = %name.display(), %error, "cannot reach the service manager");
                None
            }
        }))
    }

    /// The path of the manager's socket, unless it is an abstract one.
    pub(super) fn path(&self) -> Option<PathBuf> {
        let name = &self.0.as_ref()?.name;
        (!name.as_bytes().starts_with(b"@")).then(|| name.into())
    }

    /// Notifies that the hooks are attached and the listeners bound.
    pub(super) fn ready(&self, status: &str) {
        self.send(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Notifies the watchdog.
    pub(super) fn alive(&self) {
        self.send(&[NotifyState::Watchdog]);
    }

    /// Notifies that a reload has begun; [`Notifier::ready`] ends it.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.send(&[NotifyState::Reloading, now, NotifyState::Status("reloading the configuration")]),
            Err(error) => tracing::error!(%error, "no monotonic clock"),
        }
    }

    pub(super) fn stopping(&self) {
        self.send(&[NotifyState::Stopping, NotifyState::Status("detaching")]);
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        let Some(Manager { name, socket }) = &self.0 else { return };
        let message = message(states);
        let sent = match socket.send(&message) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::ECONNREFUSED | libc::ENOTCONN)) => {
                connect(socket, name).and_then(|()| socket.send(&message))
            }
            sent => sent,
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "cannot notify the service manager");
        }
    }
}

/// One assignment per line. Line breaks in a value are replaced, because they would begin another assignment.
fn message(states: &[NotifyState<'_>]) -> Vec<u8> {
    let mut message = String::new();
    for state in states {
        let line = state.to_string().replace(['\n', '\r'], " ");
        // Writing to a String does not fail.
        let _ = writeln!(message, "{line}");
    }
    message.into_bytes()
}

fn open(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    connect(&socket, name)?;
    Ok(socket)
}

/// Connects to an abstract socket (`@name`) or to a path (`/name`).
fn connect(socket: &UnixDatagram, name: &OsStr) -> io::Result<()> {
    match name.as_bytes() {
        [b'@', name @ ..] => socket.connect_addr(&SocketAddr::from_abstract_name(name)?),
        [b'/', ..] => socket.connect(Path::new(name)),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "neither a path nor an abstract name")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Notifier, message};
    use sd_notify::NotifyState;
    use std::os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    };

    fn receive(manager: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = manager.recv(&mut buffer).expect("a message");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn a_manager_with_a_path_gets_every_state_even_after_it_replaced_its_socket() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("a socket");
        let notifier = Notifier::new(Some(path.clone().into()));
        assert_eq!(notifier.path(), Some(path.clone()));
        notifier.ready("watching");
        assert_eq!(receive(&manager), "READY=1\nSTATUS=watching\n");
        notifier.reloading();
        let reloading = receive(&manager);
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
        drop(manager);
        std::fs::remove_file(&path).expect("the socket's file");
        let manager = UnixDatagram::bind(&path).expect("a new socket");
        notifier.alive();
        assert_eq!(receive(&manager), "WATCHDOG=1\n");
    }

    #[test]
    fn a_manager_with_an_abstract_socket_gets_the_states() {
        let name = format!("rstmon-notify-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let manager = UnixDatagram::bind_addr(&address).expect("a socket");
        let notifier = Notifier::new(Some(format!("@{name}").into()));
        notifier.stopping();
        assert!(receive(&manager).starts_with("STOPPING=1\n"));
        assert_eq!(notifier.path(), None);
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        Notifier::new(None).alive();
        Notifier::new(Some("vsock:2:1".into())).alive();
        Notifier::new(Some("/does/not/exist".into())).alive();
    }

    #[test]
    fn text_cannot_become_another_assignment() {
        assert_eq!(message(&[NotifyState::Status("a\nWATCHDOG=trigger")]), b"STATUS=a WATCHDOG=trigger\n");
    }
}
