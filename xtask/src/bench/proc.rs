//! What the kernel says of a process.

use crate::workspace::{FileError, read_text};
use anyhow::Context as _;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// What a process has used so far, all its threads together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// `utime` + `stime`, in clock ticks: what `top` goes by.
    pub(super) ticks: u64,
    /// Nanoseconds on a CPU, by the scheduler: far finer.
    pub(super) cpu_ns: u64,
    /// How often a thread went to sleep by itself.
    pub(super) sleeps: u64,
}

impl Used {
    /// By the process `pid`, so far.
    pub(super) fn by(pid: u32) -> anyhow::Result<Self> {
        let stat = read_text(&file(pid, "stat"))?;
        let mut used = Self { ticks: ticks(&stat).context("a strange /proc/PID/stat")?, ..Self::default() };
        for task in directory(&file(pid, "task"))? {
            // A thread may end meanwhile.
            let Ok(status) = read_text(&task.join("status")) else { continue };
            let Ok(schedule) = read_text(&task.join("schedstat")) else { continue };
            used.sleeps += field(&status, "voluntary_ctxt_switches").context("no voluntary_ctxt_switches")?;
            used.cpu_ns += first(&schedule).context("a strange schedstat")?;
        }
        Ok(used)
    }

    /// What was used since `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            ticks: self.ticks.saturating_sub(before.ticks),
            cpu_ns: self.cpu_ns.saturating_sub(before.cpu_ns),
            sleeps: self.sleeps.saturating_sub(before.sleeps),
        }
    }
}

/// Resident memory, in KiB.
pub(super) fn resident_kib(pid: u32) -> anyhow::Result<u64> {
    field(&read_text(&file(pid, "status"))?, "VmRSS").context("no VmRSS in /proc/PID/status")
}

/// Peak of the resident memory, in KiB.
pub(super) fn peak_kib(pid: u32) -> anyhow::Result<u64> {
    field(&read_text(&file(pid, "status"))?, "VmHWM").context("no VmHWM in /proc/PID/status")
}

/// How many BPF links, i.e. attached programs, the process holds.
pub(super) fn bpf_links(pid: u32) -> anyhow::Result<usize> {
    let infos = descriptors(pid)?;
    Ok(infos.iter().filter(|info| field(info, "link_id").is_some()).count())
}

/// Run time in nanoseconds and runs of the BPF programs that the process holds, while the statistics are on.
pub(super) fn bpf_runs(pid: u32) -> anyhow::Result<(u64, u64)> {
    let infos = descriptors(pid)?;
    let sum = |name| infos.iter().filter_map(|info| field(info, name)).sum();
    Ok((sum("run_time_ns"), sum("run_cnt")))
}

/// What the kernel says of each open descriptor. One that was closed meanwhile is left out.
fn descriptors(pid: u32) -> anyhow::Result<Vec<String>> {
    Ok(directory(&file(pid, "fdinfo"))?.into_iter().filter_map(|path| read_text(&path).ok()).collect())
}

fn directory(path: &Path) -> Result<Vec<PathBuf>, FileError> {
    let list = || fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>();
    list().map_err(FileError::on("read", path))
}

fn file(pid: u32, name: &str) -> PathBuf {
    format!("/proc/{pid}/{name}").into()
}

/// The number of the line `name: number`.
fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| first(line.strip_prefix(name)?.strip_prefix(':')?))
}

fn first(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

/// `utime` + `stime`: fields 14 and 15 of proc(5), counted from behind the command's name, which may contain anything.
fn ticks(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_shifts_nothing() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 42 8 0 0 20 0 1 0 100 0 0";
        assert_eq!(ticks(stat), Some(50));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "VmRSS:\t    1234 kB\nnonvoluntary_ctxt_switches:\t9\nvoluntary_ctxt_switches:\t5\n";
        assert_eq!(field(text, "VmRSS"), Some(1234));
        assert_eq!(field(text, "voluntary_ctxt_switches"), Some(5));
        assert_eq!(field(text, "VmHWM"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        let pid = std::process::id();
        assert!(Used::by(pid).expect("own figures").cpu_ns > 0);
        assert!(resident_kib(pid).expect("VmRSS") <= peak_kib(pid).expect("VmHWM"));
        assert_eq!(bpf_links(pid).expect("own descriptors"), 0);
    }
}
