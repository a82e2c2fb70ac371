//! Liveness: rounds of checks that counting and the event path still work.
//!
//! In each round the counts are read on a thread of the blocking pool, and a check passes through both threads of the
//! event path. A round starts only after the previous one has ended, and a main loop that gets the result of a round is
//! not stuck either. The daemon may therefore notify the service manager's watchdog after each successful round.

use super::{
    Monitor, MonitorError,
    readiness::{LATE, LastDone, READ_INTERVAL},
};
use crate::probe::Waker;
use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
    time::{Interval, MissedTickBehavior, interval, timeout},
};

/// Rounds within the watchdog's timeout, so that one of them may be late.
const ROUNDS: u32 = 3;
/// The time between two rounds, given the watchdog's timeout.
#[must_use]
pub(crate) fn period(watchdog: Option<Duration>) -> Duration {
    watchdog.map_or(READ_INTERVAL, |watchdog| (watchdog / ROUNDS).clamp(Duration::from_millis(1), READ_INTERVAL))
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum LivenessError {
    #[error("reading the counts failed: {0}")]
    Counts(#[from] MonitorError),
    /// The panic hook has reported the panic.
    #[error("a round panicked: {0}")]
    Panic(#[from] tokio::task::JoinError),
}

/// Sends a check through the event path: the reader of the ring answers with an empty batch, and the thread that
/// receives the batches acknowledges it.
#[derive(Clone)]
pub(crate) struct LivenessCheck {
    waker: Waker,
    answers: Arc<watch::Sender<()>>,
    last: Arc<LastDone>,
}

impl LivenessCheck {
    pub(super) fn new(waker: Waker, answers: Arc<watch::Sender<()>>) -> Self {
        Self { waker, answers, last: Arc::new(LastDone::new("the event path")) }
    }

    /// Returns once both threads have handled the check; never if one of them hangs.
    pub(crate) async fn passed(&self) {
        let mut answers = self.answers.subscribe();
        self.waker.wake();
        // Cannot fail: `self` holds a sender, so the channel is open.
        let _ = answers.changed().await;
        self.last.done();
    }

    /// What is wrong with the event path, as far as the last check shows.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.last.complaint(Instant::now())
    }
}

/// Runs a check periodically, one round at a time.
pub(crate) struct LivenessRounds<C> {
    tick: Interval,
    check: C,
    running: Option<JoinHandle<Result<(), LivenessError>>>,
}

impl<C, F> LivenessRounds<C>
where
    C: FnMut() -> F,
    F: Future<Output = Result<(), LivenessError>> + Send + 'static,
{
    /// Makes rounds that call `check` every `period`.
    pub(crate) fn new(period: Duration, check: C) -> Self {
        let mut tick = interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { tick, check, running: None }
    }

    /// Waits for the end of the current or next round, and returns its result. Cancel safe: a round that has started
    /// keeps running.
    pub(crate) async fn round(&mut self) -> Result<(), LivenessError> {
        let running = match &mut self.running {
            Some(running) => running,
            none => {
                self.tick.tick().await;
                none.insert(tokio::spawn((self.check)()))
            }
        };
        let result = running.await;
        self.running = None;
        result?
    }
}

impl<C> Drop for LivenessRounds<C> {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

/// One round of the daemon's check.
pub(crate) async fn check(monitor: Arc<Monitor>, event_path: LivenessCheck) -> Result<(), LivenessError> {
    let read = spawn_blocking(move || {
        monitor.read_counts()?;
        monitor.look_at_oom_kills();
        // Also compares the counts of a namespace that exists only between two scrapes.
        monitor.reconcile()
    });
    reporting_delay("reading the counts", read).await??;
    reporting_delay("the event path", event_path.passed()).await;
    Ok(())
}

/// Waits for `work`, and logs a message if it takes longer than [`LATE`].
async fn reporting_delay<T>(what: &'static str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = timeout(LATE, work.as_mut()).await {
        return done;
    }
    tracing::error!(what, "hangs: the watchdog is not notified");
    let done = work.await;
    tracing::warn!(what, "goes on after a delay");
    done
}

#[cfg(test)]
mod tests {
    use super::{LivenessError, LivenessRounds, period};
    use std::{
        future::pending,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
        time::Duration,
    };
    use tokio::time::timeout;

    const ROUND: Duration = Duration::from_millis(1);

    #[test]
    fn a_watchdog_timeout_has_three_rounds_and_each_step_of_a_trend_at_least_one() {
        assert_eq!(period(None), Duration::from_secs(5));
        assert_eq!(period(Some(Duration::from_secs(15))), Duration::from_secs(5));
        assert_eq!(period(Some(Duration::from_mins(5))), Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_round_that_is_waited_for_in_pieces_is_one_round() {
        let rounds = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&rounds);
        let mut rounds_of_check = LivenessRounds::new(ROUND, move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(())
            }
        });
        while timeout(Duration::from_millis(3), rounds_of_check.round()).await.is_err() {}
        assert_eq!(rounds.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_check_that_hangs_never_ends_a_round() {
        let mut first = true;
        let mut rounds_of_check = LivenessRounds::new(ROUND, move || {
            let hang = !std::mem::take(&mut first);
            async move { if hang { pending().await } else { Ok::<(), LivenessError>(()) } }
        });
        rounds_of_check.round().await.expect("the first round works");
        timeout(50 * ROUND, rounds_of_check.round()).await.expect_err("the second never ends");
        timeout(50 * ROUND, rounds_of_check.round()).await.expect_err("and has no successor");
    }

    #[tokio::test]
    async fn a_failure_is_returned_and_the_next_round_begins() {
        let mut rounds = 0;
        let mut rounds_of_check = LivenessRounds::new(ROUND, move || {
            rounds += 1;
            let fails = rounds == 1;
            async move {
                assert!(!fails, "made up by the test");
                Ok(())
            }
        });
        assert!(matches!(rounds_of_check.round().await, Err(LivenessError::Panic(_))));
        rounds_of_check.round().await.expect("the second round works");
    }
}
