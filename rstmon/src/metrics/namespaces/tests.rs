//! Reconciliation against a fake kernel.

use super::{Explaining, MEMORY, NamespaceSources, Namespaces, OutRsts, ProcNet, Reconciliation, SentCounts};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    convert::Infallible,
    io,
    time::Instant,
};

const HOST: u64 = 1;
const POD: u64 = 7;

/// The kernel's side of a namespace.
#[derive(Clone, Default)]
struct Space {
    inode: u64,
    out_rsts: u64,
    explaining: Explaining,
    tasks: Vec<u32>,
}

/// A host, where rstmon's own namespace is [`HOST`], read as [`ProcNet::Own`].
#[derive(Default)]
struct Host {
    spaces: BTreeMap<u64, Space>,
    sent: SentCounts,
    hidden: BTreeSet<u32>,
    forgotten: Vec<u64>,
    pauses: usize,
    /// Resets by which the kernel's count is ahead until the next pause.
    ahead: HashMap<u64, u64>,
}

impl Host {
    fn new() -> Self {
        let mut host = Self::default();
        host.spaces.insert(HOST, Space { inode: 100, out_rsts: 40, ..Space::default() });
        host
    }

    fn with_pod(mut self) -> Self {
        self.spaces.insert(POD, Space { inode: 200, out_rsts: 3, tasks: vec![71, 72], ..Space::default() });
        self
    }

    fn reset(&mut self, cookie: u64, count: u64) {
        self.space(cookie).out_rsts += count;
        *self.sent.by_cookie.entry(cookie).or_default() += count;
    }

    fn space(&mut self, cookie: u64) -> &mut Space {
        self.spaces.get_mut(&cookie).expect("a namespace of that cookie")
    }

