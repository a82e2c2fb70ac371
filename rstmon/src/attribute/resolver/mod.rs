//! From a cgroup id to the [`Placement`] it stands for.
//!
//! Contract: [`Resolver::resolve`] gives the best answer it can pay for and never fails. A known id costs a hash look-up.
//! An unknown one is looked for, cheapest first:
//!
//! 1. in `/proc/<pid>/cgroup` of its owner, if that process still lives (pid AND start time). Believed for good when the
//!    directory it names has the id as its inode number: three small reads. A process that has moved on since is not.
//! 2. by a walk of the hierarchy, at most one in [`Limits::walk_interval`] and for at most one part in
//!    [`Limits::walk_share`] of the time, for everybody that waits for an answer.
//! 3. the owner's word that nothing contradicts, where its cgroup is already removed or not mounted here. It is used, but
//!    asked again.
//!
//! Ids are not used twice (kernfs counts a generation into them, `__kernfs_new_node`), so an answer that was found stays
//! true when the cgroup is removed: it is forgotten only when the cache is full and others were asked for more recently.
//! A walk fills free room in the cache, but evicts nothing for an id that nobody has asked for.

use super::{
    cgroupfs::{Controller, Hierarchy, MountError, Mounts},
    membership::{self, Line},
    parse::Placement,
    process::{ProcessRef, Procfs},
    walk::{Bounds, Walked, walk},
};
use lru::LruCache;
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

/// Set in an id that belongs to a v1 hierarchy. kernfs ids are counted up from 1, they do not get there.
pub(crate) use rstmon_common::limits::CGROUP_V1_FLAG;

/// What resolving may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Answers that are kept.
    pub(crate) known: NonZeroUsize,
    /// Ids without an answer that are kept.
    pub(crate) missing: NonZeroUsize,
    /// Where a walk stops.
    pub(crate) bounds: Bounds,
    /// The least time from one walk of a hierarchy to the next.
    pub(crate) walk_interval: Duration,
    /// A walk that took `t` is not repeated within `walk_share * t`: 100 keeps walking below 1 % of one CPU.
    pub(crate) walk_share: u32,
    /// How long an id that a walk did not find is taken to be gone.
    pub(crate) gone_for: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            known: NonZeroUsize::MIN.saturating_add(16_383),
            missing: NonZeroUsize::MIN.saturating_add(1_023),
            bounds: Bounds::default(),
            walk_interval: Duration::from_secs(1),
            walk_share: 100,
            gone_for: Duration::from_mins(5),
        }
    }
}

/// What resolving has cost so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    /// Ids that were found through their owner's `/proc/<pid>/cgroup`.
    pub(crate) found_by_owner: u64,
    /// Walks that were begun.
    pub(crate) walks: u64,
    /// Walks that could not be: the mount point was not readable.
    pub(crate) failed_walks: u64,
    /// Directories that were visited.
    pub(crate) directories: u64,
    /// Time that walks took.
    pub(crate) walk_time: Duration,
}

/// Looks up cgroup ids. Not shared: whoever owns it decides where its blocking reads may happen.
#[derive(Debug)]
pub(crate) struct Resolver {
    procfs: Procfs,
    v2: Tree,
    v1: Option<Tree>,
    known: LruCache<u64, Arc<Placement>>,
    missing: LruCache<u64, Missing>,
    limits: Limits,
    stats: Stats,
}

/// One hierarchy that ids come from.
#[derive(Debug)]
struct Tree {
    line: Line,
    /// None if it is not mounted where this process can see it.
    hierarchy: Option<Hierarchy>,
    /// None before the first walk.
    next_walk: Option<Instant>,
}

/// An id without a certain answer.
#[derive(Debug)]
struct Missing {
    /// When it is worth a walk again.
    retry_at: Instant,
    /// The owner that was asked.
    asked: Option<ProcessRef>,
    /// What an owner said that could not be verified.
    believed: Option<Arc<Placement>>,
}

/// What an owner's procfs entry says about an id.
enum Word {
    Certain(Placement),
    Plausible(Placement),
    Nothing,
}

impl Resolver {
    /// A resolver for the hierarchies in `mounts`; `controller` is the one whose v1 hierarchy the flagged ids are of.
    #[must_use]
    pub(crate) fn new(procfs: Procfs, mounts: &Mounts, controller: Option<Controller>, limits: Limits) -> Self {
        let tree = |line, hierarchy: Option<&Hierarchy>| Tree { line, hierarchy: hierarchy.cloned(), next_walk: None };
        Self {
            procfs,
            v2: tree(Line::V2, mounts.v2()),
            v1: controller.map(|controller| tree(Line::V1(controller), mounts.v1(controller))),
            known: LruCache::new(limits.known),
            missing: LruCache::new(limits.missing),
            limits,
            stats: Stats::default(),
        }
    }

