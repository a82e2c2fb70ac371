//! Which hooks this kernel can have, and the outcome of attaching each. Pure.

use super::btf::Btf;
use serde::{Deserialize, Serialize};

/// How a hook's program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookKind {
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

impl HookKind {
    /// Whether the hook needs a trampoline, which lockdown and some configurations forbid.
    pub(super) fn is_trampoline(self) -> bool {
        matches!(self, Self::FunctionEntry | Self::FunctionExit)
    }
}

/// What a hook is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HookPurpose {
    Count,
    /// Learns the owners of sockets.
    Owner,
    /// Finds the owners of sockets that were opened before rstmon started.
    Backfill,
    /// Lists network namespaces, so that the counts can be checked.
    Check,
}

impl HookPurpose {
    /// The value of the label `role`.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Owner => "owner",
            Self::Backfill => "backfill",
            Self::Check => "check",
        }
    }
}

/// A hook of the kernel half, from the list in `rstmon_common::hooks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    /// Name of the program, and of what it attaches to.
    pub(crate) name: &'static str,
    /// How the program is attached.
    pub(crate) kind: HookKind,
    /// What the hook is for.
    pub(crate) purpose: HookPurpose,
    /// Whether rstmon is of no use without it.
    pub(crate) required: bool,
    /// What stays hidden without it.
    pub(crate) hides: &'static str,
}

macro_rules! hook_table {
    ($(
        $(#[$doc:meta])*
        $name:ident: $program:ident, $kind:ident, $purpose:ident, $need:ident, hides $hides:literal;
    )*) => {
        $(
            $(#[$doc])*
            pub(super) const $name: Hook = Hook {
                name: stringify!($program),
                kind: HookKind::$kind,
                purpose: HookPurpose::$purpose,
                required: hook_table!(@ $need),
                hides: $hides,
            };
        )*

        /// Every hook, in the order in which they are attached.
        pub(super) const HOOKS: &[Hook] = &[$($name),*];
    };
    (@ required) => { true };
    (@ optional) => { false };
}
rstmon_common::hooks!(hook_table);

/// The hooks that see the resets for which the tracepoint of sent resets does not fire before 6.10.
pub(super) const ANSWERS: [Hook; 2] = [ANSWER_V4, ANSWER_V6];

/// The outcome of attaching a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum HookOutcome {
    /// Attached (an iterator: has run).
    Attached,
    /// The kernel refused it.
    Refused {
        /// The error number, where the kernel gave one.
        errno: Option<i32>,
        /// The error in words.
        reason: String,
    },
    /// The kernel has nothing of that name.
    Absent,
    /// Another hook does its work.
    NotNeeded,
    /// The configuration leaves it out.
    NotWanted,
}

/// A hook and the outcome of attaching it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HookStatus {
    /// The hook that was to be attached.
    pub(crate) hook: Hook,
    /// Whether it is attached, and why not.
    pub(crate) outcome: HookOutcome,
}

impl HookStatus {
    /// What stays hidden because the hook is not attached; `None` when nothing does.
    #[must_use]
    pub(crate) fn hides(&self) -> Option<&'static str> {
        match self.outcome {
            HookOutcome::Attached | HookOutcome::NotNeeded | HookOutcome::NotWanted => None,
            HookOutcome::Refused { .. } | HookOutcome::Absent => Some(self.hook.hides),
        }
    }
}

/// The outcome of attaching `hook`; `None` where it has not been tried yet.
pub(super) fn outcome_of<'a>(hook: &Hook, statuses: &'a [HookStatus]) -> Option<&'a HookOutcome> {
    statuses.iter().find(|status| status.hook.name == hook.name).map(|status| &status.outcome)
}

/// What the kernel's iterators go through, as it names them.
pub(super) const FILE_ITERATOR: &str = "task_file";
pub(super) const TASK_ITERATOR: &str = "task";

