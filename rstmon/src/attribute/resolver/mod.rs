//! From a cgroup id to the [`Placement`] of that cgroup.
//!
//! Contract: [`Resolver::resolve`] never fails; it gives the best answer that the [`ResolverLimits`] allow. A known id
//! costs a hash look-up. An unknown id is looked up in these places, cheapest first:
//!
//! 1. `/proc/<pid>/cgroup` of its owner, if that process still lives (pid AND start time). The path is verified and
//!    cached when the directory it names has the id as its inode number (three small reads). It is rejected when the
//!    directory has another inode number: the process has moved to another cgroup since.
//! 2. A walk of the hierarchy, which answers for all ids that are waiting: at most one per
//!    [`ResolverLimits::walk_interval`], and for at most one part in [`ResolverLimits::walk_share`] of the time.
//! 3. The owner's path where it cannot be verified, because its cgroup is already removed or not mounted here. It is
//!    used, but looked up again later.
//!
//! Ids are not used twice (kernfs counts a generation into them, `__kernfs_new_node`), so a placement stays true when
//! its cgroup is removed. It is forgotten only when the cache is full and all others were used more recently. A walk
//! fills free room in the cache, but evicts nothing for an id that was never looked up.

use super::{
    cgroupfs::{Controller, Hierarchy, Mounts},
    membership::{self, HierarchyKind},
    parse::Placement,
    process::{ProcessRef, Procfs},
    walk::{WalkBounds, Walked, walk},
};
use lru::LruCache;
use rstmon_common::limits::CGROUP_V1_FLAG;
use std::{
    collections::HashSet,
    fs, io,
    num::NonZeroUsize,
    ops::ControlFlow,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

#[cfg(test)]
mod live;
#[cfg(test)]
mod tests;

/// Bounds of the resolver's memory and of its walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ResolverLimits {
    /// Capacity of the cache of placements.
    pub(crate) known: NonZeroUsize,
    /// Capacity of the cache of ids that were not found.
    pub(crate) missing: NonZeroUsize,
    pub(crate) bounds: WalkBounds,
    /// The least time from one walk of a hierarchy to the next.
    pub(crate) walk_interval: Duration,
    /// A walk that took `t` is not repeated within `walk_share * t`: 100 keeps walking below 1 % of one CPU.
    pub(crate) walk_share: u32,
    /// How long no further walk looks for an id that a walk did not find.
    pub(crate) gone_for: Duration,
}

impl Default for ResolverLimits {
    fn default() -> Self {
        Self {
            known: NonZeroUsize::MIN.saturating_add(16_383),
            missing: NonZeroUsize::MIN.saturating_add(1_023),
            bounds: WalkBounds::default(),
            walk_interval: Duration::from_secs(1),
            walk_share: 100,
            gone_for: Duration::from_mins(5),
        }
    }
}

/// Looks up cgroup ids. Its calls block on procfs and cgroupfs.
#[derive(Debug)]
pub(crate) struct Resolver {
    procfs: Procfs,
    v2: Tree,
    v1: Option<Tree>,
    known: LruCache<u64, Arc<Placement>>,
    missing: LruCache<u64, Missing>,
    limits: ResolverLimits,
    #[cfg(test)]
    cost: tests::ResolverCost,
}

/// A hierarchy and when it may be walked again.
#[derive(Debug)]
struct Tree {
    kind: HierarchyKind,
    /// `None` if it is not mounted where this process can see it.
    hierarchy: Option<Hierarchy>,
    /// `None` before the first walk.
    next_walk: Option<Instant>,
}

/// An id without a verified placement.
#[derive(Debug)]
struct Missing {
    /// When a walk may look for it again.
    retry_at: Instant,
    /// The owner whose procfs entry was read last.
    asked: Option<ProcessRef>,
    /// From an owner's path that could not be verified.
    unverified: Option<Arc<Placement>>,
}

/// What an owner's procfs entry says about an id.
enum OwnerAnswer {
    Verified(Placement),
    Unverified(Placement),
    None,
}

