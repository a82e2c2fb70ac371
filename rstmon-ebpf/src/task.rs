//! Tasks, and the process that a task belongs to: its thread group.

use crate::{
    layout::{
        CGROUP_KN, CGROUP_LEVEL, CGROUP_V1_SUBSYS, CSS_CGROUP, CSS_SET_DFL_CGROUP, CSS_SET_SUBSYS, KERNFS_ID, Object,
        SIGNAL_LIVE, TASK_CGROUPS, TASK_COMM, TASK_CRED, TASK_EXIT_CODE, TASK_FLAGS, TASK_GROUP_LEADER, TASK_PID,
        TASK_SIGNAL, TASK_START_BOOTTIME, TASK_TGID, TASK_TYPE, can_cast, field,
    },
    skb::from_words,
};
use aya_ebpf::helpers::generated::{bpf_get_current_cgroup_id, bpf_get_current_task_btf};
use rstmon_common::{
    OwnerRecord,
    limits::{ABSENT_OFFSET, CGROUP_V1_FLAG},
};

/// `PF_EXITING` and `PF_KTHREAD` of `task_struct.flags` (`include/linux/sched.h`; unchanged 5.10 to 7.3).
const PF_EXITING: u32 = 0x4;
const PF_KTHREAD: u32 = 0x0020_0000;
/// SIGHUP, SIGINT, SIGPIPE and SIGTERM.
const GENTLE_SIGNALS: u64 = 1 << 1 | 1 << 2 | 1 << 13 | 1 << 15;

/// A typed `struct task_struct *`, never NULL.
#[derive(Clone, Copy)]
pub struct KernelTask(*const u8);

