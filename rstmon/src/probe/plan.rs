//! Which hooks this kernel can have, and what becomes of them. Pure.

use super::btf::Btf;
use serde::{Deserialize, Serialize};

/// How a hook's program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// BTF-typed raw tracepoint.
    Tracepoint,
    /// Trampoline at a function's entry.
    FunctionEntry,
    /// Trampoline at a function's exit.
    FunctionExit,
    /// Iterator over open files, run once.
    FileIterator,
    /// Iterator over tasks, run at each reconciliation.
    TaskIterator,
}

impl Kind {
    /// Whether it needs a trampoline, which lockdown and some configurations forbid.
    #[must_use]
    pub fn is_trampoline(self) -> bool {
        matches!(self, Self::FunctionEntry | Self::FunctionExit)
    }
}

/// What a hook is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Counts resets.
    Count,
    /// Learns owners.
    Owner,
    /// Finds owners of sockets that were there before.
    Backfill,
    /// Lets the counts be checked.
    Check,
}

impl Task {
    /// The word for it, as the `role` label says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Owner => "owner",
            Self::Backfill => "backfill",
            Self::Check => "check",
        }
    }
}

/// A hook of the kernel half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Name of the program, and of what it attaches to.
    pub name: &'static str,
    /// How it is attached.
    pub kind: Kind,
    /// What it is for.
    pub task: Task,
    /// Without it there is no use in running.
    pub required: bool,
    /// What stays hidden without it.
    pub hides: &'static str,
}

/// Kernel function that accepts connections; needs a trampoline.
pub const ACCEPT: &str = "inet_accept";
/// Tracepoint that stands in for [`ACCEPT`].
pub const USED: &str = "tcp_rcv_space_adjust";
/// Kernel functions that answer a segment with a reset; need trampolines. They show what the tracepoint of sent resets
/// hides before 6.10.
pub const ANSWERS: [&str; 2] = ["tcp_v4_send_reset", "tcp_v6_send_reset"];
/// The iterator's program.
pub const BACKFILL: &str = "backfill";
/// The iterator that says which network namespaces have which tasks.
pub const NAMESPACES: &str = "namespaces";

/// Every hook, in the order in which they are attached: owners are learnt before the first reset is counted, and sent
/// resets seen before received ones, some of which only a sent one proves false.
pub const HOOKS: &[Hook] = &[
    Hook {
        name: "inet_sock_set_state",
        kind: Kind::Tracepoint,
        task: Task::Owner,
        required: false,
        hides: "owners of connections, states before a close, tombstones",
    },
    Hook {
        name: ACCEPT,
        kind: Kind::FunctionExit,
        task: Task::Owner,
        required: false,
        hides: "the accepting worker until it reads from the connection",
    },
    Hook {
        name: USED,
        kind: Kind::Tracepoint,
        task: Task::Owner,
        required: false,
        hides: "the worker that serves an accepted connection: its listener's owner is named instead",
    },
    Hook {
        name: BACKFILL,
        kind: Kind::FileIterator,
        task: Task::Backfill,
        required: false,
        hides: "owners of sockets opened before rstmon started",
    },
    Hook {
        name: NAMESPACES,
        kind: Kind::TaskIterator,
        task: Task::Check,
        required: false,
        hides: "whether the kernel's own counts of other network namespaces agree",
    },
    Hook {
        name: ANSWERS[0],
        kind: Kind::FunctionEntry,
        task: Task::Count,
        required: false,
        hides: "resets sent over IPv4 for closed ports, unknown connections and TIME_WAIT",
    },
    Hook {
        name: ANSWERS[1],
        kind: Kind::FunctionEntry,
        task: Task::Count,
        required: false,
        hides: "resets sent over IPv6 for closed ports, unknown connections and TIME_WAIT",
    },
    Hook { name: "tcp_send_reset", kind: Kind::Tracepoint, task: Task::Count, required: true, hides: "sent resets" },
    Hook {
        name: "tcp_receive_reset",
        kind: Kind::Tracepoint,
        task: Task::Count,
        required: true,
        hides: "received resets",
    },
];

