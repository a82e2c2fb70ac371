//! End-to-end tests of rstmon on the live kernel: the harness and the library of reset scenarios.
//!
//! Contract: traffic stays on loopback or inside network namespaces that this crate made; everything it changes
//! (namespaces, control groups, sysctls, child processes) is undone on drop, and what a killed run left behind is
//! removed by the next one. A program that asks for it ([`interruption`]) can be interrupted. Nothing here waits for time to pass where a condition can be observed.
//!
//! The traffic half (everything but [`daemon`] and [`tail`]) needs no rstmon: the kernel's own counters, tracepoints
//! and error numbers are its oracle, and `tests/scenarios.rs` holds every scenario against them.

pub mod actor;
pub mod bpf;
pub mod cgroup;
pub mod child;
pub mod clock;
pub mod connection;
pub mod daemon;
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
pub mod prometheus;
pub mod protocol;
pub mod random;
pub mod scenario;
pub mod scene;
pub mod scratch;
pub mod service;
pub mod sight;
pub mod skip;
pub mod sockets;
pub mod stage;
pub mod sysctl;
pub mod tail;
pub mod terminal;
pub mod threads;
pub mod tls;
pub mod trace;
pub mod vitals;
pub mod wait;
pub mod watched;

/// Whether `name` is `prefix`, a process id and whatever a dash or dot sets apart, and that process is gone.
pub(crate) fn stale(name: &str, prefix: &str) -> bool {
    let Some(rest) = name.strip_prefix(prefix) else { return false };
    let pid: String = rest.chars().take_while(char::is_ascii_digit).collect();
    !pid.is_empty() && !std::path::Path::new("/proc").join(pid).exists()
}

#[cfg(test)]
mod tests {
    use super::stale;

    #[test]
    fn only_what_a_dead_process_left_is_stale() {
        let (dead, alive) = (u32::MAX, std::process::id());
        assert!(stale(&format!("rstmon-test-{dead}-0"), "rstmon-test-"));
        assert!(!stale(&format!("rstmon-test-{alive}-0"), "rstmon-test-"));
        assert!(!stale("rstmon-test-mine", "rstmon-test-"));
        assert!(!stale("blue", "rstmon-test-"));
    }
}
