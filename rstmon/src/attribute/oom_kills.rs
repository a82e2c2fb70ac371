//! Which processes the kernel's OOM killer killed, by the counts of kills that it keeps for each cgroup: `oom_kill` in
//! `memory.events.local` or `memory.events` (cgroup v2), or in `memory.oom_control` (v1).
//!
//! Contract: a process is said to have been killed so only where a count of its own cgroup grew within the seconds in
//! which it died by SIGKILL, and by no fewer than the processes that are said so. `__oom_kill_process`
//! (`mm/oom_kill.c`) counts before it sends the signal. A cgroup is created with a count of 0.

use super::{
    cgroupfs::{Controller, Hierarchy, Mounts},
    process::ProcessRef,
    walk::{WalkBounds, walk},
};
use lru::LruCache;
use rstmon_common::limits::CGROUP_V1_FLAG;
use std::{
    collections::HashMap,
    fs,
    num::NonZeroUsize,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

/// A process may need this long from the kill to the end of its connections.
const DYING: Duration = Duration::from_secs(5);
/// How long growth of a count is remembered: for the segments that reach closed connections later.
const REMEMBERED: Duration = Duration::from_mins(10);
/// The least time between two looks at all cgroups.
const INTERVAL: Duration = Duration::from_secs(1);
/// A look that took `t` is not repeated within `SHARE * t`.
const SHARE: u32 = 100;
/// Processes whose answers are remembered.
const JUDGED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// The counts of kills of all cgroups at the last look.
pub(crate) struct OomKills {
    /// With the flag of their ids.
    trees: Vec<(u64, Hierarchy)>,
    memory_v1: Option<Hierarchy>,
    groups: HashMap<u64, KillCount>,
    /// When all cgroups were looked at last.
    looked: Option<SystemTime>,
    next_look: Option<Instant>,
    judged: LruCache<ProcessRef, bool>,
}

/// The count of one cgroup.
struct KillCount {
    /// The file with the count.
    file: PathBuf,
    kills: u64,
    looked: SystemTime,
    grown: Vec<KillSpan>,
}

/// Growth of a count between two looks.
struct KillSpan {
    from: SystemTime,
    to: SystemTime,
    /// Kills of which the process is not known yet.
    left: u64,
}

impl OomKills {
    /// Looks at the cgroups for the first time: kills before are not known.
    #[must_use]
    pub(crate) fn new(mounts: &Mounts, controller: Option<Controller>) -> Self {
        let v2 = mounts.v2().map(|hierarchy| (0, hierarchy.clone()));
        let v1 = controller.and_then(|controller| mounts.v1(controller)).map(|one| (CGROUP_V1_FLAG, one.clone()));
        let mut kills = Self {
            trees: v2.into_iter().chain(v1).collect(),
            memory_v1: mounts.v1(Controller::Memory).cloned(),
            groups: HashMap::new(),
            looked: None,
            next_look: None,
            judged: LruCache::new(JUDGED),
        };
        kills.look(SystemTime::now());
        kills
    }

    /// Looks at all cgroups, if the last look is long enough ago. To be called every few seconds.
    pub(crate) fn look(&mut self, now: SystemTime) {
        if self.next_look.is_some_and(|next| Instant::now() < next) {
            return;
        }
        let begun = Instant::now();
        let mut present = HashMap::new();
        for (flag, hierarchy) in &self.trees {
            // A hierarchy that cannot be read has no counts.
            let _ = walk(&hierarchy.point, WalkBounds::default(), |inode, below| {
                let id = inode | flag;
                let file = match self.groups.get(&id) {
                    Some(known) => Some(known.file.clone()),
                    None => self.file(hierarchy, below),
                };
                if let Some((file, kills)) = file.and_then(|file| Some((file.clone(), read(&file)?))) {
                    present.insert(id, (file, kills));
                }
                ControlFlow::Continue(())
            });
        }
        let first = self.looked.replace(now);
        for (id, (file, kills)) in present {
            let known = self.groups.entry(id).or_insert_with(|| KillCount {
                file,
                // At the first look, what was before is not known; later, a new cgroup began with 0.
                kills: if first.is_none() { kills } else { 0 },
                looked: first.unwrap_or(now),
                grown: Vec::new(),
            });
            known.take(kills, now);
        }
        // Of a cgroup that is gone, the growth is still remembered.
        self.groups.retain(|_, known| known.looked == now || known.forget(now));
        self.next_look = Some(begun + INTERVAL.max(begun.elapsed().saturating_mul(SHARE)));
    }

    /// Whether the OOM killer killed this process, which was in that cgroup and died by SIGKILL at `died`. Answers the
    /// same for the same process.
    pub(crate) fn killed(&mut self, cgroup: u64, process: ProcessRef, died: SystemTime, now: SystemTime) -> bool {
        if let Some(answer) = self.judged.get(&process) {
            return *answer;
        }
        match self.groups.get_mut(&cgroup) {
            Some(known) if known.looked <= died => {
                if let Some(kills) = read(&known.file) {
                    known.take(kills, now);
                }
            }
            Some(_) => {}
            None => self.look(now),
        }
        let answer = self.groups.get_mut(&cgroup).is_some_and(|known| known.spend(died));
        self.judged.put(process, answer);
        answer
    }

    /// The file with the count of a cgroup, given its directory relative to the mount.
    fn file(&self, hierarchy: &Hierarchy, below: &Path) -> Option<PathBuf> {
        let group = hierarchy.point.join(below);
        let path = hierarchy.cgroup_path(below);
        let v1 = self.memory_v1.as_ref().and_then(|memory| memory.directory(&path));
        let files = [
            Some(group.join("memory.events.local")),
            Some(group.join("memory.events")),
            v1.map(|group| group.join("memory.oom_control")),
        ];
        files.into_iter().flatten().find(|file| file.is_file())
    }
}

impl KillCount {
    fn take(&mut self, kills: u64, now: SystemTime) {
        let grown = kills.saturating_sub(self.kills);
        if grown > 0 {
            self.grown.push(KillSpan { from: self.looked, to: now, left: grown });
        }
        (self.kills, self.looked) = (kills, now);
        self.forget(now);
    }

    /// Forgets old growth. Returns whether there is any other.
    fn forget(&mut self, now: SystemTime) -> bool {
        self.grown.retain(|span| now.duration_since(span.to).is_ok_and(|age| age < REMEMBERED));
        !self.grown.is_empty()
    }

    /// Takes one kill for a process that died then, if there was one.
    fn spend(&mut self, died: SystemTime) -> bool {
        let fits = |span: &KillSpan| span.left > 0 && span.from <= died && died <= span.to + DYING;
        match self.grown.iter_mut().find(|span| fits(span)) {
            Some(span) => {
                span.left -= 1;
                true
            }
            None => false,
        }
    }
}

/// The number of kills in a file with lines of a name and a number; `None` where it cannot be read.
fn read(file: &Path) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{Duration, HashMap, Hierarchy, Instant, JUDGED, LruCache, OomKills, ProcessRef, SystemTime};
    use std::{
        fs,
        os::unix::fs::MetadataExt as _,
        path::{Path, PathBuf},
    };

    /// A directory that looks like a hierarchy, and a process in one of its cgroups.
    struct Host {
        directory: tempfile::TempDir,
        kills: OomKills,
        begun: SystemTime,
    }

    impl Host {
        fn new(groups: &[(&str, u64)]) -> Self {
            let directory = tempfile::tempdir().expect("a directory");
            let begun = SystemTime::now();
            let tree = Hierarchy { point: directory.path().into(), root: PathBuf::from("/") };
            let kills = OomKills {
                trees: vec![(0, tree)],
                memory_v1: None,
                groups: HashMap::new(),
                looked: None,
                next_look: None,
                judged: LruCache::new(JUDGED),
            };
            let mut host = Self { directory, kills, begun };
            for (group, count) in groups {
                host.count(group, *count);
            }
            host.look(0);
            host
        }

        fn path(&self, group: &str) -> PathBuf {
            self.directory.path().join(group)
        }

        fn count(&mut self, group: &str, kills: u64) {
            fs::create_dir_all(self.path(group)).expect("a cgroup");
            let text = format!("low 0\nhigh 0\nmax 9\noom 3\noom_kill {kills}\noom_group_kill 0\n");
            fs::write(self.path(group).join("memory.events.local"), text).expect("a file");
        }

        fn at(&self, second: u64) -> SystemTime {
            self.begun + Duration::from_secs(second)
        }

        fn look(&mut self, second: u64) {
            self.kills.next_look = None;
            self.kills.look(self.at(second));
        }

        /// Whether a process that died then was killed so.
        fn killed(&mut self, group: &str, pid: u32, second: u64) -> bool {
            self.kills.next_look = None;
            let id = fs::metadata(self.path(group)).expect("a cgroup").ino();
            let (died, process) = (self.at(second), ProcessRef { pid, start_ns: 1 });
            self.kills.killed(id, process, died, died)
        }
    }

    #[test]
    fn a_count_that_grows_as_a_process_dies_names_it_and_no_other() {
        let mut host = Host::new(&[("web.service", 4), ("db.service", 0)]);
        assert!(!host.killed("web.service", 1, 1), "kills of before");
        host.count("web.service", 5);
        assert!(host.killed("web.service", 2, 3));
        assert!(host.killed("web.service", 2, 4), "another connection of the same process");
        assert!(!host.killed("web.service", 3, 4), "one kill, one process");
        assert!(!host.killed("db.service", 4, 4));
    }

    #[test]
    fn growth_that_was_seen_earlier_belongs_to_its_time() {
        let mut host = Host::new(&[("web.service", 0)]);
        host.count("web.service", 1);
        host.look(5);
        host.look(10);
        assert!(!host.killed("web.service", 1, 60), "nothing grew then");
        assert!(host.killed("web.service", 2, 3));
    }

    #[test]
    fn a_cgroup_that_is_new_began_with_none_and_one_without_the_file_has_none() {
        let mut host = Host::new(&[("web.service", 0)]);
        host.count("job.service", 1);
        assert!(host.killed("job.service", 1, 2));
        fs::create_dir(host.path("bare.service")).expect("a cgroup");
        assert!(!host.killed("bare.service", 2, 3));
        assert!(super::read(Path::new("/nonexistent")).is_none());
    }

    #[test]
    fn looks_are_rare() {
        let mut host = Host::new(&[]);
        host.kills.look(host.at(1));
        assert!(host.kills.next_look.is_some_and(|next| next > Instant::now()));
    }
}