/// What became of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Outcome {
    /// At work (an iterator: has run).
    Attached,
    /// The kernel refused it.
    Refused {
        /// The error number.
        errno: Option<i32>,
        /// In words.
        reason: String,
    },
    /// The kernel has nothing of that name.
    Absent,
    /// Another hook does its work.
    NotNeeded,
}

/// A hook and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookStatus {
    /// The hook.
    pub hook: Hook,
    /// What became of it.
    pub outcome: Outcome,
}

impl HookStatus {
    /// What stays hidden because of it; `None` when nothing does.
    #[must_use]
    pub fn hides(&self) -> Option<&'static str> {
        match self.outcome {
            Outcome::Attached | Outcome::NotNeeded => None,
            Outcome::Refused { .. } | Outcome::Absent => Some(self.hook.hides),
        }
    }
}

/// Whether the running kernel has what a hook attaches to.
#[must_use]
pub fn exists(hook: &Hook, btf: &Btf<'_>) -> bool {
    match hook.kind {
        Kind::Tracepoint => btf.tracepoint_parameters(hook.name).is_some(),
        Kind::FunctionEntry | Kind::FunctionExit => btf.has_function(hook.name),
        Kind::FileIterator => btf.has_function("bpf_iter_task_file"),
        Kind::TaskIterator => btf.has_function("bpf_iter_task"),
    }
}

/// Whether a hook is to be tried, given what became of those before it, and whether the tracepoint of sent resets
/// `fires_always`, or only where there is a full socket (before 6.10). The reader's hook costs a little at each read, so
/// it is attached only where the accept hook is not; the answers' hooks would count twice where the tracepoint shows
/// them.
#[must_use]
pub fn is_needed(hook: &Hook, before: &[HookStatus], fires_always: bool) -> bool {
    match hook.name {
        USED => !is_attached(ACCEPT, before),
        name if ANSWERS.contains(&name) => !fires_always,
        _ => true,
    }
}

fn is_attached(name: &str, statuses: &[HookStatus]) -> bool {
    statuses.iter().any(|status| status.hook.name == name && status.outcome == Outcome::Attached)
}

#[cfg(test)]
mod tests {
    use super::{ACCEPT, ANSWERS, HOOKS, Hook, HookStatus, Outcome, USED, is_needed};

    fn hook(name: &str) -> Hook {
        *HOOKS.iter().find(|hook| hook.name == name).expect("a hook of that name")
    }

    fn accept(outcome: Outcome) -> [HookStatus; 1] {
        [HookStatus { hook: hook(ACCEPT), outcome }]
    }

    #[test]
    fn the_readers_hook_stands_in_for_a_refused_accept_hook() {
        let refused = Outcome::Refused { errno: Some(libc::EPERM), reason: "lockdown".into() };
        for fires_always in [false, true] {
            assert!(is_needed(&hook(USED), &accept(refused.clone()), fires_always));
            assert!(is_needed(&hook(USED), &accept(Outcome::Absent), fires_always));
            assert!(!is_needed(&hook(USED), &accept(Outcome::Attached), fires_always));
        }
    }

    #[test]
    fn what_the_tracepoint_shows_is_not_counted_twice() {
        for name in ANSWERS {
            assert!(is_needed(&hook(name), &[], false));
            assert!(!is_needed(&hook(name), &[], true));
        }
    }

    #[test]
    fn nothing_hidden_is_reported_for_a_hook_that_is_not_needed() {
        assert_eq!(HookStatus { hook: hook(USED), outcome: Outcome::NotNeeded }.hides(), None);
        assert_eq!(HookStatus { hook: hook(USED), outcome: Outcome::Absent }.hides(), Some(hook(USED).hides));
    }

    #[test]
    fn resets_are_counted_only_once_owners_are_learnt() {
        let first_count = HOOKS.iter().position(|hook| hook.task == super::Task::Count).expect("a counting hook");
        assert!(HOOKS[first_count..].iter().all(|hook| hook.task == super::Task::Count));
    }
}
