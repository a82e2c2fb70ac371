//! The CPUs on which a received reset waits undecided, and when each CPU is to be settled. Pure.

use std::time::{Duration, Instant};

/// How long after a nudge the undecided reset of that CPU is settled; a little more than `PENDING_SETTLE_NS`.
const SETTLE_AFTER: Duration = Duration::from_millis(12);
/// CPUs that may wait to be settled at the same time; the undecided reset of a further one is settled by the reset that
/// follows on that CPU.
const MAX_CPUS: usize = 1024;

/// A CPU with an undecided reset.
#[derive(Debug)]
struct WaitingCpu {
    cpu: u32,
    /// When it is to be settled.
    due: Instant,
    /// Until when it stays listed: for `PENDING_SETTLE_NS` after a nudge the kernel half sends no other, even if
    /// another reset comes to wait there.
    until: Instant,
}

/// All CPUs with an undecided reset.
#[derive(Debug, Default)]
pub(super) struct Undecided(Vec<WaitingCpu>);

impl Undecided {
    /// Adds a CPU on which a reset waits.
    pub(super) fn nudged(&mut self, cpu: u32, now: Instant) {
        let due = now + SETTLE_AFTER;
        if let Some(waiting) = self.0.iter_mut().find(|waiting| waiting.cpu == cpu) {
            waiting.until = due;
        } else if self.0.len() < MAX_CPUS {
            self.0.push(WaitingCpu { cpu, due, until: due });
        }
    }

    /// Time until the next CPU is due; `None` if there is none.
    pub(super) fn time_left(&self, now: Instant) -> Option<Duration> {
        self.0.iter().map(|waiting| waiting.due.saturating_duration_since(now)).min()
    }

    /// Settles the CPUs that are due, or `all`. `settle` returns how many resets on that CPU are still too young;
    /// `None` if the CPU is gone.
    pub(super) fn settle(&mut self, now: Instant, all: bool, mut settle: impl FnMut(u32) -> Option<u32>) {
        self.0.retain_mut(|waiting| {
            if !all && waiting.due > now {
                return true;
            }
            waiting.due = now + SETTLE_AFTER;
            settle(waiting.cpu).is_some_and(|too_young| too_young > 0 || waiting.until > now)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The CPUs that are settled `ms` after the beginning.
    fn settled(undecided: &mut Undecided, start: Instant, ms: u64, too_young: u32) -> Vec<u32> {
        let mut cpus = Vec::new();
        undecided.settle(start + Duration::from_millis(ms), false, |cpu| {
            cpus.push(cpu);
            Some(too_young)
        });
        cpus
    }

    #[test]
    fn a_cpu_is_settled_when_it_is_due_and_not_before() {
        let (mut undecided, start) = (Undecided::default(), Instant::now());
        assert_eq!(undecided.time_left(start), None);
        undecided.nudged(3, start);
        assert_eq!(undecided.time_left(start), Some(SETTLE_AFTER));
        assert_eq!(settled(&mut undecided, start, 11, 0), [0; 0]);
        assert_eq!(settled(&mut undecided, start, 12, 1), [3], "and one was too young");
        assert_eq!(settled(&mut undecided, start, 24, 0), [3]);
        assert_eq!(undecided.time_left(start), None);
    }

    #[test]
    fn a_reset_after_a_second_nudge_is_settled() {
        let (mut undecided, start) = (Undecided::default(), Instant::now());
        undecided.nudged(0, start);
        undecided.nudged(0, start + Duration::from_millis(10));
        // No reset waits now; one that comes at 15 ms causes no nudge.
        assert_eq!(settled(&mut undecided, start, 12, 0), [0]);
        assert_eq!(settled(&mut undecided, start, 24, 0), [0]);
        assert_eq!(undecided.time_left(start), None);
    }

    #[test]
    fn a_cpu_that_is_gone_is_removed() {
        let (mut undecided, start) = (Undecided::default(), Instant::now());
        (0..2000).for_each(|cpu| undecided.nudged(cpu, start));
        assert_eq!(undecided.0.len(), MAX_CPUS);
        undecided.settle(start, true, |_| None);
        assert!(undecided.0.is_empty());
    }
}
