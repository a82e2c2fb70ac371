//! The probe in this process, where no daemon runs.

use super::{POLL, Teller, Unheard, Update};
use crate::command::{Failure, config::Config, confine, monitor::Monitor};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::TrySendError,
    },
    time::Instant,
};

/// Attaches the probe, gives up privileges and confines the process: call it before any thread is started.
pub(super) fn attach(config: &Config) -> Result<impl FnOnce(Teller) -> Result<(), Unheard> + Send + use<>, Failure> {
    let (monitor, events) = Monitor::attach(config)?;
    confine::confine(config, &confine::watching())?;
    let monitor = Arc::new(monitor);
    Ok(move |teller: Teller| {
        let lost = Arc::new(AtomicU64::new(0));
        let (sink, losing) = (teller.clone(), Arc::clone(&lost));
        let watching = monitor.watch(events, move |event| {
            // The event path never waits for a view.
            if let Err(TrySendError::Full(_)) = sink.updates.try_send(Update::Event(Arc::new(event))) {
                losing.fetch_add(1, Ordering::Relaxed);
            }
        });
        let _watching = match watching {
            Ok(watching) => watching,
            Err(failure) => return teller.tell(Update::Down(failure.to_string())),
        };
        teller.tell(Update::Up)?;
        loop {
            let started = Instant::now();
            match monitor.snapshot(0) {
                Ok(snapshot) => teller.tell_counts(snapshot)?,
                Err(failure) => teller.tell(Update::Note(failure.to_string()))?,
            }
            match lost.swap(0, Ordering::Relaxed) {
                0 => {}
                lost => teller.tell(Update::Lost(lost))?,
            }
            std::thread::sleep(POLL.saturating_sub(started.elapsed()));
        }
    })
}
