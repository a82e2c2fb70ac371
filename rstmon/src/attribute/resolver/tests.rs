//! The resolver on fake hierarchies: ordinary directories whose inode numbers are the ids.

use super::{super::mountinfo, *};

/// A host with one v2 and one v1 (`pids`) hierarchy and a procfs, each an ordinary directory.
struct Host {
    root: tempfile::TempDir,
    start: Instant,
}

/// What the resolver has read so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ResolverCost {
    /// Ids that were found through their owner's `/proc/<pid>/cgroup`.
    pub(super) found_by_owner: u64,
    pub(super) walks: u64,
    pub(super) failed_walks: u64,
    pub(super) directories: u64,
    pub(super) walk_time: Duration,
}

impl ResolverCost {
    pub(super) fn record_owner(&mut self) {
        self.found_by_owner += 1;
    }

    pub(super) fn record_walk(&mut self, took: Duration, outcome: &io::Result<Walked>) {
        self.walks += 1;
        self.walk_time += took;
        match outcome {
            Ok(walked) => self.directories += walked.directories as u64,
            Err(_) => self.failed_walks += 1,
        }
    }
}

const OWNER: ProcessRef = ProcessRef { pid: 7, start_ns: 1_234_560_000_000 };
const STAT: &str = "7 (a) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 2000\n";

