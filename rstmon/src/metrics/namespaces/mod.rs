//! Every network namespace that can be read, reconciled with the kernel's own count of it. What is counted there but
//! cannot be read is said, not guessed. Pure: the readings come through [`Sources`].
//!
//! Namespaces come and go. One is known by its cookie, which the kernel never uses twice, and by the inode of its
//! `/proc` file, so that a process that moved on, or a pid that was taken again, is noticed.

use super::coverage::{Coverage, Finding, Reading};
use crate::host::counters::{Explaining, OutRsts, Place};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    time::{Duration, Instant},
};

/// Tasks of a namespace that are tried before it is called unreadable.
const TRIES: usize = 4;
/// How often a namespace that is new, or differs, is looked at within one reconciliation: what was half counted at the
/// first look is not at the next.
const ROUNDS: usize = 4;
/// How long a namespace without a process is remembered after its last reset.
const MEMORY: Duration = Duration::from_mins(5);
/// Namespaces that are read, at most.
const MAX_NAMESPACES: usize = 4096;

/// Resets that rstmon counted, by namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sent {
    /// By cookie. One without a reset is absent.
    pub(crate) by_cookie: HashMap<u64, u64>,
    /// Resets that could not be counted by namespace.
    pub(crate) untold: u64,
}

impl Sent {
    fn of(&self, cookie: u64) -> u64 {
        self.by_cookie.get(&cookie).copied().unwrap_or(0)
    }
}

/// Where the readings come from.
pub(crate) trait Sources {
    /// Why the counts cannot be read.
    type Error;
    /// What rstmon counted until now.
    fn sent(&mut self) -> Result<Sent, Self::Error>;
    /// Tasks by the cookie of the namespace they are in: every namespace that has one, rstmon's own included.
    fn tasks(&mut self) -> BTreeMap<u64, Vec<Place>>;
    /// What the kernel counted until now.
    fn out_rsts(&mut self, place: Place) -> io::Result<OutRsts>;
    /// What explains a difference.
    fn explaining(&mut self, place: Place) -> io::Result<Explaining>;
    /// Lets a moment pass.
    fn pause(&mut self);
    /// Gives up the room of a namespace's count.
    fn forget(&mut self, cookie: u64);
}

/// How the namespaces stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Read, and both counts agree.
    pub(crate) reconciled: u64,
    /// Read, with what the kernel counted more (negative: fewer) and does not explain.
    pub(crate) differing: Vec<(Place, i64)>,
    /// Alive, or counted in lately, and not readable: no process is in it, or none may be looked at.
    pub(crate) unreadable: u64,
    /// Not comparable at this moment: too new, or there was no room to count it.
    pub(crate) unsettled: u64,
}

impl Standing {
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

/// What is remembered of a namespace.
struct Known {
    inode: u64,
    coverage: Coverage,
}

/// What is remembered of a namespace that was counted in and has no process.
struct Deserted {
    sent: u64,
    since: Instant,
}

/// Remembers the namespaces from one reconciliation to the next.
pub(crate) struct Namespaces {
    cpus: u64,
    known: HashMap<u64, Known>,
    deserted: HashMap<u64, Deserted>,
    untold: u64,
}

impl Namespaces {
    /// Knows none. `cpus` bounds how many resets may be half counted at a time.
    #[must_use]
    pub(crate) fn new(cpus: u64) -> Self {
        Self { cpus, known: HashMap::new(), deserted: HashMap::new(), untold: 0 }
    }

