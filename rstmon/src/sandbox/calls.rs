//! seccomp: the system calls that rstmon needs after its start, as a list. Any other fails with `EPERM`.
//!
//! The filter returns `EPERM` instead of killing the process: a C library that tries a call outside of the list gets an
//! error that it has to handle anyway, and a monitor that is killed after a library update protects nothing. The call
//! is refused to an attacker either way. The list leaves out, and so denies to an attacker: running programs
//! (`execve`), new processes (`clone` without `CLONE_THREAD`), executable memory, loading or attaching BPF programs
//! (`bpf` is allowed for maps and for programs that are loaded already), network sockets, other processes (`ptrace`,
//! `process_vm_*`, `kill`), namespaces, mounts, modules, keys, `io_uring`.
//!
//! The allowed numbers are those of this architecture; the filter kills a process that calls by another architecture's.

use super::Protection;
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// The threads that a filter applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Threads {
    /// Every thread of the process.
    All,
    /// Only the calling thread.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test must not confine the harness"))]
    This,
}

/// Calls allowed with any arguments.
const PLAIN: &[libc::c_long] = &[
    // Reading, writing, waiting.
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_dup,
    libc::SYS_fcntl,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    // Files; Landlock decides which.
    libc::SYS_openat,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_statfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fadvise64,
    libc::SYS_unlinkat,
    // The store's files; Landlock decides on the directory.
    libc::SYS_fchmod,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_mkdirat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    // Incoming connections, netlink, the service manager.
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_shutdown,
    libc::SYS_socketpair,
    // Memory that is not executable; `mmap` and `mprotect` have rules below.
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    // Waiting for a grace period before a count map is emptied.
    libc::SYS_membarrier,
    // Threads and their end.
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    // Signals.
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    // Identity, time, resources.
    libc::SYS_capget,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getcpu,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getpgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_sysinfo,
    libc::SYS_times,
    libc::SYS_uname,
];

