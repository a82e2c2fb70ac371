//! The host's boot clock, which the kernel half and procfs use, as seen from this process.
//!
//! A time namespace adds an offset to `CLOCK_BOOTTIME` and to the start times in `/proc/<pid>/stat`
//! (`timens_add_boottime()`, `include/linux/time_namespace.h`), and none to the clock of BPF programs
//! (`ktime_get_boot_fast_ns()`). Without a translation, resets would be dated by that offset early or late.

use std::{fs, path::Path, sync::OnceLock, time::Duration};

/// `PROC_TIME_INIT_INO` of `include/linux/proc_ns.h`: the inode of the host's time namespace.
const HOST_NAMESPACE: &str = "time:[4026531834]";

/// The time namespace of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeNamespace {
    /// The host's, or a kernel without time namespaces.
    Host,
    /// Another one, whose boot clock is that many nanoseconds ahead of the host's.
    Shifted { ahead_ns: i64 },
    /// Another one, whose offsets cannot be read: times of events and start times of processes are not known.
    Unknown,
}

impl TimeNamespace {
    /// Of this process. It cannot change while the process lives: setns(2) refuses a process with several threads.
    #[must_use]
    pub(crate) fn own() -> Self {
        static OWN: OnceLock<TimeNamespace> = OnceLock::new();
        *OWN.get_or_init(|| Self::read(Path::new("/proc/self")))
    }

    fn read(process: &Path) -> Self {
        let link = |name: &str| fs::read_link(process.join("ns").join(name)).ok();
        let Some(own) = link("time").filter(|own| own != Path::new(HOST_NAMESPACE)) else { return Self::Host };
        // The file has the offsets of the namespace that children will be in. Before 6.3 that may be another one.
        if link("time_for_children").as_ref() != Some(&own) {
            return Self::Unknown;
        }
        let offsets = fs::read_to_string(process.join("timens_offsets"));
        offsets.ok().and_then(|text| boot_offset(&text)).map_or(Self::Unknown, |ahead_ns| Self::Shifted { ahead_ns })
    }

    /// How far the boot clock of this process is ahead of the host's, as far as it is known.
    #[must_use]
    pub(crate) fn ahead_ns(self) -> i64 {
        match self {
            Self::Shifted { ahead_ns } => ahead_ns,
            Self::Host | Self::Unknown => 0,
        }
    }
}

/// The line `boottime SECONDS NANOSECONDS` (`proc_timens_show_offsets()`, `kernel/time/namespace.c`).
fn boot_offset(text: &str) -> Option<i64> {
    let mut words = text.lines().find_map(|line| line.strip_prefix("boottime"))?.split_whitespace();
    let (seconds, nanoseconds) = (words.next()?.parse::<i64>().ok()?, words.next()?.parse::<i64>().ok()?);
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

/// Time since the host's boot, suspend included.
#[must_use]
pub(crate) fn since_boot() -> Duration {
    let here = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let here = i128::from(here.tv_sec) * 1_000_000_000 + i128::from(here.tv_nsec);
    let host = here - i128::from(TimeNamespace::own().ahead_ns());
    Duration::from_nanos(u64::try_from(host).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{HOST_NAMESPACE, TimeNamespace, boot_offset};
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn offsets_have_both_signs() {
        let text = |boot: &str| format!("monotonic           7         9\nboottime  {boot}\n");
        assert_eq!(boot_offset(&text("   950400         5")), Some(950_400_000_000_005));
        // Half a second back.
        assert_eq!(boot_offset(&text("       -1 500000000")), Some(-500_000_000));
        for wrong in ["", "9", "x 1", "99999999999999999999 1", "9999999999999 0"] {
            assert_eq!(boot_offset(&text(wrong)), None, "{wrong:?}");
        }
    }

    /// What is read where the links of a process and its offsets are these.
    fn found(own: Option<&str>, children: &str, offsets: Option<&str>) -> TimeNamespace {
        let process = tempfile::tempdir().expect("a directory");
        fs::create_dir(process.path().join("ns")).expect("a directory");
        if let Some(own) = own {
            symlink(own, process.path().join("ns/time")).expect("a link");
            symlink(children, process.path().join("ns/time_for_children")).expect("a link");
        }
        if let Some(offsets) = offsets {
            fs::write(process.path().join("timens_offsets"), offsets).expect("a file");
        }
        TimeNamespace::read(process.path())
    }

    #[test]
    fn the_namespace_is_known_or_said_to_be_unknown() {
        const OTHER: &str = "time:[4026532999]";
        let shifted = Some("monotonic 0 0\nboottime 60 0\n");
        assert_eq!(found(None, "", None), TimeNamespace::Host, "a kernel without time namespaces");
        assert_eq!(found(Some(HOST_NAMESPACE), HOST_NAMESPACE, shifted), TimeNamespace::Host);
        assert_eq!(found(Some(HOST_NAMESPACE), OTHER, shifted), TimeNamespace::Host, "only its children are elsewhere");
        assert_eq!(found(Some(OTHER), OTHER, shifted), TimeNamespace::Shifted { ahead_ns: 60_000_000_000 });
        assert_eq!(found(Some(OTHER), "time:[4026533000]", shifted), TimeNamespace::Unknown);
        assert_eq!(found(Some(OTHER), OTHER, None), TimeNamespace::Unknown);
        assert_eq!(found(Some(OTHER), OTHER, Some("nonsense")), TimeNamespace::Unknown);
    }
}
