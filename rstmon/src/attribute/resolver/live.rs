//! The resolver on the running kernel's own cgroupfs. These tests need the right to create cgroups; without it they are
//! skipped with a message.

use super::{super::process::parse_start_ns, *};
use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
};

/// Reports a skipped test. The test harness captures `eprintln!`, so this writes to standard error directly.
fn skipped(test: &str, why: &dyn std::fmt::Display) {
    let line = format!("\nSKIPPED live test {test}: {why}\n");
    let _ = io::stderr().write_all(line.as_bytes());
}

/// A slice with a service in it, removed on drop.
struct Service {
    slice: PathBuf,
}

impl Service {
    /// `None`, with a message, where creating cgroups is not permitted.
    fn create(hierarchy: Option<&Hierarchy>, test: &str) -> Option<Self> {
        let Some(hierarchy) = hierarchy else {
            skipped(test, &"the hierarchy is not mounted");
            return None;
        };
        let slice = hierarchy.point.join(format!("rstmontest{test}{}.slice", std::process::id()));
        if let Err(error) = fs::create_dir(&slice) {
            skipped(test, &format_args!("cannot create {}: {error}", slice.display()));
            return None;
        }
        let service = Self { slice };
        fs::create_dir(service.directory()).expect("a cgroup below the one just made");
        Some(service)
    }

    fn directory(&self) -> PathBuf {
        self.slice.join("foo.service")
    }

    fn id(&self) -> u64 {
        fs::metadata(self.directory()).expect("just made").ino()
    }

    fn remove(&self) -> io::Result<()> {
        fs::remove_dir(self.directory())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The service may be removed already, and a panic must not hide the test's own.
        let _ = self.remove();
        let _ = fs::remove_dir(&self.slice);
    }
}

/// A process that waits for its standard input to close.
struct Waiting(Child);

impl Waiting {
    fn start() -> Self {
        Self(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("cat"))
    }

    fn process(&self) -> ProcessRef {
        let pid = self.0.id();
        let stat = fs::read(format!("/proc/{pid}/stat")).expect("a living process");
        ProcessRef { pid, start_ns: parse_start_ns(&stat).expect("a stat") }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn mounts() -> Mounts {
    Mounts::discover(Path::new("/proc")).expect("a procfs")
}

fn assert_foo(placement: Option<&Arc<Placement>>) {
    let expected = Placement { unit: Some("foo.service".to_owned()), container: None };
    assert_eq!(placement.map(AsRef::as_ref), Some(&expected));
}

#[test]
fn a_cgroup_is_found_and_remembered() {
    let mounts = mounts();
    let Some(service) = Service::create(mounts.v2(), "walk") else { return };
    let mut resolver = Resolver::new(Procfs::default(), &mounts, None, ResolverLimits::default());
    let id = service.id();
    assert_foo(resolver.resolve(id, None, Instant::now()).as_ref());
    service.remove().expect("an empty cgroup");
    assert_foo(resolver.resolve(id, None, Instant::now()).as_ref());
    let mut late = Resolver::new(Procfs::default(), &mounts, None, ResolverLimits::default());
    assert_eq!(late.resolve(id, None, Instant::now()), None);
}

#[test]
fn a_v1_cgroup_is_found() {
    let mounts = mounts();
    let controller = mounts.preferred_v1();
    let hierarchy = controller.and_then(|controller| mounts.v1(controller));
    let Some(service) = Service::create(hierarchy, "v1") else { return };
    let mut resolver = Resolver::new(Procfs::default(), &mounts, controller, ResolverLimits::default());
    assert_foo(resolver.resolve(service.id() | CGROUP_V1_FLAG, None, Instant::now()).as_ref());
}

#[test]
fn a_living_owner_leads_to_its_cgroup_without_a_walk() {
    let mounts = mounts();
    let Some(service) = Service::create(mounts.v2(), "owner") else { return };
    let waiting = Waiting::start();
    fs::write(service.directory().join("cgroup.procs"), waiting.process().pid.to_string()).expect("root may move it");
    let mut resolver = Resolver::new(Procfs::default(), &mounts, None, ResolverLimits::default());
    assert_foo(resolver.resolve(service.id(), Some(waiting.process()), Instant::now()).as_ref());
    assert_eq!(resolver.cost, tests::ResolverCost { found_by_owner: 1, ..tests::ResolverCost::default() });
}

/// What `walk` relies on: a directory entry's inode number is the directory's own, and two links mean no children.
#[test]
fn cgroupfs_counts_as_the_walk_expects() {
    let mounts = mounts();
    let Some(service) = Service::create(mounts.v2(), "inode") else { return };
    let mut seen = Vec::new();
    let root = service.slice.parent().expect("the mount point");
    walk(root, WalkBounds::default(), |id, below| {
        if let Ok(metadata) = fs::metadata(root.join(below)) {
            assert_eq!(metadata.ino(), id, "{}", below.display());
        }
        seen.push(id);
        ControlFlow::Continue(())
    })
    .expect("a readable hierarchy");
    assert!(seen.contains(&service.id()));
    let links = |directory: &Path| fs::metadata(directory).expect("just made").nlink();
    assert_eq!((links(&service.slice), links(&service.directory())), (3, 2));
}