impl KernelTask {
    /// The executing task. In softirq that is the task that was interrupted: never an owner.
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: the helper takes nothing and returns the trusted current task (5.11 on).
        Self(unsafe { bpf_get_current_task_btf() }.cast())
    }

    /// # Safety
    /// `task` must be a `struct task_struct` pointer known to the verifier and not NULL.
    #[inline(always)]
    pub unsafe fn from_btf(task: *const u8) -> Self {
        Self(task)
    }

    #[inline(always)]
    fn flags(self) -> u32 {
        // SAFETY: a KernelTask holds a typed, non-NULL task pointer.
        unsafe { field(self.0, &TASK_FLAGS) }.unwrap_or(0)
    }

    /// Whether the task is a kernel thread, which owns no sockets of processes.
    #[inline(always)]
    pub fn is_kernel_thread(self) -> bool {
        self.flags() & PF_KTHREAD != 0
    }

    /// Whether the task is exiting (`do_exit`).
    #[inline(always)]
    pub fn is_exiting(self) -> bool {
        self.flags() & PF_EXITING != 0
    }

    /// The signal that ends the task; 0 when it ends without one.
    #[inline(always)]
    pub fn exit_signal(self) -> u8 {
        // SAFETY: as above.
        (unsafe { field::<u32>(self.0, &TASK_EXIT_CODE) }.unwrap_or(0) & 0x7f) as u8
    }

    /// Whether the task ends by exit code 0, or by a signal with which users and supervisors end programs. `exit_code`
    /// has the signal in its low seven bits and the code in the next byte; `do_exit` sets it before it closes files
    /// (`kernel/exit.c`).
    #[inline(always)]
    pub fn exits_gently(self) -> bool {
        // SAFETY: as above.
        let Some(code) = (unsafe { field::<u32>(self.0, &TASK_EXIT_CODE) }) else { return false };
        let signal = code & 0x7f;
        if signal == 0 { code & 0xff00 == 0 } else { GENTLE_SIGNALS >> (signal & 63) & 1 != 0 }
    }

    /// Whether threads of the task's process have not begun to exit; `true` where the kernel does not show it.
    #[inline(always)]
    pub fn has_living_threads(self) -> bool {
        let signal = Object::at(self.0, &TASK_TYPE).follow(&TASK_SIGNAL);
        signal.and_then(|signal| signal.get::<u32>(&SIGNAL_LIVE)).is_none_or(|live| live != 0)
    }

    /// Address of the credentials that files which the task makes refer to; 0 where the kernel does not show them.
    #[inline(always)]
    pub fn credentials(self) -> u64 {
        Object::at(self.0, &TASK_TYPE).get(&TASK_CRED).unwrap_or(0)
    }

    /// Thread-group id in the initial pid namespace.
    #[inline(always)]
    pub fn tgid(self) -> u32 {
        // SAFETY: as above.
        unsafe { field(self.0, &TASK_TGID) }.unwrap_or(0)
    }

    /// Writes the thread group of the current task into `owner`, all but [`OwnerRecord::extra`].
    #[inline(always)]
    pub fn describe_current(self, owner: *mut OwnerRecord) {
        if can_cast() {
            return self.describe(owner);
        }
        // SAFETY: takes nothing, returns a number: the id of the v2 cgroup, in one call instead of three.
        let unified = unsafe { bpf_get_current_cgroup_id() };
        self.describe_in(unified, owner);
    }

    /// Writes a task's thread group into `owner`, all but [`OwnerRecord::extra`].
    #[inline(always)]
    pub fn describe(self, owner: *mut OwnerRecord) {
        let unified = self.cgroups().and_then(|set| set.follow(&CSS_SET_DFL_CGROUP)).map_or(0, kernfs_id);
        self.describe_in(unified, owner);
    }

    /// `unified` is the id of the task's v2 cgroup.
    #[inline(always)]
    fn describe_in(self, unified: u64, owner: *mut OwnerRecord) {
        let cgroup = if unified > ROOT_CGROUP { unified } else { self.legacy_cgroup().unwrap_or(unified) };
        // SAFETY: `owner` points to a whole OwnerRecord in a map value or on the stack.
        unsafe { (*owner).cgroup = cgroup };
        self.describe_group(owner);
    }

    /// The task's `struct css_set`.
    #[inline(always)]
    fn cgroups(self) -> Option<Object> {
        Object::at(self.0, &TASK_TYPE).follow(&TASK_CGROUPS)
    }

    /// Writes all but the cgroup. Most tasks lead their group: then all fields are in the task itself, and no call is
    /// needed.
    #[inline(always)]
    fn describe_group(self, owner: *mut OwnerRecord) {
        let tgid = self.tgid();
        // SAFETY: `owner` points to a whole OwnerRecord in a map value or on the stack. Typed loads off the task, calls
        // for the leader of another thread.
        unsafe {
            (*owner).tgid = tgid;
            if field::<u32>(self.0, &TASK_PID) == Some(tgid) {
                (*owner).start_ns = field(self.0, &TASK_START_BOOTTIME).unwrap_or(0);
                (*owner).comm = until_nul(field(self.0, &TASK_COMM).unwrap_or([0; 2]));
            } else {
                let leader = Object::at(self.0, &TASK_TYPE).follow(&TASK_GROUP_LEADER);
                (*owner).start_ns = leader.and_then(|leader| leader.get(&TASK_START_BOOTTIME)).unwrap_or(0);
                (*owner).comm = until_nul(leader.and_then(|leader| leader.get(&TASK_COMM)).unwrap_or([0; 2]));
            }
        }
    }

    /// For a task in the root of v2: its cgroup in the v1 hierarchy that user space chose, if it is in one.
    #[inline(always)]
    fn legacy_cgroup(self) -> Option<u64> {
        let index = CGROUP_V1_SUBSYS.load();
        if index == ABSENT_OFFSET {
            return None;
        }
        let legacy = self.cgroups()?.follow_nth(&CSS_SET_SUBSYS, index)?.follow(&CSS_CGROUP)?;
        let level = legacy.get::<u32>(&CGROUP_LEVEL)?;
        (level > 0).then(|| kernfs_id(legacy) | CGROUP_V1_FLAG)
    }
}

/// Id of the root of the v2 hierarchy: the first inode of its kernfs (`kernfs_create_root`).
const ROOT_CGROUP: u64 = 1;

/// A comm as it lies in memory, with zeros after its first NUL: older kernels leave other bytes there, which would make
/// two keys of one name.
#[inline(always)]
fn until_nul([first, second]: [u64; 2]) -> [u8; 16] {
    let (end, later_end) = (zero_bytes(first), zero_bytes(second));
    let second = if end == 0 { second & below(later_end) } else { 0 };
    from_words(first & below(end), second)
}

/// The highest bit of each byte that is zero, right up to and including the lowest such byte.
#[inline(always)]
fn zero_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    word.wrapping_sub(ONES) & !word & ONES << 7
}

/// All bits below the lowest one that is set; all where none is.
#[inline(always)]
fn below(bits: u64) -> u64 {
    bits.wrapping_sub(1) & !bits
}

/// The kernfs id of a cgroup, which is the inode number of its directory; 0 = unreadable.
#[inline(always)]
fn kernfs_id(cgroup: Object) -> u64 {
    cgroup.follow(&CGROUP_KN).and_then(|kn| kn.get(&KERNFS_ID)).unwrap_or(0)
}
