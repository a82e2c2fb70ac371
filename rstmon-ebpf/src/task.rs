//! Tasks: the process that executes, by its thread-group leader.

use crate::layout::{
    CGROUP_KN, CGROUP_LEVEL, CGROUP_V1_SUBSYS, CSS_CGROUP, CSS_SET_DFL_CGROUP, CSS_SET_SUBSYS, KERNFS_ID, TASK_CGROUPS,
    TASK_COMM, TASK_EXIT_CODE, TASK_FLAGS, TASK_GROUP_LEADER, TASK_START_BOOTTIME, TASK_TGID, field, probe,
    probe_or_default,
};
use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_probe_read_kernel_str};
use rstmon_common::{
    Owner,
    limits::{ABSENT_OFFSET, CGROUP_V1_FLAG},
};

/// `PF_EXITING` and `PF_KTHREAD` of `task_struct.flags` (`include/linux/sched.h`; unchanged 5.10 to 7.3).
const PF_EXITING: u32 = 0x4;
const PF_KTHREAD: u32 = 0x0020_0000;

/// A task of which the verifier knows the type.
#[derive(Clone, Copy)]
pub struct Task(*const u8);

impl Task {
    /// The executing task. In softirq that is whoever was interrupted: never an owner.
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
        // SAFETY: a Task holds a typed, non-NULL task pointer.
        unsafe { field(self.0, &TASK_FLAGS) }.unwrap_or(0)
    }

    /// Whether it is a kernel thread, which owns no sockets of processes.
    #[inline(always)]
    pub fn is_kernel_thread(self) -> bool {
        self.flags() & PF_KTHREAD != 0
    }

    /// Whether it is on its way out (`do_exit`).
    #[inline(always)]
    pub fn is_exiting(self) -> bool {
        self.flags() & PF_EXITING != 0
    }

    /// The signal that ends it; 0 when it ends on its own.
    #[inline(always)]
    pub fn exit_signal(self) -> u8 {
        // SAFETY: as above.
        (unsafe { field::<u32>(self.0, &TASK_EXIT_CODE) }.unwrap_or(0) & 0x7f) as u8
    }

    /// Thread-group id in the initial pid namespace.
    #[inline(always)]
    pub fn tgid(self) -> u32 {
        // SAFETY: as above.
        unsafe { field(self.0, &TASK_TGID) }.unwrap_or(0)
    }

    /// Writes the thread group into `owner`, every byte of it.
    #[inline(always)]
    pub fn describe(self, owner: *mut Owner) {
        let leader = probe::<u64>(self.0, &TASK_GROUP_LEADER).unwrap_or(0) as *const u8;
        let start_ns = probe::<u64>(leader, &TASK_START_BOOTTIME).unwrap_or(0);
        let cgroup = cgroup_of(self.0);
        // SAFETY: `owner` points to a whole Owner in a map value or on the stack. The leader's comm is read up to
        // its NUL into zeroed bytes, so that what lies behind the NUL never makes two keys of one name.
        unsafe {
            (*owner).start_ns = start_ns;
            (*owner).cgroup = cgroup;
            (*owner).tgid = self.tgid();
            (*owner).zero = 0;
            (*owner).comm = [0; 16];
            let offset = TASK_COMM.load();
            if offset != ABSENT_OFFSET {
                bpf_probe_read_kernel_str(
                    (*owner).comm.as_mut_ptr().cast(),
                    16,
                    leader.wrapping_add(offset as usize).cast(),
                );
            }
        }
    }
}

/// The v2 cgroup of a task or, where that is the root, its cgroup in the v1 hierarchy that user space chose.
#[inline(always)]
fn cgroup_of(task: *const u8) -> u64 {
    let set = probe::<u64>(task, &TASK_CGROUPS).unwrap_or(0) as *const u8;
    let unified = probe::<u64>(set, &CSS_SET_DFL_CGROUP).unwrap_or(0) as *const u8;
    let index = CGROUP_V1_SUBSYS.load();
    if index != ABSENT_OFFSET && !unified.is_null() && probe::<u32>(unified, &CGROUP_LEVEL) == Some(0) {
        let subsys = CSS_SET_SUBSYS.load();
        if subsys != ABSENT_OFFSET {
            let css = probe_or_default::<u64>(set.wrapping_add(subsys as usize + index as usize * 8)) as *const u8;
            let legacy = probe::<u64>(css, &CSS_CGROUP).unwrap_or(0) as *const u8;
            if let Some(level) = probe::<u32>(legacy, &CGROUP_LEVEL)
                && level > 0
            {
                return kernfs_id(legacy) | CGROUP_V1_FLAG;
            }
        }
    }
    kernfs_id(unified)
}

/// The kernfs id of a cgroup, which is the inode number of its directory; 0 = unreadable.
#[inline(always)]
pub fn kernfs_id(cgroup: *const u8) -> u64 {
    let kn = probe::<u64>(cgroup, &CGROUP_KN).unwrap_or(0) as *const u8;
    probe(kn, &KERNFS_ID).unwrap_or(0)
}