impl Resolver {
    /// A resolver for the hierarchies in `mounts`; ids with [`CGROUP_V1_FLAG`] are of the v1 hierarchy of `controller`.
    #[must_use]
    pub(crate) fn new(procfs: Procfs, mounts: &Mounts, controller: Option<Controller>, limits: ResolverLimits) -> Self {
        let tree = |kind, hierarchy: Option<&Hierarchy>| Tree { kind, hierarchy: hierarchy.cloned(), next_walk: None };
        Self {
            procfs,
            v2: tree(HierarchyKind::V2, mounts.v2()),
            v1: controller.map(|controller| tree(HierarchyKind::V1(controller), mounts.v1(controller))),
            known: LruCache::new(limits.known),
            missing: LruCache::new(limits.missing),
            limits,
            #[cfg(test)]
            cost: tests::ResolverCost::default(),
        }
    }

    /// Fills the cache with the cgroups that exist, so that the first resets need no walk and a cgroup that is removed
    /// before its first reset is still known. Returns how many directories were visited.
    pub(crate) fn prime(&mut self, now: Instant) -> Result<usize, WalkError> {
        let flags: &[u64] = if self.v1.is_some() { &[0, CGROUP_V1_FLAG] } else { &[0] };
        let mut directories = 0;
        for &id in flags {
            directories += self.walk(id, now)?.map_or(0, |walked| walked.directories);
        }
        Ok(directories)
    }

    /// The placement of the cgroup that the kernel half recorded; `owner` helps to find a cgroup that is not known yet.
    /// `None` for the id 0, which the kernel half records for an unknown cgroup, and for an id that cannot be found.
    ///
    /// `now` must never decrease from one call to the next.
    pub(crate) fn resolve(&mut self, cgroup: u64, owner: Option<ProcessRef>, now: Instant) -> Option<Arc<Placement>> {
        if cgroup & !CGROUP_V1_FLAG == 0 {
            return None;
        }
        if let Some(placement) = self.known.get(&cgroup) {
            return Some(Arc::clone(placement));
        }
        let (due, unverified) = match self.missing.get(&cgroup) {
            None => (true, None),
            Some(missing) => {
                let due = missing.retry_at <= now;
                let helps = missing.unverified.is_none() && owner.is_some() && owner != missing.asked;
                if !due && !helps {
                    return missing.unverified.clone();
                }
                (due, missing.unverified.clone())
            }
        };
        self.look_up(cgroup, owner, due, unverified, now)
    }

    /// The placement if it is cached; reads nothing.
    #[must_use]
    pub(crate) fn cached(&self, cgroup: u64) -> Option<Arc<Placement>> {
        let unverified = || self.missing.peek(&cgroup).and_then(|missing| missing.unverified.as_ref());
        self.known.peek(&cgroup).or_else(unverified).cloned()
    }

    fn look_up(
        &mut self,
        cgroup: u64,
        owner: Option<ProcessRef>,
        due: bool,
        mut unverified: Option<Arc<Placement>>,
        now: Instant,
    ) -> Option<Arc<Placement>> {
        match owner.map_or(OwnerAnswer::None, |owner| self.ask(cgroup, owner)) {
            OwnerAnswer::Verified(placement) => {
                #[cfg(test)]
                self.cost.record_owner();
                self.missing.pop(&cgroup);
                let placement = Arc::new(placement);
                self.known.put(cgroup, Arc::clone(&placement));
                return Some(placement);
            }
            OwnerAnswer::Unverified(placement) => unverified = Some(Arc::new(placement)),
            OwnerAnswer::None => {}
        }
        let may_walk = self.tree(cgroup).and_then(|tree| tree.next_walk);
        let retry_at =
            if due { may_walk.unwrap_or(now) } else { self.missing.peek(&cgroup).map_or(now, |m| m.retry_at) };
        self.missing.put(cgroup, Missing { retry_at, asked: owner, unverified });
        if due
            && retry_at <= now
            && let Err(error) = self.walk(cgroup, now)
        {
            tracing::debug!(%error, source = %error.source, "cgroups cannot be listed");
        }
        self.cached(cgroup)
    }

