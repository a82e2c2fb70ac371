//! The clocks of the kernel that the hooks read, and their units.

use crate::layout::JIFFY_NS;
use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_boot_ns};
use rstmon_common::limits::ABSENT_U32;

/// The kernel's clock `tcp_jiffies32`.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "tcp_jiffies32 is the low half of the jiffies")]
pub fn jiffies() -> u32 {
    jiffies64() as u32
}

/// The kernel's clock `jiffies_64`.
#[inline(always)]
pub fn jiffies64() -> u64 {
    // SAFETY: takes nothing, returns a number.
    unsafe { bpf_jiffies64() }
}

/// The clock of records: `CLOCK_BOOTTIME`, in nanoseconds.
#[inline(always)]
pub fn now_ns() -> u64 {
    // SAFETY: takes nothing, returns a number.
    unsafe { bpf_ktime_get_boot_ns() }
}

/// Jiffies in milliseconds; `ABSENT_U32` for an unknown number.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "half the range of 32 bit jiffies is 99 days at HZ=250")]
pub fn jiffies_to_ms(jiffies: u32) -> u32 {
    if jiffies == ABSENT_U32 {
        return ABSENT_U32;
    }
    (u64::from(jiffies) * u64::from(JIFFY_NS.load()) / 1_000_000) as u32
}

/// Nanoseconds in milliseconds; the greatest number that is known where there are more.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "it is below 2^32")]
pub fn ns_to_ms(ns: u64) -> u32 {
    (ns / 1_000_000).min(u64::from(ABSENT_U32 - 1)) as u32
}