/// Whether the running kernel has what a hook attaches to.
pub(super) fn exists(hook: &Hook, btf: &Btf<'_>) -> bool {
    match hook.kind {
        HookKind::Tracepoint => btf.tracepoint_arity(hook.name).is_some(),
        HookKind::FunctionEntry | HookKind::FunctionExit => btf.has_function(hook.name),
        HookKind::FileIterator => btf.has_function(&format!("bpf_iter_{FILE_ITERATOR}")),
        HookKind::TaskIterator => btf.has_function(&format!("bpf_iter_{TASK_ITERATOR}")),
    }
}

/// The outcome of a hook that is not to be tried, given the outcomes of the hooks `before` it, and whether the
/// tracepoint of sent resets `fires_always`, or only where there is a full socket (before 6.10). [`READ`] costs a
/// little at each read, so it is attached only where [`ACCEPT`] is not, or where the operator wants to
/// `follow_writers`, for which [`WRITE`] is; [`ANSWERS`] would count a reset twice where the tracepoint fires for it.
pub(super) fn left_out(
    hook: &Hook,
    before: &[HookStatus],
    fires_always: bool,
    follow_writers: bool,
) -> Option<HookOutcome> {
    if hook.name == WRITE.name {
        return (!follow_writers).then_some(HookOutcome::NotWanted);
    }
    let needed = if hook.name == READ.name {
        follow_writers || outcome_of(&ACCEPT, before) != Some(&HookOutcome::Attached)
    } else if ANSWERS.contains(hook) {
        !fires_always
    } else {
        true
    };
    (!needed).then_some(HookOutcome::NotNeeded)
}

#[cfg(test)]
mod tests {
    use super::{ACCEPT, ANSWERS, HOOKS, HookOutcome, HookPurpose, HookStatus, READ, WRITE, left_out};

    fn accept(outcome: HookOutcome) -> [HookStatus; 1] {
        [HookStatus { hook: ACCEPT, outcome }]
    }

    #[test]
    fn the_hook_of_reads_replaces_a_refused_accept_hook() {
        let refused = HookOutcome::Refused { errno: Some(libc::EPERM), reason: "lockdown".into() };
        for fires_always in [false, true] {
            assert_eq!(left_out(&READ, &accept(refused.clone()), fires_always, false), None);
            assert_eq!(left_out(&READ, &accept(HookOutcome::Absent), fires_always, false), None);
            let attached = accept(HookOutcome::Attached);
            assert_eq!(left_out(&READ, &attached, fires_always, false), Some(HookOutcome::NotNeeded));
        }
    }

    #[test]
    fn who_follows_writers_follows_readers_too() {
        let attached = accept(HookOutcome::Attached);
        assert_eq!(left_out(&READ, &attached, true, true), None);
        assert_eq!(left_out(&WRITE, &attached, true, true), None);
        assert_eq!(left_out(&WRITE, &attached, true, false), Some(HookOutcome::NotWanted));
    }

    #[test]
    fn a_reset_that_the_tracepoint_fires_for_is_not_counted_twice() {
        for hook in &ANSWERS {
            assert_eq!(left_out(hook, &[], false, false), None);
            assert_eq!(left_out(hook, &[], true, false), Some(HookOutcome::NotNeeded));
        }
    }

    #[test]
    fn nothing_hidden_is_reported_for_a_hook_that_is_not_needed() {
        assert_eq!(HookStatus { hook: READ, outcome: HookOutcome::NotNeeded }.hides(), None);
        assert_eq!(HookStatus { hook: READ, outcome: HookOutcome::Absent }.hides(), Some(READ.hides));
    }

    #[test]
    fn resets_are_counted_only_once_owners_are_learnt() {
        let first_count = HOOKS.iter().position(|hook| hook.purpose == HookPurpose::Count).expect("a counting hook");
        assert!(HOOKS[first_count..].iter().all(|hook| hook.purpose == HookPurpose::Count));
    }
}