    fn at(&self, proc_net: ProcNet) -> io::Result<(u64, &Space)> {
        let found = match proc_net {
            ProcNet::Own => self.spaces.get_key_value(&HOST),
            ProcNet::Task(pid) if self.hidden.contains(&pid) => None,
            ProcNet::Task(pid) => self.spaces.iter().find(|(_, space)| space.tasks.contains(&pid)),
        };
        found.map(|(cookie, space)| (*cookie, space)).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl NamespaceSources for Host {
    type Error = Infallible;
    fn sent(&mut self) -> Result<SentCounts, Infallible> {
        Ok(self.sent.clone())
    }
    fn tasks(&mut self) -> BTreeMap<u64, Vec<ProcNet>> {
        let mut tasks: BTreeMap<u64, Vec<ProcNet>> = BTreeMap::from([(HOST, vec![ProcNet::Own])]);
        for (cookie, space) in self.spaces.iter().filter(|(_, space)| !space.tasks.is_empty()) {
            tasks.insert(*cookie, space.tasks.iter().copied().map(ProcNet::Task).collect());
        }
        tasks
    }
    fn out_rsts(&mut self, proc_net: ProcNet) -> io::Result<OutRsts> {
        let (cookie, space) = self.at(proc_net)?;
        let ahead = self.ahead.get(&cookie).copied().unwrap_or(0);
        Ok(OutRsts { inode: space.inode, count: space.out_rsts + ahead })
    }
    fn explaining(&mut self, proc_net: ProcNet) -> io::Result<Explaining> {
        Ok(self.at(proc_net)?.1.explaining)
    }
    fn pause(&mut self) {
        self.pauses += 1;
        self.ahead.clear();
    }
    fn forget(&mut self, cookie: u64) {
        self.sent.by_cookie.remove(&cookie);
        self.forgotten.push(cookie);
    }
}

/// One reconciliation: its first round finds new namespaces, the later ones compare.
fn look(namespaces: &mut Namespaces, host: &mut Host) -> Reconciliation {
    look_at(namespaces, host, Instant::now())
}

fn look_at(namespaces: &mut Namespaces, host: &mut Host, now: Instant) -> Reconciliation {
    let Ok(reconciliation) = namespaces.reconcile(host, now);
    reconciliation
}

fn settled(host: &mut Host) -> Namespaces {
    let mut namespaces = Namespaces::new(4);
    let reconciliation = look(&mut namespaces, host);
    assert_eq!(reconciliation, Reconciliation { reconciled: host.spaces.len() as u64, ..Reconciliation::default() });
    namespaces
}

#[test]
fn resets_of_every_namespace_are_reconciled() {
    let mut host = Host::new().with_pod();
    let mut namespaces = settled(&mut host);
    host.reset(HOST, 5);
    host.reset(POD, 9);
    host.pauses = 0;
    assert_eq!(look(&mut namespaces, &mut host), Reconciliation { reconciled: 2, ..Reconciliation::default() });
    assert_eq!(host.pauses, 0, "agreement needs no second look");
}

#[test]
fn a_gap_in_another_namespace_shows_with_its_task() {
    let mut host = Host::new().with_pod();
    let mut namespaces = settled(&mut host);
    host.space(POD).out_rsts += 2;
    let reconciliation = look(&mut namespaces, &mut host);
    assert_eq!((reconciliation.reconciled, &reconciliation.differing[..]), (1, &[(ProcNet::Task(71), 2)][..]));
    assert_eq!(reconciliation.uncounted(), 2);
    assert_eq!(look(&mut namespaces, &mut host).uncounted(), 2, "it stays");
}

#[test]
fn opposite_gaps_do_not_hide_each_other() {
    let mut host = Host::new().with_pod();
    let mut namespaces = settled(&mut host);
    host.space(POD).out_rsts += 2;
    host.sent.by_cookie.insert(HOST, 2);
    let reconciliation = look(&mut namespaces, &mut host);
    assert_eq!((reconciliation.uncounted(), reconciliation.states()[1]), (0, ("differing", 2)));
}

#[test]
fn what_the_kernel_explains_is_no_gap() {
    let mut host = Host::new().with_pod();
    let mut namespaces = settled(&mut host);
    host.space(POD).out_rsts += 2;
    host.space(POD).explaining.abort_failed += 2;
    assert_eq!(look(&mut namespaces, &mut host), Reconciliation { reconciled: 2, ..Reconciliation::default() });
    host.space(POD).out_rsts += 1;
    assert_eq!(look(&mut namespaces, &mut host).uncounted(), 1);
}

#[test]
fn a_vanished_namespace_leaves_no_gap_and_its_successor_neither() {
    let mut host = Host::new().with_pod();
    let mut namespaces = settled(&mut host);
    host.reset(POD, 9);
    host.spaces.remove(&POD);
    let reconciliation = look(&mut namespaces, &mut host);
    assert_eq!(reconciliation, Reconciliation { reconciled: 1, unreadable: 1, ..Reconciliation::default() });
    // The inode is reused, the cookie is not.
    host.spaces.insert(POD + 1, Space { inode: 200, tasks: vec![71], ..Space::default() });
    host.reset(POD + 1, 1);
    assert_eq!(look(&mut namespaces, &mut host).uncounted(), 0);
}

#[test]
fn a_process_that_moved_on_is_noticed() {
    let mut host = Host::new().with_pod();
    let mut namespaces = settled(&mut host);
    // One reading of POD comes from another namespace with other numbers.
    host.space(POD).inode = 300;
    host.space(POD).out_rsts = 77;
    assert_eq!(look(&mut namespaces, &mut host).uncounted(), 0);
    host.space(POD).inode = 200;
    host.space(POD).out_rsts = 3;
    assert_eq!(look(&mut namespaces, &mut host).uncounted(), 0);
    host.space(POD).out_rsts += 1;
    assert_eq!(look(&mut namespaces, &mut host).uncounted(), 1, "it is compared again");
}

#[test]
fn a_namespace_that_cannot_be_read_is_declared() {
    let mut host = Host::new().with_pod();
    host.hidden.extend([71, 72]);
    let mut namespaces = Namespaces::new(4);
    assert_eq!(
        look(&mut namespaces, &mut host),
        Reconciliation { reconciled: 1, unreadable: 1, ..Reconciliation::default() }
    );
    host.hidden.remove(&72);
    assert_eq!(look(&mut namespaces, &mut host).reconciled, 2, "one task is enough");
}

#[test]
fn a_namespace_without_a_process_is_declared_while_it_is_active_and_compared_when_one_comes() {
    let mut host = Host::new().with_pod();
    let mut namespaces = settled(&mut host);
    let start = Instant::now();
    host.space(POD).tasks.clear();
    host.reset(POD, 1);
    assert_eq!(look_at(&mut namespaces, &mut host, start).unreadable, 1);
    host.space(POD).out_rsts += 4;
    host.space(POD).tasks.push(73);
    assert_eq!(look_at(&mut namespaces, &mut host, start).uncounted(), 4, "what happened meanwhile is compared, too");
    host.space(POD).tasks.clear();
    assert_eq!(look_at(&mut namespaces, &mut host, start).unreadable, 1);
    assert_eq!(look_at(&mut namespaces, &mut host, start + MEMORY).unreadable, 0);
    assert_eq!(host.forgotten, [POD]);
    // It starts over with its next process: earlier gaps are not reported.
    host.space(POD).tasks.push(73);
    assert_eq!(look(&mut namespaces, &mut host), Reconciliation { reconciled: 2, ..Reconciliation::default() });
}

#[test]
fn a_reset_half_counted_at_the_first_look_is_no_gap() {
    let mut host = Host::new().with_pod();
    host.ahead.insert(POD, 1);
    let mut namespaces = settled(&mut host);
    host.ahead.insert(POD, 1);
    assert_eq!(look(&mut namespaces, &mut host).uncounted(), 0, "nor at a later one");
}

#[test]
fn without_room_to_count_a_namespace_nothing_is_claimed() {
    let mut host = Host::new().with_pod();
    let mut namespaces = settled(&mut host);
    host.space(POD).out_rsts += 6;
    host.sent.unattributed += 6;
    assert_eq!(look(&mut namespaces, &mut host), Reconciliation { unsettled: 2, ..Reconciliation::default() });
    assert_eq!(look(&mut namespaces, &mut host), Reconciliation { reconciled: 2, ..Reconciliation::default() });
}
