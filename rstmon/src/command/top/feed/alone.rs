//! The feed of a probe in this process, where no daemon runs.

use super::{FeedSender, POLL, Update, ViewClosed};
use crate::{
    command::Failure,
    config::Config,
    query::local,
    sink::{EventQueue, SLOW_SUBSCRIBER, SinkLosses, Sinks},
};
use std::{
    sync::{Arc, mpsc::RecvTimeoutError},
    time::Instant,
};

/// Events that may wait for this feed.
const QUEUE: usize = 4096;

/// Attaches the probe, gives up privileges and confines the process. Must be called before any thread is started.
pub(super) fn attach(
    config: &Config,
) -> Result<impl FnOnce(FeedSender) -> Result<(), ViewClosed> + Send + use<>, Failure> {
    let attached = local::attach(config)?;
    Ok(move |sender: FeedSender| {
        let (queue, events) = EventQueue::new(QUEUE);
        let mut alone = match attached.watch(Arc::new(Sinks::new(vec![queue]))) {
            Ok(alone) => alone,
            Err(error) => return sender.send(Update::Down(error.to_string())),
        };
        sender.send(Update::Up)?;
        // The view adds up the losses that this feed sends, so the snapshots must not contain them as well.
        let unreported = SinkLosses::from([(SLOW_SUBSCRIBER, 0)]);
        loop {
            match alone.monitor().snapshot(&unreported) {
                Ok(snapshot) => sender.send_counts(snapshot)?,
                Err(error) => sender.send(Update::Note(error.to_string()))?,
            }
            match alone.new_losses() {
                0 => {}
                lost => sender.send(Update::Lost(lost))?,
            }
            let next = Instant::now() + POLL;
            loop {
                match events.recv_timeout(next.saturating_duration_since(Instant::now())) {
                    Ok(event) => sender.send(Update::Event(event))?,
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
                if Instant::now() >= next {
                    break;
                }
            }
        }
    })
}
