//! The `bpf(2)` commands that aya does not wrap in the form needed: batched map reads, batched read-and-delete, a
//! program's test run on a chosen CPU, its account with the missed runs, iterators that are run repeatedly; and other
//! system calls that need `unsafe`.

use aya_obj::generated::bpf_prog_info;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    fs::File,
    io::{self, Read as _},
    os::fd::{AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd},
    ptr::NonNull,
};

/// Defined in `include/uapi/asm-generic/socket.h`.
const SO_NETNS_COOKIE: libc::c_int = 71;
const BPF_MAP_DELETE_ELEM: libc::c_long = 3;
const BPF_PROG_TEST_RUN: libc::c_long = 10;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;
const BPF_MAP_LOOKUP_AND_DELETE_BATCH: libc::c_long = 25;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_ENABLE_STATS: libc::c_long = 32;
const BPF_ITER_CREATE: libc::c_long = 33;
const BPF_TRACE_ITER: u32 = 28;
const BPF_STATS_RUN_TIME: u32 = 0;
const BPF_F_TEST_RUN_ON_CPU: u32 = 1;

/// Whether trampolines can be attached but are never called: `kernel.ftrace_enabled` is 0
/// (Documentation/trace/ftrace.rst). A kernel without that sysctl has no trampolines, and refuses to attach them.
pub(super) fn trampolines_off() -> bool {
    std::fs::read_to_string("/proc/sys/kernel/ftrace_enabled").is_ok_and(|enabled| enabled.trim() == "0")
}

/// Whether the process has more privileges than the user who started it, by set-user-id or file capabilities.
#[cfg(feature = "test-switches")]
pub(super) fn is_privileged_start() -> bool {
    // SAFETY: takes a number, returns a number.
    let secure = unsafe { libc::getauxval(libc::AT_SECURE) };
    secure != 0
}