    /// Looks at all of them.
    pub(crate) fn reconcile<S: Sources>(&mut self, sources: &mut S, now: Instant) -> Result<Standing, S::Error> {
        let mut standing = Standing::default();
        let places = sources.tasks();
        let mut open: Vec<u64> = places.keys().copied().take(MAX_NAMESPACES).collect();
        standing.unsettled = places.len().saturating_sub(open.len()) as u64;
        let mut unreadable = BTreeSet::new();
        let mut found: BTreeMap<u64, (Place, Finding)> = BTreeMap::new();
        let mut last = Sent::default();
        for round in 0..ROUNDS {
            if open.is_empty() {
                break;
            }
            if round > 0 {
                sources.pause();
            }
            let before = sources.sent()?;
            let readings: Vec<_> = open.iter().map(|&cookie| (cookie, self.read(sources, cookie, &places))).collect();
            last = sources.sent()?;
            if last.untold != self.untold {
                // Whose reset it was is not known: no count is good for comparison any more.
                self.untold = last.untold;
                self.known.clear();
                standing.unsettled += open.len() as u64;
                found.clear();
                break;
            }
            open.clear();
            for (cookie, read) in readings {
                let Some((place, out_rsts, explaining)) = read else {
                    unreadable.insert(cookie);
                    continue;
                };
                let reading = Reading { kernel: out_rsts.count, counted: (before.of(cookie), last.of(cookie)) };
                let finding = self.compare(cookie, out_rsts.inode, reading, explaining);
                found.insert(cookie, (place, finding));
                if finding != Finding::Agrees {
                    open.push(cookie);
                }
            }
        }
        for (cookie, (place, finding)) in found {
            match finding {
                _ if unreadable.contains(&cookie) => {}
                Finding::Agrees | Finding::Doubtful => standing.reconciled += 1,
                Finding::Unsettled => standing.unsettled += 1,
                Finding::Differs(difference) => match self.unexplained(sources, cookie, place, difference) {
                    Some(0) => standing.reconciled += 1,
                    Some(rest) => standing.differing.push((place, rest)),
                    None => _ = unreadable.insert(cookie),
                },
            }
        }
        unreadable.extend(self.deserted(sources, &places, &last, now));
        standing.unreadable = unreadable.len() as u64;
        // A namespace that was never counted in is forgotten with its last process; the others when their count is.
        self.known.retain(|cookie, _| places.contains_key(cookie) || last.by_cookie.contains_key(cookie));
        Ok(standing)
    }

    /// The first of a namespace's tasks that can be read. A namespace that is new is asked, before anything else, for
    /// what will explain a difference.
    fn read<S: Sources>(
        &self,
        sources: &mut S,
        cookie: u64,
        places: &BTreeMap<u64, Vec<Place>>,
    ) -> Option<(Place, OutRsts, Explaining)> {
        places.get(&cookie)?.iter().take(TRIES).find_map(|&place| {
            let explaining = match self.known.get(&cookie) {
                None => sources.explaining(place).ok()?,
                Some(_) => Explaining::default(),
            };
            Some((place, sources.out_rsts(place).ok()?, explaining))
        })
    }

    fn compare(&mut self, cookie: u64, inode: u64, reading: Reading, explaining: Explaining) -> Finding {
        match self.known.get_mut(&cookie) {
            Some(known) if known.inode == inode => known.coverage.observe(reading),
            // The process was in another namespace, now or then: neither reading can be trusted.
            Some(_) => {
                self.known.remove(&cookie);
                Finding::Unsettled
            }
            None => {
                let coverage = Coverage::new(reading, explaining, self.cpus);
                self.known.insert(cookie, Known { inode, coverage });
                Finding::Unsettled
            }
        }
    }

    /// What of a difference is not explained; `None` when that cannot be read.
    fn unexplained<S: Sources>(&self, sources: &mut S, cookie: u64, place: Place, difference: i64) -> Option<i64> {
        let coverage = &self.known.get(&cookie)?.coverage;
        Some(coverage.unexplained(difference, sources.explaining(place).ok()?))
    }

    /// Namespaces that were counted in lately and have no process. The room of those that fell silent is given up.
    fn deserted<S: Sources>(
        &mut self,
        sources: &mut S,
        places: &BTreeMap<u64, Vec<Place>>,
        last: &Sent,
        now: Instant,
    ) -> Vec<u64> {
        self.deserted.retain(|cookie, _| last.by_cookie.contains_key(cookie) && !places.contains_key(cookie));
        let mut silent = Vec::new();
        for (&cookie, &sent) in last.by_cookie.iter().filter(|(cookie, _)| !places.contains_key(cookie)) {
            let deserted = self.deserted.entry(cookie).or_insert(Deserted { sent, since: now });
            if deserted.sent != sent {
                *deserted = Deserted { sent, since: now };
            } else if now.duration_since(deserted.since) >= MEMORY {
                silent.push(cookie);
            }
        }
        for cookie in silent {
            sources.forget(cookie);
            // Its count begins again at 0.
            self.known.remove(&cookie);
            self.deserted.remove(&cookie);
        }
        self.deserted.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests;
