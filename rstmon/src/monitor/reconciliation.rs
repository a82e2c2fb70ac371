//! The readings that the reconciliation compares on this host: the counts of the kernel half, and the kernel's own in
//! `/proc`.

use super::MonitorError;
use crate::{
    host::counters::{self, Explaining, OutRsts, Place},
    metrics::namespaces::{Sent, Sources},
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

impl Sources for HostReadings<'_> {
    type Error = MonitorError;

    fn sent(&mut self) -> Result<Sent, MonitorError> {
        let (by_cookie, untold) = lock(self.counts).sent_by_netns()?;
        Ok(Sent { by_cookie, untold })
    }

    fn tasks(&mut self) -> BTreeMap<u64, Vec<Place>> {
        let mut places: BTreeMap<u64, Vec<Place>> = BTreeMap::new();
        match netns::own_cookie() {
            Ok(own) => _ = places.insert(own, vec![Place::Own]),
            Err(error) => tracing::debug!(%error, "cannot get the cookie of this process's network namespace"),
        }
        match self.tasks.read() {
            Ok(tasks) => {
                for task in tasks {
                    places.entry(task.cookie).or_default().push(Place::Task(task.pid));
                }
            }
            Err(error) => tracing::debug!(%error, "cannot list the network namespaces"),
        }
        places
    }

    fn out_rsts(&mut self, place: Place) -> io::Result<OutRsts> {
        counters::out_rsts(place)
    }

    fn explaining(&mut self, place: Place) -> io::Result<Explaining> {
        counters::explaining(place)
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
