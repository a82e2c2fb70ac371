//! Each test confines a thread of its own: both protections can be applied to a single thread.

use super::{Protection, Reach, calls, files};
use std::{
    fs,
    io::{self, Write as _},
    net::{TcpListener, UdpSocket},
    os::fd::OwnedFd,
    process::Command,
    sync::Arc,
    thread,
};

/// Runs `body` in a thread that `restrict` confines first; skips with a message where the kernel does not support it.
fn confined(what: &'static str, restrict: impl FnOnce() -> Protection + Send, body: impl FnOnce() + Send) {
    thread::scope(|scope| {
        let done = scope.spawn(move || {
            rustix::thread::set_no_new_privs(true).expect("no new privileges");
            match restrict() {
                Protection::Unsupported => {
                    let _ = io::stderr().write_all(format!("\nSKIPPED: this kernel has no {what}\n").as_bytes());
                }
                Protection::Applied | Protection::Partial { .. } => body(),
                other => panic!("{what} {other}"),
            }
        });
        done.join().expect("the confined thread");
    });
}

fn errno<T>(result: io::Result<T>) -> Option<i32> {
    result.err().and_then(|error| error.raw_os_error())
}

#[test]
fn only_files_within_reach_can_be_read_and_none_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let (inside, outside) = (directory.path().join("in"), directory.path().join("out"));
    for path in [&inside, &outside] {
        fs::create_dir(path).expect("a directory");
        fs::write(path.join("file"), "text").expect("a file");
    }
    let reach = Reach { read: vec!["/proc".into(), inside.clone(), "/does/not/exist".into()], ..Reach::default() };
    confined(
        "landlock",
        || files::restrict(&reach),
        || {
            assert_eq!(fs::read_to_string(inside.join("file")).expect("within reach"), "text");
            fs::read_to_string("/proc/thread-self/net/snmp").expect("the kernel's counters");
            assert_eq!(errno(fs::read(outside.join("file"))), Some(libc::EACCES));
            assert_eq!(errno(fs::write(inside.join("file"), "other")), Some(libc::EACCES));
            assert_eq!(errno(fs::write(inside.join("new"), "other")), Some(libc::EACCES));
            assert_eq!(errno(fs::remove_file(inside.join("file"))), Some(libc::EACCES));
        },
    );
}

#[test]
fn a_file_can_be_removed_where_that_is_wanted_but_not_made() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("socket");
    fs::write(&socket, "").expect("a file");
    let reach = Reach { remove: vec![directory.path().into()], ..Reach::default() };
    confined(
        "landlock",
        || files::restrict(&reach),
        || {
            fs::remove_file(&socket).expect("removing is allowed");
            assert_eq!(errno(fs::write(&socket, "")), Some(libc::EACCES));
        },
    );
}

#[test]
fn one_directory_is_kept_by_descriptor_and_no_other_of_its_name() {
    let place = tempfile::tempdir().expect("a directory");
    let (kept, moved) = (place.path().join("kept"), place.path().join("moved"));
    fs::create_dir(&kept).expect("a directory");
    let descriptor = Arc::new(OwnedFd::from(fs::File::open(&kept).expect("it is there")));
    let reach = Reach { keep: Some(descriptor), ..Reach::default() };
    fs::rename(&kept, &moved).expect("it is moved");
    fs::create_dir(&kept).expect("another of its name");
    confined(
        "landlock",
        || files::restrict(&reach),
        || {
            let mut file = fs::File::create_new(moved.join("new")).expect("making a file");
            file.write_all(b"text").expect("writing it");
            file.set_len(2).expect("cutting it");
            fs::rename(moved.join("new"), moved.join("old")).expect("renaming it");
            assert_eq!(fs::read(moved.join("old")).expect("reading it"), b"te");
            fs::remove_file(moved.join("old")).expect("removing it");
            assert_eq!(errno(fs::create_dir(moved.join("directory"))), Some(libc::EACCES));
            assert_eq!(errno(fs::write(kept.join("new"), "")), Some(libc::EACCES));
            assert_eq!(errno(fs::write(place.path().join("new"), "")), Some(libc::EACCES));
        },
    );
}

