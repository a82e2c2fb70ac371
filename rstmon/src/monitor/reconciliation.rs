//! The readings that the reconciliation compares on this host: the counts of the kernel half, and the kernel's own in
//! `/proc`.

use super::MonitorError;
use crate::{
    host::counters::{self, Explaining, OutRsts, ProcNet},
    metrics::namespaces::{NamespaceSources, SentCounts},
    probe::{
        CountReader,
        netns::{self, NetnsTasks},
    },
    sync::lock,
};
use std::{collections::BTreeMap, io, sync::Mutex, time::Duration};

/// Longer than the kernel takes between sending a reset and counting it.
const BETWEEN_SENDING_AND_COUNTING: Duration = Duration::from_millis(1);

pub(super) struct HostReadings<'a> {
    counts: &'a Mutex<CountReader>,
    tasks: &'a NetnsTasks,
}

impl<'a> HostReadings<'a> {
    pub(super) fn new(counts: &'a Mutex<CountReader>, tasks: &'a NetnsTasks) -> Self {
        Self { counts, tasks }
    }
}

impl NamespaceSources for HostReadings<'_> {
    type Error = MonitorError;

    fn sent(&mut self) -> Result<SentCounts, MonitorError> {
        let (by_cookie, unattributed) = lock(self.counts).sent_by_netns()?;
        Ok(SentCounts { by_cookie, unattributed })
    }

    fn tasks(&mut self) -> BTreeMap<u64, Vec<ProcNet>> {
        let mut by_cookie: BTreeMap<u64, Vec<ProcNet>> = BTreeMap::new();
        match netns::own_cookie() {
            Ok(own) => _ = by_cookie.insert(own, vec![ProcNet::Own]),
            Err(error) => tracing::debug!(%error, "cannot get the cookie of this process's network namespace"),
        }
        match self.tasks.read() {
            Ok(tasks) => {
                for task in tasks {
                    by_cookie.entry(task.cookie).or_default().push(ProcNet::Task(task.pid));
                }
            }
            Err(error) => tracing::debug!(%error, "cannot list the network namespaces"),
        }
        by_cookie
    }

    fn out_rsts(&mut self, proc_net: ProcNet) -> io::Result<OutRsts> {
        counters::out_rsts(proc_net)
    }

    fn explaining(&mut self, proc_net: ProcNet) -> io::Result<Explaining> {
        counters::explaining(proc_net)
    }

    fn pause(&mut self) {
        std::thread::sleep(BETWEEN_SENDING_AND_COUNTING);
    }

    fn forget(&mut self, cookie: u64) {
        if let Err(error) = lock(self.counts).forget_netns(cookie) {
            tracing::debug!(%error, "cannot delete the count of a network namespace that is gone");
        }
    }
}
