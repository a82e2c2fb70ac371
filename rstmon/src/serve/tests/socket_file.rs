//! The socket file: its permissions, its owner, and what is left behind.

use super::{
    super::socket::file::{DaemonSocket, SocketError},
    *,
};
use rustix::{
    fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with},
    process::umask,
    thread::{UnshareFlags, unshare_unsafe},
};
use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, symlink},
        net::UnixListener as StdUnixListener,
    },
    path::Path,
    sync::atomic::AtomicBool,
    thread,
};
use tokio::runtime::Handle;

/// Starts of a daemon under attack: enough for an attack on a window of a few microseconds.
const STARTS: usize = 300;

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
    assert_contains(&error, "at most 107 bytes; choose a shorter one");
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = DaemonSocket::bind(&socket_options(file.join("rstmon.sock"))).unwrap_err().to_string();
    assert_contains(&error, "choose another socket path");
    assert!(matches!(DaemonSocket::bind(&socket_options("/")), Err(SocketError::NoFile { .. })));
    // Not even root can create a file there.
    let error = DaemonSocket::bind(&socket_options("/proc/rstmon.sock")).unwrap_err();
    assert_contains(&error.to_string(), "/proc/rstmon.sock");
}

/// What another user of the host could use at this moment: a socket or its directory that is open to others.
fn open_to_others(socket: &Path) -> Option<String> {
    let new = socket.with_file_name("rstmon.sock.new");
    [socket, &new].into_iter().find_map(|path| {
        let mode = fs::symlink_metadata(path).ok()?.permissions().mode();
        (mode & 0o007 != 0).then(|| format!("{} had mode {mode:o}", path.display()))
    })
}

#[tokio::test]
async fn it_is_never_open_wider_than_its_mode() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rstmon.sock");
    let (ended, runtime) = (AtomicBool::new(false), Handle::current());
    let seen = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = None;
            while seen.is_none() && !ended.load(Ordering::Relaxed) {
                seen = open_to_others(&path);
            }
            seen
        });
        let starts = scope.spawn(|| {
            // SAFETY: a umask of its own for this thread; descriptors stay shared.
            unsafe { unshare_unsafe(UnshareFlags::FS) }.unwrap();
            umask(Mode::empty());
            let _in = runtime.enter();
            for _ in 0..STARTS {
                drop(DaemonSocket::bind(&socket_options(&path)).unwrap());
            }
        });
        let started = starts.join();
        ended.store(true, Ordering::Relaxed);
        started.unwrap();
        watcher.join().unwrap()
    });
    assert_eq!(seen, None);
}

/// The attacker owns the directory: whatever the daemon makes in it is replaced by a link to a file of another user.
#[tokio::test]
async fn publishing_follows_no_link() {
    let directory = tempfile::tempdir().unwrap();
    let (owned, precious) = (directory.path().join("owned"), directory.path().join("precious"));
    fs::create_dir(&owned).unwrap();
    fs::create_dir(&precious).unwrap();
    let victims = [precious.join("rstmon.sock"), precious.clone()];
    fs::write(&victims[0], "").unwrap();
    for victim in &victims {
        fs::set_permissions(victim, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let path = owned.join("rstmon.sock");
    let (new, trap) = (owned.join("rstmon.sock.new"), owned.join("trap"));
    let (ended, runtime) = (AtomicBool::new(false), Handle::current());
    let own = fs::metadata(&owned).unwrap().gid().to_string();
    let published = thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            for turn in 0.. {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let _ = symlink(&victims[turn % 2], &trap);
                while renameat_with(CWD, &trap, CWD, &new, RenameFlags::EXCHANGE).is_err() {
                    if ended.load(Ordering::Relaxed) {
                        return;
                    }
                }
                // What the daemon had made.
                let _ = fs::remove_dir_all(&trap);
                let _ = fs::remove_file(&trap);
            }
        });
        let starts = scope.spawn(|| {
            let _in = runtime.enter();
            let options = SocketOptions { path: path.clone(), group: Some(own) };
            (0..STARTS).filter(|_| DaemonSocket::bind(&options).is_ok()).count()
        });
        let published = starts.join();
        ended.store(true, Ordering::Relaxed);
        attacker.join().unwrap();
        published.unwrap()
    });
    for victim in &victims {
        let mode = fs::symlink_metadata(victim).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode, 0o700, "{} after {published} of {STARTS} starts", victim.display());
    }
}

#[tokio::test]
async fn what_a_killed_daemon_left_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rstmon.sock");
    let new = directory.path().join("rstmon.sock.new");
    fs::create_dir(&new).unwrap();
    drop(StdUnixListener::bind(new.join("rstmon.sock")).unwrap());
    let _socket = DaemonSocket::bind(&socket_options(&path)).unwrap();
    assert!(!new.exists());
}

#[tokio::test]
async fn a_lock_file_that_is_none_is_refused_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rstmon.sock");
    let lock = directory.path().join("rstmon.sock.lock");
    let refused = || {
        let error = DaemonSocket::bind(&socket_options(&path)).unwrap_err();
        assert!(matches!(error, SocketError::NotALock { .. }), "found {error:?}");
    };
    mknodat(CWD, &lock, FileType::Fifo, Mode::RWXU, 0).unwrap();
    refused();
    let _reader = fs::OpenOptions::new().read(true).write(true).open(&lock).unwrap();
    refused();
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    refused();
    fs::remove_dir(&lock).unwrap();
    symlink(directory.path().join("elsewhere"), &lock).unwrap();
    refused();
    assert!(!directory.path().join("elsewhere").exists());
}

#[tokio::test]
async fn a_path_of_the_greatest_length_works() {
    let directory = tempfile::tempdir().unwrap();
    let length = 107 - directory.path().as_os_str().len() - 1;
    let path = directory.path().join("x".repeat(length));
    let _socket = DaemonSocket::bind(&socket_options(&path)).unwrap();
    tokio::net::UnixStream::connect(&path).await.unwrap();
}