fn seccomp() -> Protection {
    calls::restrict(calls::Threads::This)
}

#[test]
fn what_rstmon_does_while_running_is_allowed() {
    confined("seccomp", seccomp, || {
        fs::read_to_string("/proc/self/stat").expect("reading files");
        fs::read_dir("/proc/self").expect("listing directories").count();
        thread::Builder::new()
            .name("inner".into())
            .spawn(|| vec![0u8; 8 << 20].len())
            .expect("starting threads")
            .join()
            .expect("and ending them");
        crate::host::listeners::read().expect("socket diagnostics");
        let (a, b) = std::os::unix::net::UnixDatagram::pair().expect("a pair of sockets");
        a.send(b"x").expect("sending");
        b.recv(&mut [0; 1]).expect("receiving");
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(async { tokio::time::sleep(std::time::Duration::from_millis(1)).await });
    });
}

#[test]
fn no_program_can_be_run_and_no_process_made() {
    confined("seccomp", seccomp, || {
        assert_eq!(errno(Command::new("/bin/true").status()), Some(libc::EPERM));
        // SAFETY: the call changes nothing if it is refused; if it is not, the child exits at once.
        let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
        if child == 0 {
            // SAFETY: ends the child.
            unsafe { libc::_exit(1) }
        }
        assert_eq!((child, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EPERM)));
    });
}

#[test]
fn no_network_socket_can_be_opened() {
    confined("seccomp", seccomp, || {
        assert_eq!(errno(TcpListener::bind("127.0.0.1:0")), Some(libc::EPERM));
        assert_eq!(errno(UdpSocket::bind("127.0.0.1:0")), Some(libc::EPERM));
    });
}

#[test]
fn nothing_of_the_kernel_can_be_changed() {
    /// `BPF_PROG_LOAD`
    const PROG_LOAD: libc::c_long = 5;
    let calls: [(&str, libc::c_long, [libc::c_long; 3]); 8] = [
        ("bpf(BPF_PROG_LOAD)", libc::SYS_bpf, [PROG_LOAD, 0, 0]),
        ("ptrace", libc::SYS_ptrace, [0, 0, 0]),
        ("mount", libc::SYS_mount, [0, 0, 0]),
        ("unshare", libc::SYS_unshare, [libc::CLONE_NEWNET.into(), 0, 0]),
        ("io_uring_setup", libc::SYS_io_uring_setup, [1, 0, 0]),
        ("perf_event_open", libc::SYS_perf_event_open, [0, 0, 0]),
        ("kill(1, 0)", libc::SYS_kill, [1, 0, 0]),
        ("executable memory", libc::SYS_mmap, [0, 4096, libc::PROT_EXEC.into()]),
    ];
    confined("seccomp", seccomp, || {
        for (name, number, [a, b, c]) in calls {
            // SAFETY: every pointer is NULL, and seccomp refuses the call before the kernel reads the arguments.
            let result = unsafe { libc::syscall(number, a, b, c, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
            assert_eq!((result, io::Error::last_os_error().raw_os_error()), (-1, Some(libc::EPERM)), "{name}");
        }
    });
}

#[test]
fn each_state_has_a_text() {
    let texts: Vec<String> = [
        Protection::Applied,
        Protection::Partial { version: 2, wanted: 9 },
        Protection::Unsupported,
        Protection::Refused { errno: Some(1), reason: "Operation not permitted".into() },
        Protection::Off,
    ]
    .iter()
    .map(ToString::to_string)
    .collect();
    let expected = [
        "applied",
        "applied as far as this kernel has it (version 2, complete from 9)",
        "not supported by this kernel",
        "refused: Operation not permitted (errno 1)",
        "off by configuration",
    ];
    assert_eq!(texts, expected);
}