/// Older forms of the same calls, which only older ports of Linux have. musl uses them.
#[cfg(target_arch = "x86_64")]
const OLD_FORMS: &[libc::c_long] = &[
    libc::SYS_access,
    libc::SYS_epoll_wait,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_select,
    libc::SYS_stat,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD_FORMS: &[libc::c_long] = &[];

/// Calls that a C library tries before an older one, which it uses when it gets `ENOSYS`. The flags of `clone3` are
/// behind a pointer, which a filter cannot follow.
const FALL_BACK: [libc::c_long; 4] =
    [libc::SYS_clone3, libc::SYS_openat2, libc::SYS_epoll_pwait2, libc::SYS_close_range];

/// `bpf(2)` commands on maps and programs that are already loaded (`enum bpf_cmd`, `include/uapi/linux/bpf.h`).
const BPF_COMMANDS: [(u64, &str); 10] = [
    (1, "BPF_MAP_LOOKUP_ELEM"),
    (2, "BPF_MAP_UPDATE_ELEM"),
    (3, "BPF_MAP_DELETE_ELEM"),
    (4, "BPF_MAP_GET_NEXT_KEY"),
    (10, "BPF_PROG_TEST_RUN"),
    (15, "BPF_OBJ_GET_INFO_BY_FD"),
    (24, "BPF_MAP_LOOKUP_BATCH"),
    (25, "BPF_MAP_LOOKUP_AND_DELETE_BATCH"),
    (26, "BPF_MAP_UPDATE_BATCH"),
    // For the link to the iterator over tasks.
    (33, "BPF_ITER_CREATE"),
];

/// `ioctl(2)` requests: non-blocking, close-on-exec, and the terminal requests of a full-screen program
/// (`include/uapi/asm-generic/ioctls.h`, which all architectures that the filter supports use).
const IOCTLS: [(u64, &str); 15] = [
    (0x5401, "TCGETS"),
    (0x5402, "TCSETS"),
    (0x5403, "TCSETSW"),
    (0x5404, "TCSETSF"),
    // Their successors: rustix does not fall back to the older request on EPERM.
    (0x802c_542a, "TCGETS2"),
    (0x402c_542b, "TCSETS2"),
    (0x402c_542c, "TCSETSW2"),
    (0x402c_542d, "TCSETSF2"),
    (0x540a, "TCXONC"),
    (0x540b, "TCFLSH"),
    (0x540f, "TIOCGPGRP"),
    (0x5413, "TIOCGWINSZ"),
    (0x541b, "FIONREAD"),
    (0x5421, "FIONBIO"),
    (0x5451, "FIOCLEX"),
];

/// Restricts the given threads to the list.
pub(super) fn restrict(threads: Threads) -> Protection {
    let Some(arch) = TargetArch::try_from(std::env::consts::ARCH).ok() else { return Protection::Unsupported };
    // The kernel runs both filters, and a refusal takes precedence. The list is installed last: it allows no further
    // filter.
    let install = || {
        apply(&fallbacks(arch)?, threads)?;
        apply(&allowed(arch)?, threads)
    };
    match install() {
        Ok(()) => Protection::Applied,
        Err(Error::Prctl(error) | Error::Seccomp(error)) => Protection::of(Err(error)),
        Err(error) => Protection::Refused { errno: None, reason: error.to_string() },
    }
}

fn apply(filter: &BpfProgram, threads: Threads) -> Result<(), Error> {
    match threads {
        Threads::All => seccompiler::apply_filter_all_threads(filter),
        Threads::This => seccompiler::apply_filter(filter),
    }
}

/// The filter that allows the list and returns `EPERM` for other calls.
fn allowed(arch: TargetArch) -> Result<BpfProgram, Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        PLAIN.iter().chain(OLD_FORMS).map(|&number| (number, Vec::new())).collect();
    rules.extend(FALL_BACK.map(|number| (number, Vec::new())));
    let is = |value| SeccompCmpOp::MaskedEq(value);
    let thread = flag(libc::CLONE_THREAD);
    rules.insert(libc::SYS_clone, one_of(0, [(is(thread), thread)])?);
    let executable = flag(libc::PROT_EXEC);
    rules.insert(libc::SYS_mmap, one_of(2, [(is(executable), 0)])?);
    rules.insert(libc::SYS_mprotect, one_of(2, [(is(executable), 0)])?);
    let equal = |value| (SeccompCmpOp::Eq, value);
    rules.insert(libc::SYS_bpf, one_of(0, BPF_COMMANDS.map(|(command, _)| equal(command)))?);
    rules.insert(libc::SYS_ioctl, one_of(1, IOCTLS.map(|(request, _)| equal(request)))?);
    rules.insert(libc::SYS_socket, one_of(0, [libc::AF_NETLINK, libc::AF_UNIX].map(|family| equal(flag(family))))?);
    rules.insert(libc::SYS_prctl, one_of(0, [libc::PR_SET_NAME, libc::PR_GET_NAME].map(|option| equal(flag(option))))?);
    // abort(3) of glibc and of musl. The filter cannot see whose thread `tkill` signals; Landlock restricts that.
    let own = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, one_of(0, [equal(own)])?);
    rules.insert(libc::SYS_kill, one_of(0, [equal(own)])?);
    rules.insert(libc::SYS_tkill, Vec::new());
    // Limits are read, never set.
    rules.insert(libc::SYS_prlimit64, one_of_long(2, [(SeccompCmpOp::Eq, 0)])?);
    let filter = SeccompFilter::new(rules, errno(libc::EPERM), SeccompAction::Allow, arch)?;
    Ok(filter.try_into()?)
}

/// The filter that returns `ENOSYS` for [`FALL_BACK`].
fn fallbacks(arch: TargetArch) -> Result<BpfProgram, Error> {
    let rules = FALL_BACK.map(|number| (number, Vec::new()));
    let filter = SeccompFilter::new(rules.into(), SeccompAction::Allow, errno(libc::ENOSYS), arch)?;
    Ok(filter.try_into()?)
}

/// Rules for an `int` argument, which allow a call if one of the comparisons holds.
fn one_of<const N: usize>(argument: u8, choices: [(SeccompCmpOp, u64); N]) -> Result<Vec<SeccompRule>, Error> {
    rules(argument, &Dword, choices)
}

/// The same for a `long` or a pointer.
fn one_of_long<const N: usize>(argument: u8, choices: [(SeccompCmpOp, u64); N]) -> Result<Vec<SeccompRule>, Error> {
    rules(argument, &seccompiler::SeccompCmpArgLen::Qword, choices)
}

fn rules<const N: usize>(
    argument: u8,
    length: &seccompiler::SeccompCmpArgLen,
    choices: [(SeccompCmpOp, u64); N],
) -> Result<Vec<SeccompRule>, Error> {
    let rule =
        |(operator, value)| SeccompRule::new(vec![SeccompCondition::new(argument, length.clone(), operator, value)?]);
    Ok(choices.into_iter().map(rule).collect::<Result<_, _>>()?)
}

fn flag(value: libc::c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

fn errno(value: libc::c_int) -> SeccompAction {
    SeccompAction::Errno(value.cast_unsigned())
}