/// `struct { ... } batch` of `union bpf_attr` (`include/uapi/linux/bpf.h`).
#[repr(C)]
#[derive(Default)]
struct BatchAttr {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

/// `struct { ... } test` of `union bpf_attr`, up to and including `cpu`.
#[repr(C)]
#[derive(Default)]
struct TestRunAttr {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
}

/// `struct { ... } info` of `union bpf_attr`.
#[repr(C)]
struct InfoAttr {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// The attribute of `BPF_MAP_DELETE_ELEM`.
#[repr(C)]
struct ElementAttr {
    map_fd: u32,
    zero: u32,
    key: u64,
}

/// `struct { ... } link_create` of `union bpf_attr`, of an iterator without parameters.
#[repr(C)]
struct LinkAttr {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
}

/// `struct { ... } iter_create` of `union bpf_attr`.
#[repr(C)]
struct IterAttr {
    link_fd: u32,
    flags: u32,
}

fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<libc::c_long> {
    // SAFETY: `attr` is a live, properly laid out attribute of the size given; the pointers in it are checked by the
    // callers below to cover what the kernel writes.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// [`bpf`] of a command that returns a descriptor.
fn bpf_fd<T>(command: libc::c_long, attr: &mut T) -> io::Result<OwnedFd> {
    let fd = bpf(command, attr)?;
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    // SAFETY: the kernel has just returned this new descriptor to this process.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Deletes an entry of a hash map whose keys are 64-bit numbers. An absent entry is no error.
pub(super) fn delete(map: BorrowedFd<'_>, key: u64) -> io::Result<()> {
    let mut attr = ElementAttr { map_fd: raw(map), zero: 0, key: std::ptr::from_ref(&key) as u64 };
    match bpf(BPF_MAP_DELETE_ELEM, &mut attr) {
        Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
        _ => Ok(()),
    }
}

/// Attaches an iterator program. The returned link is run by [`run_iterator`].
pub(super) fn link_iterator(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut attr = LinkAttr { prog_fd: raw(program), target_fd: 0, attach_type: BPF_TRACE_ITER, flags: 0 };
    bpf_fd(BPF_LINK_CREATE, &mut attr)
}

/// Runs an iterator to its end and returns the bytes that it wrote.
pub(super) fn run_iterator(link: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    let fd = bpf_fd(BPF_ITER_CREATE, &mut IterAttr { link_fd: raw(link), flags: 0 })?;
    File::from(fd).read_to_end(&mut output)?;
    Ok(output)
}

/// Turns on the kernel's accounting of the run time of BPF programs for as long as the descriptor is open. Needs
/// `CAP_SYS_ADMIN` (`bpf_enable_stats()` in `kernel/bpf/syscall.c`).
pub(super) fn account_run_time() -> io::Result<OwnedFd> {
    bpf_fd(BPF_ENABLE_STATS, &mut BPF_STATS_RUN_TIME.clone())
}

/// Cookie of the calling thread's network namespace (`SO_NETNS_COOKIE`, 5.14 on).
pub(super) fn netns_cookie() -> io::Result<u64> {
    let socket = rustix::net::socket(rustix::net::AddressFamily::UNIX, rustix::net::SocketType::DGRAM, None)?;
    let mut cookie = 0u64;
    let mut length = libc::socklen_t::try_from(size_of::<u64>()).map_err(io::Error::other)?;
    // SAFETY: the kernel writes at most `length` bytes to `cookie`, which is of that size.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_NETNS_COOKIE,
            std::ptr::from_mut(&mut cookie).cast(),
            std::ptr::from_mut(&mut length),
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(cookie) }
}

/// Memory of a map that this process shares with the kernel.
pub(super) struct SharedPages {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the pages are accessed through atomics only, and belong to the process, not to a thread.
unsafe impl Send for SharedPages {}

impl SharedPages {
    /// Maps the first `bytes` of a map, a multiple of the page size.
    pub(super) fn map(map: BorrowedFd<'_>, bytes: usize, writable: bool) -> io::Result<Self> {
        let protection = if writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        // SAFETY: a new mapping at an address that the kernel chooses; no memory in use is touched.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, libc::MAP_SHARED, map.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))?;
        Ok(Self { start, bytes })
    }

    /// The atomic at an offset.
    ///
    /// # Safety
    /// `T` must be an atomic, and `offset` a multiple of its alignment.
    pub(super) unsafe fn at<T>(&self, offset: usize) -> &T {
        assert!(offset + size_of::<T>() <= self.bytes, "within the mapping");
        // SAFETY: within the mapping, which lives as long as `self`; aligned, and an atomic, by the caller's promise.
        unsafe { self.start.add(offset).cast::<T>().as_ref() }
    }
}

impl Drop for SharedPages {
    fn drop(&mut self) {
        // SAFETY: a mapping of that size, made by `map`; nothing borrows from it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

fn raw(fd: BorrowedFd<'_>) -> u32 {
    // A BorrowedFd is never negative.
    fd.as_raw_fd().unsigned_abs()
}

/// Reads a hash map in batches, calling `each` with the bytes of each entry's key and value; with `delete` it also
/// deletes the entries that it read.
///
/// `value_bytes` is the size of a whole value: for a per-CPU map, that of all CPUs together. A batch is as large as the
/// map, so that every bucket fits into it.
pub(super) fn read_hash(
    map: BorrowedFd<'_>,
    key_bytes: usize,
    value_bytes: usize,
    max_entries: u32,
    delete: bool,
    mut each: impl FnMut(&[u8], &[u8]),
) -> io::Result<()> {
    let capacity = usize::try_from(max_entries).unwrap_or(usize::MAX).clamp(256, 4096);
    let mut keys = vec![0u8; capacity * key_bytes];
    let mut values = vec![0u8; capacity * value_bytes];
    let command = if delete { BPF_MAP_LOOKUP_AND_DELETE_BATCH } else { BPF_MAP_LOOKUP_BATCH };
    let mut position = 0u32;
    let mut started = false;
    loop {
        let mut next = 0u32;
        let mut attr = BatchAttr {
            in_batch: if started { std::ptr::from_mut(&mut position) as u64 } else { 0 },
            out_batch: std::ptr::from_mut(&mut next) as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: u32::try_from(capacity).unwrap_or(u32::MAX),
            map_fd: raw(map),
            ..BatchAttr::default()
        };
        let result = bpf(command, &mut attr);
        let done = match result {
            Ok(_) => false,
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
            Err(error) => return Err(error),
        };
        let count = usize::try_from(attr.count).unwrap_or(0).min(capacity);
        for (key, value) in keys.chunks_exact(key_bytes).zip(values.chunks_exact(value_bytes)).take(count) {
            each(key, value);
        }
        if done {
            return Ok(());
        }
        (position, started) = (next, true);
    }
}

/// Runs a raw tracepoint program once on a CPU; returns its result.
pub(super) fn run_on_cpu(program: BorrowedFd<'_>, cpu: u32) -> io::Result<u32> {
    let mut attr = TestRunAttr { prog_fd: raw(program), flags: BPF_F_TEST_RUN_ON_CPU, cpu, ..TestRunAttr::default() };
    bpf(BPF_PROG_TEST_RUN, &mut attr)?;
    Ok(attr.retval)
}

/// The kernel's account of a program; fields that this kernel does not have are 0.
pub(super) fn program_info(program: BorrowedFd<'_>) -> io::Result<bpf_prog_info> {
    // SAFETY: a structure of integers (and pointers that only the kernel reads, NULL here), for which zero is valid.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    let info_len = u32::try_from(size_of::<bpf_prog_info>()).unwrap_or(0);
    let mut attr = InfoAttr { bpf_fd: raw(program), info_len, info: std::ptr::from_mut(&mut info) as u64 };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info)
}

/// Waits until every BPF program that is running now has ended: `membarrier(2)` is `synchronize_rcu()`, and the hooks
/// run in RCU read-side sections. Refused on kernels with `nohz_full` CPUs.
pub(super) fn wait_for_running_programs() -> io::Result<()> {
    // SAFETY: no pointers.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Whether [`wait_for_running_programs`] works here.
pub(super) fn can_wait_for_running_programs() -> bool {
    // SAFETY: no pointers.
    let commands = unsafe { libc::syscall(libc::SYS_membarrier, libc::MEMBARRIER_CMD_QUERY, 0, 0) };
    commands >= 0 && commands & libc::c_long::from(libc::MEMBARRIER_CMD_GLOBAL) != 0
}

/// Runs `code` while the process cannot open any file (`EMFILE`).
///
/// For the constructor of aya's loader: it reads the kernel's BTF as a default, which takes 23 MB and is replaced at
/// once. The process has one thread during the start; where a command attaches the probe from one of several threads,
/// the others open no files at that time.
pub(super) fn without_descriptors<T>(code: impl FnOnce() -> T) -> T {
    let limit = getrlimit(Resource::Nofile);
    let none = Rlimit { current: Some(0), maximum: limit.maximum };
    // Where the limit cannot be lowered, the code runs all the same, and takes its memory.
    let is_lowered = setrlimit(Resource::Nofile, none).is_ok();
    let result = code();
    if is_lowered && let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::error!(%error, "cannot restore the limit of descriptors");
    }
    result
}

/// Whether this process is in another user namespace than the host's, where all users are themselves
/// (`user_namespaces(7)`).
pub(super) fn is_in_user_namespace() -> bool {
    const ALL_USERS: [&str; 3] = ["0", "0", "4294967295"];
    std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !map.split_whitespace().eq(ALL_USERS))
}

/// Returns freed heap pages to the kernel: parsing BTF leaves about 20 MiB of them.
pub(super) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: glibc's malloc_trim takes a number and touches only free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::without_descriptors;
    use rustix::process::{Resource, getrlimit};
    use std::{fs::File, process::Command};

    /// In a process of its own: the limit holds for all threads, and other tests open files.
    #[test]
    fn no_file_is_opened_meanwhile_and_the_limit_is_restored() {
        const INSIDE: &str = "RSTMON_TEST_INSIDE";
        if std::env::var_os(INSIDE).is_some() {
            let before = getrlimit(Resource::Nofile);
            let error = without_descriptors(|| File::open("/dev/null")).expect_err("no descriptor");
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
            assert_eq!(getrlimit(Resource::Nofile), before);
            File::open("/dev/null").expect("a descriptor");
            return;
        }
        let name = "probe::sys::tests::no_file_is_opened_meanwhile_and_the_limit_is_restored";
        let status = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", name, "--test-threads=1"])
            .env(INSIDE, "1")
            .status();
        assert!(status.expect("it starts").success());
    }
}