    fn tree(&self, cgroup: u64) -> Option<&Tree> {
        if is_v1(cgroup) { self.v1.as_ref() } else { Some(&self.v2) }
    }

    /// Reads the owner's `/proc/<pid>/cgroup`, if the pid still is that process.
    fn ask(&self, cgroup: u64, owner: ProcessRef) -> OwnerAnswer {
        let Some(tree) = self.tree(cgroup) else { return OwnerAnswer::None };
        let Ok(content) = self.procfs.open(owner).and_then(|process| process.cgroups()) else {
            return OwnerAnswer::None;
        };
        let Some(path) = membership::path(&content, tree.kind) else { return OwnerAnswer::None };
        let placement = || Placement::from_path(path);
        // The path of a removed cgroup ends in " (deleted)" and leads nowhere.
        match tree.directory(path).map(fs::metadata) {
            Some(Ok(metadata)) if metadata.ino() == cgroup & !CGROUP_V1_FLAG => OwnerAnswer::Verified(placement()),
            // The process has moved since, or the socket was created in another cgroup (socket activation).
            Some(Ok(_)) => OwnerAnswer::None,
            // The root always exists. `proc_cgroup_show` prints it for an exiting task, and for a process at the root
            // of this reader's cgroup namespace.
            Some(Err(_)) | None if path == b"/" => OwnerAnswer::None,
            Some(Err(_)) | None => OwnerAnswer::Unverified(placement()),
        }
    }

    /// Walks the hierarchy of `cgroup`, if it is mounted, and caches what it finds.
    fn walk(&mut self, cgroup: u64, now: Instant) -> Result<Option<Walked>, WalkError> {
        let tree = if is_v1(cgroup) { self.v1.as_mut() } else { Some(&mut self.v2) };
        let Some((tree, hierarchy)) = tree.and_then(|tree| tree.hierarchy.clone().map(|hierarchy| (tree, hierarchy)))
        else {
            self.give_up(cgroup, now);
            return Ok(None);
        };
        let begun = Instant::now();
        let flag = cgroup & CGROUP_V1_FLAG;
        let mut wanted: HashSet<u64> = (self.missing.iter())
            .filter(|(id, missing)| is_v1(**id) == is_v1(cgroup) && missing.retry_at <= now)
            .map(|(id, _)| *id)
            .collect();
        let outcome = walk(&hierarchy.point, self.limits.bounds, |inode, below| {
            let id = inode | flag;
            let asked_for = self.missing.pop(&id).is_some();
            let is_full = self.known.len() >= self.known.cap().get();
            if asked_for || !is_full && !self.known.contains(&id) {
                let path = hierarchy.cgroup_path(below);
                self.known.put(id, Arc::new(Placement::from_path(path.as_os_str().as_bytes())));
            }
            wanted.remove(&id);
            if wanted.is_empty() && is_full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let took = begun.elapsed();
        tree.next_walk = Some(now + self.limits.walk_interval.max(took.saturating_mul(self.limits.walk_share)));
        #[cfg(test)]
        self.cost.record_walk(took, &outcome);
        for id in wanted {
            self.give_up(id, now);
        }
        outcome.map(Some).map_err(|source| WalkError { path: hierarchy.point, source })
    }

    /// Lets no walk look for an id for [`ResolverLimits::gone_for`], also after a walk that a bound cut short: the next
    /// one would be cut short as well.
    fn give_up(&mut self, cgroup: u64, now: Instant) {
        if let Some(missing) = self.missing.peek_mut(&cgroup) {
            missing.retry_at = now + self.limits.gone_for;
        }
    }
}

impl Tree {
    fn directory(&self, path: &[u8]) -> Option<PathBuf> {
        self.hierarchy.as_ref()?.directory(Path::new(std::ffi::OsStr::from_bytes(path)))
    }
}

fn is_v1(cgroup: u64) -> bool {
    cgroup & CGROUP_V1_FLAG != 0
}

/// A hierarchy could not be listed.
#[derive(Debug, thiserror::Error)]
#[error("cannot list the cgroups at {path}", path = path.display())]
pub(crate) struct WalkError {
    path: PathBuf,
    source: io::Error,
}