impl Host {
    fn new() -> Self {
        let host = Self { root: tempfile::tempdir().expect("a temporary directory"), start: Instant::now() };
        for directory in ["v2", "v1", "proc/7"] {
            fs::create_dir_all(host.path(directory)).expect("a directory");
        }
        fs::write(host.path("proc/7/stat"), STAT).expect("a file");
        host
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// Makes a cgroup and returns its id.
    fn create(&self, cgroup: &str) -> u64 {
        fs::create_dir_all(self.path(cgroup)).expect("a directory");
        let inode = fs::metadata(self.path(cgroup)).expect("just made").ino();
        if cgroup.starts_with("v1") { inode | CGROUP_V1_FLAG } else { inode }
    }

    /// Removes a cgroup. The file system may give its inode number to the next one that is made; cgroupfs does not, so
    /// the directory is only moved away.
    fn remove(&self, cgroup: &str) {
        let away = self.path(&cgroup.replace('/', "_"));
        fs::rename(self.path(cgroup), away).expect("movable");
    }

    fn owner_is_in(&self, cgroups: &str) {
        fs::write(self.path("proc/7/cgroup"), cgroups).expect("a file");
    }

    fn resolver(&self, limits: ResolverLimits) -> Resolver {
        self.resolver_of(&["v2 / cgroup2 rw", "v1 / cgroup rw,pids"], limits)
    }

    fn resolver_of(&self, mounts: &[&str], limits: ResolverLimits) -> Resolver {
        let lines: Vec<String> = (mounts.iter().enumerate())
            .map(|(id, mount)| {
                let fields: Vec<&str> = mount.split(' ').collect();
                let [point, root, kind, options] = fields[..] else { panic!("four fields: {mount}") };
                format!("{} 1 0:1 {root} {} rw - {kind} none {options}", id + 2, self.path(point).display())
            })
            .collect();
        let mounts = Mounts::from_entries(&mountinfo::parse(lines.join("\n").as_bytes()));
        Resolver::new(Procfs::new(self.path("proc")), &mounts, Some(Controller::Pids), limits)
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }
}

/// One walk in 10 s, however long it takes.
fn limits() -> ResolverLimits {
    ResolverLimits { walk_interval: Duration::from_secs(10), walk_share: 0, ..ResolverLimits::default() }
}

fn limits_of(known: usize, missing: usize) -> ResolverLimits {
    let size = |size| NonZeroUsize::new(size).expect("not zero");
    ResolverLimits { known: size(known), missing: size(missing), ..limits() }
}

fn unit(placement: Option<Arc<Placement>>) -> Option<String> {
    placement.and_then(|placement| placement.unit.clone())
}

#[test]
fn an_id_is_found_by_a_walk_of_its_own_hierarchy() {
    let host = Host::new();
    let v2 = host.create("v2/system.slice/a.service/worker");
    let v1 = host.create("v1/system.slice/b.service");
    let mut resolver = host.resolver(limits());
    assert_eq!(unit(resolver.resolve(v2, None, host.at(0))).as_deref(), Some("a.service"));
    assert_eq!(unit(resolver.resolve(v1, None, host.at(0))).as_deref(), Some("b.service"));
    assert_eq!(resolver.cost.walks, 2);
    assert_eq!(resolver.cost.directories, 4 + 3);
    assert_eq!(resolver.resolve(v2 | CGROUP_V1_FLAG, None, host.at(100)), None, "the flag is part of the id");
    assert_eq!(resolver.resolve(v1 & !CGROUP_V1_FLAG, None, host.at(100)), None, "the flag is part of the id");
}

#[test]
fn the_unknown_id_costs_nothing_and_the_root_is_an_answer() {
    let host = Host::new();
    let root = host.create("v2");
    let mut resolver = host.resolver(limits());
    assert_eq!(resolver.resolve(0, Some(OWNER), host.at(0)), None);
    assert_eq!(resolver.resolve(CGROUP_V1_FLAG, Some(OWNER), host.at(0)), None);
    assert_eq!(resolver.cost, ResolverCost::default());
    assert_eq!(resolver.resolve(root, None, host.at(0)).as_deref(), Some(&Placement::default()));
}

#[test]
fn the_root_of_the_mount_is_part_of_the_path() {
    let host = Host::new();
    let id = host.create("v2/x");
    let mut resolver = host.resolver_of(&["v2 /system.slice/a.service cgroup2 rw"], limits());
    assert_eq!(unit(resolver.resolve(id, None, host.at(0))).as_deref(), Some("a.service"));
}

#[test]
fn an_answer_outlives_its_cgroup() {
    let host = Host::new();
    let asked = host.create("v2/asked.service");
    let primed = host.create("v2/primed.service");
    let mut resolver = host.resolver(limits());
    assert_eq!(resolver.prime(host.at(0)).expect("readable"), 3 + 1);
    host.remove("v2/asked.service");
    host.remove("v2/primed.service");
    host.create("v2/other.service");
    let unseen = resolver.resolve(u64::MAX >> 1, None, host.at(20));
    assert_eq!((unseen, resolver.cost.walks), (None, 3), "the tree was walked without them");
    for (id, expected) in [(asked, "asked.service"), (primed, "primed.service")] {
        assert_eq!(unit(resolver.resolve(id, None, host.at(21))).as_deref(), Some(expected));
    }
    assert_eq!(resolver.cost.walks, 3);
}

#[test]
fn misses_share_one_walk_an_interval() {
    let host = Host::new();
    let mut resolver = host.resolver(limits());
    assert_eq!(resolver.resolve(u64::MAX >> 1, None, host.at(0)), None);
    let late: Vec<u64> = (0..3).map(|n| host.create(&format!("v2/late{n}.service"))).collect();
    for second in 1..10 {
        for &id in &late {
            assert_eq!(resolver.resolve(id, None, host.at(second)), None);
        }
    }
    assert_eq!(resolver.cost.walks, 1);
    for (n, &id) in late.iter().enumerate() {
        assert_eq!(unit(resolver.resolve(id, None, host.at(10))), Some(format!("late{n}.service")));
    }
    assert_eq!(resolver.cost.walks, 2);
}

#[test]
fn an_id_that_is_gone_causes_no_walk_for_a_while() {
    let host = Host::new();
    let mut resolver = host.resolver(limits());
    let gone = u64::MAX >> 1;
    let gone_for = limits().gone_for.as_secs();
    for second in [0, 10, 20, gone_for - 1] {
        assert_eq!(resolver.resolve(gone, None, host.at(second)), None);
        assert_eq!(resolver.cost.walks, 1, "{second} s");
    }
    assert_eq!(resolver.resolve(gone, None, host.at(gone_for)), None);
    assert_eq!(resolver.cost.walks, 2);
}

#[test]
fn a_slow_walk_is_repeated_less_often() {
    let host = Host::new();
    let one_day = 86_400;
    let share = u32::MAX;
    // The walk takes some microseconds, which this share turns into hours.
    let mut resolver = host.resolver(ResolverLimits { walk_share: share, ..limits() });
    assert_eq!(resolver.resolve(u64::MAX >> 1, None, host.at(0)), None);
    let walk_time = resolver.cost.walk_time;
    let new = host.create("v2/new.service");
    let allowed = walk_time * share;
    assert!(allowed > Duration::from_secs(20), "{allowed:?}");
    assert_eq!(resolver.resolve(new, None, host.at(20)), None);
    assert_eq!(resolver.cost.walks, 1);
    assert!(resolver.resolve(new, None, host.at(20) + allowed + Duration::from_secs(one_day)).is_some());
}

#[test]
fn a_full_cache_keeps_what_was_asked_for() {
    let host = Host::new();
    let mut resolver = host.resolver(limits_of(4, 4));
    let mut asked = Vec::new();
    for n in 0..4 {
        asked.push(host.create(&format!("v2/asked{n}.service")));
        assert!(resolver.resolve(asked[n], None, host.at(n as u64 * 10)).is_some());
    }
    for n in 0..50 {
        host.create(&format!("v2/idle{n}.service"));
    }
    let newest = host.create("v2/newest.service");
    assert!(resolver.resolve(newest, None, host.at(100)).is_some());
    assert_eq!(resolver.known.len(), 4);
    let kept: Vec<bool> = asked.iter().map(|id| resolver.cached(*id).is_some()).collect();
    assert_eq!(kept, [false, true, true, true], "only the one that was not used for longest made room");
}

#[test]
fn churn_leaves_neither_cache_larger_than_its_limit() {
    let host = Host::new();
    let mut resolver = host.resolver(limits_of(8, 8));
    for n in 0..100 {
        let id = host.create(&format!("v2/run{n}.scope"));
        assert_eq!(unit(resolver.resolve(id, None, host.at(n * 10))), Some(format!("run{n}.scope")));
        host.remove(&format!("v2/run{n}.scope"));
        assert_eq!(resolver.resolve((u64::MAX >> 1) - n, None, host.at(n * 10)), None);
    }
    assert_eq!((resolver.known.len(), resolver.missing.len()), (8, 8));
    assert_eq!(resolver.cost.walks, 100);
}

#[test]
fn a_living_owner_saves_the_walk() {
    let host = Host::new();
    let v2 = host.create("v2/system.slice/a.service");
    let v1 = host.create("v1/b.service");
    host.owner_is_in("3:pids:/b.service\n0::/system.slice/a.service\n");
    let mut resolver = host.resolver(limits());
    assert_eq!(unit(resolver.resolve(v2, Some(OWNER), host.at(0))).as_deref(), Some("a.service"));
    assert_eq!(unit(resolver.resolve(v1, Some(OWNER), host.at(0))).as_deref(), Some("b.service"));
    host.remove("proc/7");
    assert_eq!(unit(resolver.resolve(v2, None, host.at(1))).as_deref(), Some("a.service"), "kept");
    assert_eq!(resolver.cost, ResolverCost { found_by_owner: 2, ..ResolverCost::default() });
}

#[test]
fn an_owner_that_moved_on_is_not_believed() {
    let host = Host::new();
    let before = host.create("v2/before.service");
    host.create("v2/after.service");
    host.owner_is_in("0::/after.service\n");
    let mut resolver = host.resolver(limits());
    assert_eq!(unit(resolver.resolve(before, Some(OWNER), host.at(0))).as_deref(), Some("before.service"));
    assert_eq!((resolver.cost.found_by_owner, resolver.cost.walks), (0, 1));
}

#[test]
fn a_recycled_pid_is_not_believed() {
    let host = Host::new();
    host.owner_is_in("0::/removed.service (deleted)\n");
    let mut resolver = host.resolver(limits());
    let predecessor = ProcessRef { start_ns: OWNER.start_ns - 10_000_000, ..OWNER };
    assert_eq!(resolver.resolve(u64::MAX >> 1, Some(predecessor), host.at(0)), None);
    // Another owner of the same id is read at once, although the walk has not found the id.
    assert_eq!(unit(resolver.resolve(u64::MAX >> 1, Some(OWNER), host.at(1))).as_deref(), Some("removed.service"));
    assert_eq!(resolver.cost.walks, 1);
}

#[test]
fn an_answer_that_cannot_be_verified_is_used_and_looked_up_again() {
    for (cgroups, expected) in [
        ("0::/system.slice/a.service (deleted)\n", Some("a.service")),
        ("0::/system.slice/a.service\n", Some("a.service")),
        ("0::/../a.service\n", Some("a.service")),
        ("0::/\n", None),
        ("1:pids:/a.service\n", None),
        ("", None),
    ] {
        // No such path can be verified: the mount shows another part of the hierarchy.
        let host = Host::new();
        host.owner_is_in(cgroups);
        let mut resolver = host.resolver_of(&["v2 /docker/abc cgroup2 rw"], limits());
        let id = u64::MAX >> 1;
        let answer = resolver.resolve(id, Some(OWNER), host.at(0));
        assert_eq!(answer.is_some(), expected.is_some(), "an empty answer is not one: {cgroups:?}");
        assert_eq!(unit(answer).as_deref(), expected, "{cgroups:?}");
        assert_eq!(unit(resolver.resolve(id, None, host.at(1))).as_deref(), expected, "remembered: {cgroups:?}");
        assert_eq!(unit(resolver.cached(id)).as_deref(), expected, "{cgroups:?}");

        host.owner_is_in("0::/later.service\n");
        let later = host.at(limits().gone_for.as_secs());
        assert_eq!(unit(resolver.resolve(id, Some(OWNER), later)).as_deref(), Some("later.service"), "{cgroups:?}");
    }
}

#[test]
fn without_any_hierarchy_the_owner_is_the_only_source() {
    let host = Host::new();
    host.owner_is_in("3:pids:/b.service\n0::/a.service\n");
    let mut resolver = Resolver::new(Procfs::new(host.path("proc")), &Mounts::default(), None, limits());
    assert_eq!(unit(resolver.resolve(5, Some(OWNER), host.at(0))).as_deref(), Some("a.service"));
    assert_eq!(resolver.resolve(5 | CGROUP_V1_FLAG, Some(OWNER), host.at(0)), None);
    assert_eq!(resolver.resolve(6, None, host.at(0)), None);
    assert_eq!(resolver.prime(host.at(0)).expect("nothing to read"), 0);
    assert_eq!(resolver.cost, ResolverCost::default());
}

#[test]
fn a_hierarchy_that_cannot_be_read_is_reported_and_not_hammered() {
    let host = Host::new();
    let mut resolver = host.resolver_of(&["nowhere / cgroup2 rw"], limits());
    let error = resolver.prime(host.at(0)).expect_err("nothing there");
    assert_eq!(error.to_string(), format!("cannot list the cgroups at {}", host.path("nowhere").display()));
    for second in 1..10 {
        assert_eq!(resolver.resolve(second, None, host.at(second)), None);
    }
    assert_eq!((resolver.cost.walks, resolver.cost.failed_walks), (1, 1));
}

#[test]
fn a_bounded_walk_gives_up_on_what_it_did_not_reach() {
    let host = Host::new();
    let near = host.create("v2/near.service");
    let far = host.create("v2/1/2/3/4/far.service");
    let bounds = WalkBounds { directories: 100, depth: 3 };
    let mut resolver = host.resolver(ResolverLimits { bounds, ..limits() });
    assert_eq!(resolver.resolve(far, None, host.at(0)), None);
    assert!(resolver.resolve(near, None, host.at(0)).is_some());
    assert_eq!(resolver.resolve(far, None, host.at(20)), None);
    assert_eq!(resolver.cost.walks, 1);
}
