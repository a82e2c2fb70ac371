//! Whether the event path lives: a question goes in at one end, with the reader, and comes out at the other.

use crate::probe::Waker;
use std::sync::Arc;
use tokio::sync::watch;

/// The end of the event path, which answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Echo(Arc<watch::Sender<()>>);

impl Echo {
    /// Says that a question came through.
    pub(super) fn answer(&self) {
        self.0.send_replace(());
    }
}

/// Asks the event path.
#[derive(Clone)]
pub struct Pulse {
    waker: Waker,
    echo: Echo,
}

impl Pulse {
    pub(super) fn new(waker: Waker, echo: &Echo) -> Self {
        Self { waker, echo: echo.clone() }
    }

    /// Returns once both threads have had a turn and passed the question on; never, when one hangs.
    pub async fn beat(&self) {
        let mut answers = self.echo.0.subscribe();
        self.waker.wake();
        // An error is a sender that is gone, and it is not: this holds one.
        let _ = answers.changed().await;
    }
}
