//! The `bpf(2)` commands that aya does not wrap in the form needed: batched map reads, batched read-and-delete, a
//! program's test run on a chosen CPU, and its account with the runs that were missed. All act on descriptors that the process already holds.

use aya_obj::generated::bpf_prog_info;
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

const BPF_PROG_TEST_RUN: libc::c_long = 10;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_MAP_LOOKUP_BATCH: libc::c_long = 24;
const BPF_MAP_LOOKUP_AND_DELETE_BATCH: libc::c_long = 25;
const BPF_F_TEST_RUN_ON_CPU: u32 = 1;

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

fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<()> {
    // SAFETY: `attr` is a live, properly laid out attribute of the size given; the pointers in it are checked by the
    // callers below to cover what the kernel writes.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn raw(fd: BorrowedFd<'_>) -> u32 {
    // A BorrowedFd is never negative.
    fd.as_raw_fd().unsigned_abs()
}

/// Reads a hash map by batches, handing each entry's key and value bytes to `each`; deletes what it read if asked.
///
/// `value_bytes` is the size of a whole value: of a per-CPU map, all CPUs' together. A batch is as large as the map,
/// so that the kernel never finds a bucket that does not fit.
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
            Ok(()) => false,
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

/// The kernel's account of a program; what this kernel does not tell is 0.
pub(super) fn program_info(program: BorrowedFd<'_>) -> io::Result<bpf_prog_info> {
    // SAFETY: a structure of integers (and pointers that only the kernel reads, NULL here), for which zero is valid.
    let mut info: bpf_prog_info = unsafe { std::mem::zeroed() };
    let info_len = u32::try_from(size_of::<bpf_prog_info>()).unwrap_or(0);
    let mut attr = InfoAttr { bpf_fd: raw(program), info_len, info: std::ptr::from_mut(&mut info) as u64 };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr)?;
    Ok(info)
}

/// Waits until every BPF program that runs now has ended: `membarrier(2)` is `synchronize_rcu()`, and the hooks run
/// in RCU read-side sections. Refused on kernels with `nohz_full` CPUs.
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

/// Hands freed heap pages back to the kernel: parsing BTF leaves some 20 MiB behind.
pub(super) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: glibc's malloc_trim takes a number and touches only free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}
