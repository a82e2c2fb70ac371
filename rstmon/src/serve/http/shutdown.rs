//! The stop signal: one [`Stopper`] signals any number of [`Stopping`] handles, once and for good.

use tokio::sync::watch;

/// Ends everything that holds the matching [`Stopping`], on [`Self::stop`] or when dropped.
#[derive(Debug)]
pub(crate) struct Stopper {
    signal: watch::Sender<bool>,
}

/// The receiving end of a [`Stopper`].
#[derive(Clone, Debug)]
pub(crate) struct Stopping {
    signal: watch::Receiver<bool>,
}

#[must_use]
pub(crate) fn stop_signal() -> (Stopper, Stopping) {
    let (sender, receiver) = watch::channel(false);
    (Stopper { signal: sender }, Stopping { signal: receiver })
}

impl Stopper {
    pub(crate) fn stop(&self) {
        self.signal.send_replace(true);
    }
}

impl Stopping {
    /// Returns once the signal was given. Cancel safe.
    pub(crate) async fn stopped(&mut self) {
        // A dropped stopper is an error here and means stop as well: the signal can no longer come.
        let _ = self.signal.wait_for(|stopped| *stopped).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stops_on_the_signal_and_when_the_stopper_is_dropped() {
        let (stopper, mut early) = stop_signal();
        let mut late = early.clone();
        stopper.stop();
        early.stopped().await;
        late.stopped().await;
        let (stopper, mut orphan) = stop_signal();
        drop(stopper);
        orphan.stopped().await;
    }
}
