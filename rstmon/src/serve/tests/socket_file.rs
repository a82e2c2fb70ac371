//! The socket file: its permissions, its owner, and what is left behind.

use super::{
    super::socket::file::{DaemonSocket, SocketError},
    *,
};
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixListener as StdUnixListener,
    },
};

fn socket_options(path: impl Into<PathBuf>) -> SocketOptions {
    SocketOptions { path: path.into(), group: None }
}

#[tokio::test]
async fn it_is_private_and_goes_with_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run/deep/rstmon.sock");
    let socket = DaemonSocket::bind(&socket_options(&path)).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o660, "the socket");
    // The umask may clear bits of 0750; no other bit may be set.
    assert_eq!(mode(path.parent().unwrap()) & !0o750, 0, "the directory");
    drop(socket);
    assert!(!path.exists());
}

#[tokio::test]
async fn its_group_can_be_chosen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rstmon.sock");
    // The group that new files have anyway: setting it needs no privileges.
    let own = fs::metadata(directory.path()).unwrap().gid();
    let socket = DaemonSocket::bind(&SocketOptions { path: path.clone(), group: Some(own.to_string()) }).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().gid(), own);
    drop(socket);
    let unknown = SocketOptions { path: path.clone(), group: Some("no-such-group-here".to_owned()) };
    assert!(matches!(DaemonSocket::bind(&unknown), Err(SocketError::Group(_))));
    assert!(!path.exists(), "nothing is left behind");
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rstmon.sock");
    drop(StdUnixListener::bind(&path).unwrap());
    assert!(path.exists(), "std leaves the file, as a killed daemon does");
    let socket = DaemonSocket::bind(&socket_options(&path)).unwrap();
    let (accepted, connected) = tokio::join!(socket.listener().accept(), tokio::net::UnixStream::connect(&path));
    accepted.unwrap();
    connected.unwrap();
}

#[tokio::test]
async fn a_living_daemon_is_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rstmon.sock");
    let first = DaemonSocket::bind(&socket_options(&path)).unwrap();
    let error = DaemonSocket::bind(&socket_options(&path)).unwrap_err();
    assert!(matches!(error, SocketError::Taken { .. }), "found {error:?}");
    assert!(path.exists(), "the first one's socket is still there");
    drop(first);
    DaemonSocket::bind(&socket_options(&path)).unwrap();
}

#[tokio::test]
async fn a_listener_without_a_lock_is_not_replaced_either() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rstmon.sock");
    let _other = StdUnixListener::bind(&path).unwrap();
    assert!(matches!(DaemonSocket::bind(&socket_options(&path)), Err(SocketError::Taken { .. })));
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("precious");
    fs::write(&path, "data").unwrap();
    assert!(matches!(DaemonSocket::bind(&socket_options(&path)), Err(SocketError::NotASocket { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "data");
}

#[tokio::test]
async fn a_successors_socket_is_not_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rstmon.sock");
    let socket = DaemonSocket::bind(&socket_options(&path)).unwrap();
    fs::remove_file(&path).unwrap();
    let _successor = StdUnixListener::bind(&path).unwrap();
    drop(socket);
    assert!(path.exists());
}

#[tokio::test]
async fn impossible_paths_say_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let long = directory.path().join("x".repeat(120));
    let error = DaemonSocket::bind(&socket_options(long)).unwrap_err().to_string();
    assert_contains(&error, "at most 103 bytes; choose a shorter one");
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = DaemonSocket::bind(&socket_options(file.join("rstmon.sock"))).unwrap_err().to_string();
    assert_contains(&error, "choose another socket path");
    assert!(matches!(DaemonSocket::bind(&socket_options("/")), Err(SocketError::NoFile { .. })));
    // Not even root can create a file there.
    let error = DaemonSocket::bind(&socket_options("/proc/rstmon.sock")).unwrap_err();
    assert_contains(&error.to_string(), "/proc/rstmon.sock");
}
