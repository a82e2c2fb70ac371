//! Reconciles rstmon's counts with the kernel's in every network namespace that can be read, and reports how many
//! cannot be read. Pure: the readings come through [`NamespaceSources`].
//!
//! A namespace is identified by its cookie, which the kernel never uses twice, and by the inode of its `/proc` file. A
//! changed inode shows that the process has entered another namespace or that its pid was reused.

use super::coverage::{Comparison, Coverage, Reading};
use crate::host::counters::{Explaining, OutRsts, ProcNet};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    time::{Duration, Instant},
};

/// Tasks of a namespace that are tried before it is called unreadable.
const TRIES: usize = 4;
/// How often a namespace that is new, or differs, is read within one reconciliation: a reset that is in one count only
/// at the first reading is in both at the next.
const ROUNDS: usize = 4;
/// How long a namespace without a process is kept after its last reset.
const MEMORY: Duration = Duration::from_mins(5);
/// At most this many namespaces are read.
const MAX_NAMESPACES: usize = 4096;

/// Resets sent, as rstmon counted them by namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SentCounts {
    /// By cookie; a namespace without a reset is absent.
    pub(crate) by_cookie: HashMap<u64, u64>,
    /// Resets that could not be counted by namespace.
    pub(crate) unattributed: u64,
}

impl SentCounts {
    fn of(&self, cookie: u64) -> u64 {
        self.by_cookie.get(&cookie).copied().unwrap_or(0)
    }
}

/// The host's namespaces and both counts of them.
pub(crate) trait NamespaceSources {
    /// Why rstmon's own counts cannot be read.
    type Error;
    /// rstmon's counts as of now.
    fn sent(&mut self) -> Result<SentCounts, Self::Error>;
    /// Tasks by the cookie of their namespace: every namespace that has a task, including rstmon's own.
    fn tasks(&mut self) -> BTreeMap<u64, Vec<ProcNet>>;
    /// The kernel's count as of now.
    fn out_rsts(&mut self, proc_net: ProcNet) -> io::Result<OutRsts>;
    /// Counters that explain a difference, as of now.
    fn explaining(&mut self, proc_net: ProcNet) -> io::Result<Explaining>;
    /// Waits a moment, so that the kernel finishes counting the resets that it was sending.
    fn pause(&mut self);
    /// Frees the counter of a namespace.
    fn forget(&mut self, cookie: u64);
}

/// The result of one reconciliation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reconciliation {
    /// Namespaces in which both counts agree.
    pub(crate) reconciled: u64,
    /// Namespaces in which the counts differ, each with how many resets the kernel counted more (negative: fewer) that
    /// its other counters do not explain.
    pub(crate) differing: Vec<(ProcNet, i64)>,
    /// Namespaces that have a task or a recent reset and cannot be read: they have no process, or none that is
    /// readable.
    pub(crate) unreadable: u64,
    /// Namespaces that cannot be compared yet: too new, or resets could not be counted by namespace.
    pub(crate) unsettled: u64,
}

impl Reconciliation {
    /// The sum of the unexplained differences.
    #[must_use]
    pub(crate) fn uncounted(&self) -> i64 {
        self.differing.iter().map(|(_, difference)| difference).sum()
    }

    /// Each state with the number of namespaces in it.
    #[must_use]
    pub(crate) fn states(&self) -> [(&'static str, u64); 4] {
        [
            ("reconciled", self.reconciled),
            ("differing", self.differing.len() as u64),
            ("unreadable", self.unreadable),
            ("unsettled", self.unsettled),
        ]
    }
}

/// A namespace that was read before.
struct KnownNamespace {
    inode: u64,
    coverage: Coverage,
}

/// A namespace that resets were counted in and that has no process.
struct EmptyNamespace {
    /// rstmon's count at the last change.
    sent: u64,
    /// Time of the last change.
    since: Instant,
}

/// The namespaces of a host, from one reconciliation to the next.
pub(crate) struct Namespaces {
    cpus: u64,
    known: HashMap<u64, KnownNamespace>,
    empty: HashMap<u64, EmptyNamespace>,
    unattributed: u64,
}

impl Namespaces {
    /// Starts without namespaces. At most `cpus` resets can be in one count and not yet in the other.
    #[must_use]
    pub(crate) fn new(cpus: u64) -> Self {
        Self { cpus, known: HashMap::new(), empty: HashMap::new(), unattributed: 0 }
    }

