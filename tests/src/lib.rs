//! End-to-end tests of rstmon on the live kernel: the harness and the library of reset scenarios.
//!
//! Contract: traffic stays on loopback or inside network namespaces that this crate made. Everything it changes
//! (namespaces, control groups, sysctls, child processes) is undone on drop; what a killed run left behind is removed
//! by the next one. A program can opt into handling signals ([`interruption`]). The crate does not sleep where it can
//! observe a condition.
//!
//! The modules for traffic (all but [`daemon`] and [`tail`]) need no rstmon: they check scenarios by the kernel's own
//! counters, tracepoints and error numbers, and `tests/scenarios.rs` does so for every scenario.

pub mod actor;
pub mod bpf;
pub mod cgroup;
pub mod child;
pub mod clock;
pub mod connection;
pub mod daemon;
pub mod firewall;
pub mod follower;
pub mod hostile;
pub mod http;
pub mod interruption;
pub mod judge;
pub mod kernel;
pub mod machine;
pub mod metrics;
pub mod netns;
pub mod nginx;
pub mod openmetrics;
pub mod program;
pub mod prometheus;
pub mod protocol;
pub mod provoked;
pub mod pty;
pub mod random;
pub mod scenario;
pub mod scene;
pub mod scratch;
pub mod service;
pub mod sight;
pub mod skip;
pub mod sockets;
pub mod stage;
pub mod stopped_reader;
pub mod sysctl;
pub mod tail;
pub mod terminal;
pub mod threads;
pub mod tls;
pub mod trace;
pub mod verdict;
pub mod vitals;
pub mod wait;
pub mod watched;

use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Locks a mutex whose content is valid even if a thread panicked while it held the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether `name` is `prefix` and a process id, with an optional suffix after a dash or dot, and that process is gone.
pub(crate) fn stale(name: &str, prefix: &str) -> bool {
    let Some(rest) = name.strip_prefix(prefix) else { return false };
    let pid: String = rest.chars().take_while(char::is_ascii_digit).collect();
    !pid.is_empty() && !Path::new("/proc").join(pid).exists()
}

#[cfg(test)]
mod tests {
    use super::stale;

    #[test]
    fn only_files_of_dead_processes_are_stale() {
        let (dead, alive) = (u32::MAX, std::process::id());
        assert!(stale(&format!("rstmon-test-{dead}-0"), "rstmon-test-"));
        assert!(!stale(&format!("rstmon-test-{alive}-0"), "rstmon-test-"));
        assert!(!stale("rstmon-test-mine", "rstmon-test-"));
        assert!(!stale("blue", "rstmon-test-"));
    }
}