    /// A resolver for what this process sees through `procfs`.
    pub(crate) fn discover(procfs: Procfs, controller: Option<Controller>, limits: Limits) -> Result<Self, MountError> {
        let mounts = Mounts::discover(procfs.root())?;
        Ok(Self::new(procfs, &mounts, controller, limits))
    }

    /// Fills the cache with the cgroups that exist, so that the first resets need no look-up and a cgroup that is removed
    /// before its first reset is remembered. Returns how many directories were visited.
    pub(crate) fn prime(&mut self, now: Instant) -> Result<usize, WalkError> {
        let flags: &[u64] = if self.v1.is_some() { &[0, CGROUP_V1_FLAG] } else { &[0] };
        let mut directories = 0;
        for &id in flags {
            directories += self.walk(id, now)?.map_or(0, |walked| walked.directories);
        }
        Ok(directories)
    }

    /// The placement of the cgroup that the kernel half recorded; `owner` helps for a cgroup that is not known yet.
    /// None for an id that is unknown (0), and one that cannot be found (any more).
    ///
    /// `now` must not run backwards.
    pub(crate) fn resolve(&mut self, cgroup: u64, owner: Option<ProcessRef>, now: Instant) -> Option<Arc<Placement>> {
        if cgroup & !CGROUP_V1_FLAG == 0 {
            return None;
        }
        if let Some(placement) = self.known.get(&cgroup) {
            return Some(Arc::clone(placement));
        }
        let (due, believed) = match self.missing.get(&cgroup) {
            None => (true, None),
            Some(missing) => {
                let due = missing.retry_at <= now;
                let helps = missing.believed.is_none() && owner.is_some() && owner != missing.asked;
                if !due && !helps {
                    return missing.believed.clone();
                }
                (due, missing.believed.clone())
            }
        };
        self.look_up(cgroup, owner, due, believed, now)
    }

    /// The answer if it is known already: no reads at all.
    #[must_use]
    pub(crate) fn cached(&self, cgroup: u64) -> Option<Arc<Placement>> {
        let believed = || self.missing.peek(&cgroup).and_then(|missing| missing.believed.as_ref());
        self.known.peek(&cgroup).or_else(believed).cloned()
    }

    /// What it has cost so far.
    #[must_use]
    pub(crate) fn stats(&self) -> Stats {
        self.stats
    }

    fn look_up(
        &mut self,
        cgroup: u64,
        owner: Option<ProcessRef>,
        due: bool,
        mut believed: Option<Arc<Placement>>,
        now: Instant,
    ) -> Option<Arc<Placement>> {
        match owner.map_or(Word::Nothing, |owner| self.ask(cgroup, owner)) {
            Word::Certain(placement) => {
                self.stats.found_by_owner += 1;
                self.missing.pop(&cgroup);
                let placement = Arc::new(placement);
                self.known.put(cgroup, Arc::clone(&placement));
                return Some(placement);
            }
            Word::Plausible(placement) => believed = Some(Arc::new(placement)),
            Word::Nothing => {}
        }
        let may_walk = self.tree(cgroup).and_then(|tree| tree.next_walk);
        let retry_at =
            if due { may_walk.unwrap_or(now) } else { self.missing.peek(&cgroup).map_or(now, |m| m.retry_at) };
        self.missing.put(cgroup, Missing { retry_at, asked: owner, believed });
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

    /// What the owner's own `/proc/<pid>/cgroup` says, if it is still that process.
    fn ask(&self, cgroup: u64, owner: ProcessRef) -> Word {
        let Some(tree) = self.tree(cgroup) else { return Word::Nothing };
        let Ok(content) = self.procfs.open(owner).and_then(|process| process.cgroups()) else { return Word::Nothing };
        let Some(path) = membership::path(&content, tree.line) else { return Word::Nothing };
        let placement = || Placement::from_path(path);
        // The path of a removed cgroup ends in " (deleted)" and leads nowhere.
        match tree.directory(path).map(fs::metadata) {
            Some(Ok(metadata)) if metadata.ino() == cgroup & !CGROUP_V1_FLAG => Word::Certain(placement()),
            // It lives in another cgroup by now, or the socket was made in another one (socket activation).
            Some(Ok(_)) => Word::Nothing,
            // The root exists always. An exiting task claims to be there (`proc_cgroup_show`), and so does a process at the
            // root of this reader's cgroup namespace.
            Some(Err(_)) | None if path == b"/" => Word::Nothing,
            Some(Err(_)) | None => Word::Plausible(placement()),
        }
    }

    /// Walks the hierarchy of `cgroup`, if it is mounted, and takes in what is there.
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
        self.stats.walks += 1;
        self.stats.walk_time += took;
        for id in wanted {
            self.give_up(id, now);
        }
        match outcome {
            Ok(walked) => {
                self.stats.directories += walked.directories as u64;
                Ok(Some(walked))
            }
            Err(source) => {
                self.stats.failed_walks += 1;
                Err(WalkError { path: hierarchy.point, source })
            }
        }
    }

    /// Leaves an id alone for a while. A walk that was cut short will be cut short again, so this holds for it too.
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