    /// Reads and compares all namespaces.
    pub(crate) fn reconcile<S: NamespaceSources>(
        &mut self,
        sources: &mut S,
        now: Instant,
    ) -> Result<Reconciliation, S::Error> {
        let mut reconciliation = Reconciliation::default();
        let tasks = sources.tasks();
        let mut open: Vec<u64> = tasks.keys().copied().take(MAX_NAMESPACES).collect();
        reconciliation.unsettled = tasks.len().saturating_sub(open.len()) as u64;
        let mut unreadable = BTreeSet::new();
        let mut found: BTreeMap<u64, (ProcNet, Comparison)> = BTreeMap::new();
        let mut last = SentCounts::default();
        for round in 0..ROUNDS {
            if open.is_empty() {
                break;
            }
            if round > 0 {
                sources.pause();
            }
            let before = sources.sent()?;
            let readings: Vec<_> = open.iter().map(|&cookie| (cookie, self.read(sources, cookie, &tasks))).collect();
            last = sources.sent()?;
            if last.unattributed != self.unattributed {
                // A reset could not be attributed to its namespace: no count can be compared any more.
                self.unattributed = last.unattributed;
                self.known.clear();
                reconciliation.unsettled += open.len() as u64;
                found.clear();
                break;
            }
            open.clear();
            for (cookie, read) in readings {
                let Some((proc_net, out_rsts, explaining)) = read else {
                    unreadable.insert(cookie);
                    continue;
                };
                let reading = Reading { kernel: out_rsts.count, counted: (before.of(cookie), last.of(cookie)) };
                let comparison = self.compare(cookie, out_rsts.inode, reading, explaining);
                found.insert(cookie, (proc_net, comparison));
                if comparison != Comparison::Agrees {
                    open.push(cookie);
                }
            }
        }
        for (cookie, (proc_net, comparison)) in found {
            match comparison {
                _ if unreadable.contains(&cookie) => {}
                Comparison::Agrees | Comparison::Doubtful => reconciliation.reconciled += 1,
                Comparison::Unsettled => reconciliation.unsettled += 1,
                Comparison::Differs(difference) => match self.unexplained(sources, cookie, proc_net, difference) {
                    Some(0) => reconciliation.reconciled += 1,
                    Some(rest) => reconciliation.differing.push((proc_net, rest)),
                    None => _ = unreadable.insert(cookie),
                },
            }
        }
        unreadable.extend(self.empty_namespaces(sources, &tasks, &last, now));
        reconciliation.unreadable = unreadable.len() as u64;
        // A namespace without counted resets is forgotten with its last process, any other with its counter.
        self.known.retain(|cookie, _| tasks.contains_key(cookie) || last.by_cookie.contains_key(cookie));
        Ok(reconciliation)
    }

    /// Reads a namespace through the first of its tasks that is readable. In a new namespace, the explaining counters
    /// are read before `OutRsts`.
    fn read<S: NamespaceSources>(
        &self,
        sources: &mut S,
        cookie: u64,
        tasks: &BTreeMap<u64, Vec<ProcNet>>,
    ) -> Option<(ProcNet, OutRsts, Explaining)> {
        tasks.get(&cookie)?.iter().take(TRIES).find_map(|&proc_net| {
            let explaining = match self.known.get(&cookie) {
                None => sources.explaining(proc_net).ok()?,
                Some(_) => Explaining::default(),
            };
            Some((proc_net, sources.out_rsts(proc_net).ok()?, explaining))
        })
    }

    fn compare(&mut self, cookie: u64, inode: u64, reading: Reading, explaining: Explaining) -> Comparison {
        match self.known.get_mut(&cookie) {
            Some(known) if known.inode == inode => known.coverage.observe(reading),
            // The process has entered another namespace since the earlier reading: neither reading can be trusted.
            Some(_) => {
                self.known.remove(&cookie);
                Comparison::Unsettled
            }
            None => {
                let coverage = Coverage::new(reading, explaining, self.cpus);
                self.known.insert(cookie, KnownNamespace { inode, coverage });
                Comparison::Unsettled
            }
        }
    }

    /// The unexplained part of a difference; `None` when the explaining counters cannot be read.
    fn unexplained<S: NamespaceSources>(
        &self,
        sources: &mut S,
        cookie: u64,
        proc_net: ProcNet,
        difference: i64,
    ) -> Option<i64> {
        let coverage = &self.known.get(&cookie)?.coverage;
        Some(coverage.unexplained(difference, sources.explaining(proc_net).ok()?))
    }

    /// Namespaces that have a recent reset and no process. Frees the counters of those without a reset for [`MEMORY`].
    fn empty_namespaces<S: NamespaceSources>(
        &mut self,
        sources: &mut S,
        tasks: &BTreeMap<u64, Vec<ProcNet>>,
        last: &SentCounts,
        now: Instant,
    ) -> Vec<u64> {
        self.empty.retain(|cookie, _| last.by_cookie.contains_key(cookie) && !tasks.contains_key(cookie));
        let mut silent = Vec::new();
        for (&cookie, &sent) in last.by_cookie.iter().filter(|(cookie, _)| !tasks.contains_key(cookie)) {
            let empty = self.empty.entry(cookie).or_insert(EmptyNamespace { sent, since: now });
            if empty.sent != sent {
                *empty = EmptyNamespace { sent, since: now };
            } else if now.duration_since(empty.since) >= MEMORY {
                silent.push(cookie);
            }
        }
        for cookie in silent {
            sources.forget(cookie);
            // If resets are sent there again, rstmon's count begins at 0.
            self.known.remove(&cookie);
            self.empty.remove(&cookie);
        }
        self.empty.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests;
