//! The proof that the daemon works, round after round: the counts are read on a thread of the blocking pool, and a
//! question goes through both threads of the event path. A round that does not end has no successor, and the main loop
//! that waits for rounds cannot be stuck while it gets them: what comes out is what the watchdog may be told.

use crate::{
    command::{Failure, monitor::Monitor, pulse::Pulse},
    metrics::trend,
};
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::{Interval, MissedTickBehavior, interval, timeout},
};

/// How often the counts are read when nobody scrapes: a count map must not stay full, and trends have a step.
const READ_INTERVAL: Duration = trend::STEP;
/// Rounds between two looks of the watchdog: one may be late.
const ROUNDS: u32 = 3;
/// How long a step takes that deserves a word in the log.
const LATE: Duration = Duration::from_secs(5);

/// How often there is to be a round, given what the watchdog waits for.
pub(super) fn period(watchdog: Option<Duration>) -> Duration {
    watchdog.map_or(READ_INTERVAL, |watchdog| (watchdog / ROUNDS).clamp(Duration::from_millis(1), READ_INTERVAL))
}

/// Why there is no proof of life in a round.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ill {
    #[error("reading the counts failed: {0}")]
    Counts(#[from] Failure),
    /// The panic hook has reported it.
    #[error("a round panicked: {0}")]
    Panic(#[from] tokio::task::JoinError),
}

/// Rounds of a check.
pub(super) struct Heart<C> {
    tick: Interval,
    check: C,
    running: Option<JoinHandle<Result<(), Ill>>>,
}

impl<C, F> Heart<C>
where
    C: FnMut() -> F,
    F: Future<Output = Result<(), Ill>> + Send + 'static,
{
    pub(super) fn new(period: Duration, check: C) -> Self {
        let mut tick = interval(period);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { tick, check, running: None }
    }

    /// Returns after each round, with its result. Cancel safe: a round goes on meanwhile.
    pub(super) async fn beat(&mut self) -> Result<(), Ill> {
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

impl<C> Drop for Heart<C> {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}

/// One round.
pub(super) async fn check(monitor: Arc<Monitor>, pulse: Pulse) -> Result<(), Ill> {
    let read = spawn_blocking(move || {
        monitor.read_counts()?;
        // A namespace that comes and goes between two scrapes is compared all the same.
        monitor.reconcile()
    });
    noticed("reading the counts", read).await??;
    noticed("the event path", pulse.beat()).await;
    Ok(())
}

/// Says so when something takes too long, and waits on.
async fn noticed<T>(what: &'static str, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = timeout(LATE, work.as_mut()).await {
        return done;
    }
    tracing::error!(what, "hangs");
    let done = work.await;
    tracing::warn!(what, "goes on");
    done
}

#[cfg(test)]
mod tests {
    use super::{Heart, Ill, period};
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
    fn there_are_three_rounds_to_a_watchdog_and_never_fewer_than_one_in_a_step_of_trends() {
        assert_eq!(period(None), Duration::from_secs(5));
        assert_eq!(period(Some(Duration::from_secs(15))), Duration::from_secs(5));
        assert_eq!(period(Some(Duration::from_mins(5))), Duration::from_secs(5));
    }

    #[tokio::test]
    async fn a_round_that_is_waited_for_in_pieces_is_one_round() {
        let rounds = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&rounds);
        let mut heart = Heart::new(ROUND, move || {
            counted.fetch_add(1, Ordering::SeqCst);
            async {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Ok(())
            }
        });
        while timeout(Duration::from_millis(3), heart.beat()).await.is_err() {}
        assert_eq!(rounds.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_check_that_hangs_is_never_a_beat() {
        let mut first = true;
        let mut heart = Heart::new(ROUND, move || {
            let hang = !std::mem::take(&mut first);
            async move { if hang { pending().await } else { Ok::<(), Ill>(()) } }
        });
        heart.beat().await.expect("the first round works");
        timeout(50 * ROUND, heart.beat()).await.expect_err("the second never ends");
        timeout(50 * ROUND, heart.beat()).await.expect_err("and has no successor");
    }

    #[tokio::test]
    async fn a_failure_is_told_and_the_next_round_begins() {
        let mut rounds = 0;
        let mut heart = Heart::new(ROUND, move || {
            rounds += 1;
            let fails = rounds == 1;
            async move {
                assert!(!fails, "made up by the test");
                Ok(())
            }
        });
        assert!(matches!(heart.beat().await, Err(Ill::Panic(_))));
        heart.beat().await.expect("the second round works");
    }
}
