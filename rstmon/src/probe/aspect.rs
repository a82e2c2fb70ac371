//! What can be seen on this kernel, aspect by aspect: exactly, less certainly, or not at all. Pure: it follows from the
//! outcomes of the hooks and from the kernel's types. `rstmon doctor` prints it, a table of docs/kernels.md is
//! generated from it, and the end-to-end tests expect exactly that.

use super::plan::{
    ACCEPT, ANSWER_V4, ANSWER_V6, ANSWERS, BACKFILL, HookOutcome, HookStatus, NAMESPACES, READ, SET_STATE, WRITE,
    outcome_of,
};
use serde::{Deserialize, Serialize};

/// How well an aspect is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Clarity {
    /// Known always, and exactly.
    Exact,
    /// Not always known, or inferred from something else.
    LessCertain,
    /// The aspect is never known.
    Unseen,
}

impl Clarity {
    /// The name in the report of `rstmon doctor`.
    #[must_use]
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::LessCertain => "less certain",
            Self::Unseen => "unseen",
        }
    }
}

/// For which resets the kernel gives its own reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReasonsGiven {
    /// For all that are sent (6.12 on).
    All,
    /// For answers to segments; active ones are `not_specified` (6.10, 6.11).
    Answers,
    /// For no reset (before 6.10).
    None,
}

/// One thing that a user may want to know about a reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Aspect {
    /// Name of the aspect, for programs.
    #[serde(rename = "aspect")]
    pub(crate) name: String,
    /// Description of the aspect, for people.
    pub(crate) what: String,
    /// How well the aspect is known on this kernel.
    pub(crate) clarity: Clarity,
    /// Why it is not known exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

/// Every aspect, in the order of the report.
pub(super) fn aspects(hooks: &[HookStatus], reasons: ReasonsGiven) -> Vec<Aspect> {
    let hidden_family = |hook, family: &str| match (reasons, outcome_of(hook, hooks)) {
        (ReasonsGiven::All | ReasonsGiven::Answers, _) | (_, Some(HookOutcome::Attached)) => None,
        _ => Some(family.to_owned()),
    };
    let hidden: Vec<String> =
        [hidden_family(&ANSWER_V4, "IPv4"), hidden_family(&ANSWER_V6, "IPv6")].into_iter().flatten().collect();
    let answers = || match hidden.len() {
        0 => (Clarity::Exact, None),
        count => {
            let clarity = if count == ANSWERS.len() { Clarity::Unseen } else { Clarity::LessCertain };
            let why = format!(
                "before 6.10 the tracepoint does not fire for them, and trampolines are not available ({})",
                hidden.join(", ")
            );
            (clarity, Some(why))
        }
    };
    let all = [
        ("received", "resets received", (Clarity::Exact, None)),
        ("sent_active", "resets sent by closes, exits, timers, kills", (Clarity::Exact, None)),
        ("sent_with_socket", "resets sent for a live socket or a listener", (Clarity::Exact, None)),
        ("sent_without_socket", "resets sent for closed ports, scans and unknown connections", answers()),
        ("sent_time_wait", "resets sent for late segments: races, stale connections, echoes", answers()),
        ("reason", "the kernel's own reason of a reset sent", reason(reasons)),
        ("cause", "the cause of a reset sent", cause(reasons)),
        ("owner", "which process opened, listened or closed", tracked(hooks)),
        ("worker", "which process accepted a connection", worker(hooks)),
        ("passed", "which process reads from a connection that another has accepted", passed(hooks)),
        ("holder", "which process holds a connection that another has passed on, and only writes", holder(hooks)),
        ("owner_before", "which process owns a socket that was opened before the start", backfilled(hooks)),
        ("reconciled", "whether the kernel counts the same, in every network namespace", reconciled(hooks, &hidden)),
    ];
    all.into_iter()
        .map(|(name, what, (clarity, why))| Aspect { name: name.to_owned(), what: what.to_owned(), clarity, why })
        .collect()
}

/// How well an aspect is known, and why not exactly.
type ReasonedClarity = (Clarity, Option<String>);

fn reason(given: ReasonsGiven) -> ReasonedClarity {
    match given {
        ReasonsGiven::All => (Clarity::Exact, None),
        ReasonsGiven::Answers => {
            (Clarity::LessCertain, Some("this kernel (6.10, 6.11) has one for answers to segments only".into()))
        }
        ReasonsGiven::None => (Clarity::Unseen, Some("this kernel gives no reason (before 6.10)".into())),
    }
}

fn cause(given: ReasonsGiven) -> ReasonedClarity {
    match given {
        ReasonsGiven::All => (Clarity::Exact, None),
        _ => (Clarity::LessCertain, Some("without a reason it follows from the socket alone".into())),
    }
}

fn tracked(hooks: &[HookStatus]) -> ReasonedClarity {
    match outcome_of(&SET_STATE, hooks) {
        Some(HookOutcome::Attached) => (Clarity::Exact, None),
        _ => (Clarity::LessCertain, Some("known only where the process itself causes the reset".into())),
    }
}

fn worker(hooks: &[HookStatus]) -> ReasonedClarity {
    match (outcome_of(&ACCEPT, hooks), outcome_of(&READ, hooks)) {
        (Some(HookOutcome::Attached), _) => (Clarity::Exact, None),
        (_, Some(HookOutcome::Attached)) => {
            let why = "known where it opened the listener, else from its first read on; until then the event has the \
                       name of the listener's owner and no pid: this kernel allows no trampolines";
            (Clarity::LessCertain, Some(why.into()))
        }
        _ => (
            Clarity::LessCertain,
            Some("known where it opened the listener; else the event has the name of the listener's owner".into()),
        ),
    }
}

fn passed(hooks: &[HookStatus]) -> ReasonedClarity {
    match outcome_of(&READ, hooks) {
        Some(HookOutcome::Attached) => (Clarity::Exact, None),
        _ => (
            Clarity::LessCertain,
            Some(
                "the process that accepted is named while it lives and has not forked since: reads are not followed \
                 where accepts are"
                    .into(),
            ),
        ),
    }
}

/// No hook sees a descriptor on its way to another process, only what that process does with it.
fn holder(hooks: &[HookStatus]) -> ReasonedClarity {
    let why = match outcome_of(&WRITE, hooks) {
        Some(HookOutcome::Attached) => "known from its first write on",
        Some(HookOutcome::NotWanted) => {
            "the process that passed it on is named while it lives and has not forked since; with \
             probe.follow_writers (Linux 6.3 on) the holder is known from its first write on"
        }
        _ => {
            "the process that passed it on is named while it lives and has not forked since: this kernel (before 6.3) \
             does not show which process writes"
        }
    };
    (Clarity::LessCertain, Some(why.into()))
}

fn backfilled(hooks: &[HookStatus]) -> ReasonedClarity {
    match outcome_of(&BACKFILL, hooks) {
        Some(HookOutcome::Attached) => (Clarity::Exact, None),
        _ => (Clarity::LessCertain, Some("known once they are used".into())),
    }
}

fn reconciled(hooks: &[HookStatus], hidden: &[String]) -> ReasonedClarity {
    match outcome_of(&NAMESPACES, hooks) {
        _ if !hidden.is_empty() => {
            (Clarity::LessCertain, Some("rstmon_uncounted_resets is the number of resets that no hook sees".into()))
        }
        Some(HookOutcome::Attached) => (Clarity::Exact, None),
        _ => (Clarity::LessCertain, Some("in rstmon's own network namespace only".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::plan::{HOOKS, Hook};

    /// Every hook attached, except those that are listed.
    fn hooks(except: &[(Hook, HookOutcome)]) -> Vec<HookStatus> {
        let outcome = |hook| except.iter().find(|(other, _)| *other == hook).map(|(_, outcome)| outcome.clone());
        let status = |hook| HookStatus { hook, outcome: outcome(hook).unwrap_or(HookOutcome::Attached) };
        HOOKS.iter().copied().map(status).collect()
    }

    fn clarity(aspects: &[Aspect], name: &str) -> Clarity {
        aspects.iter().find(|aspect| aspect.name == name).expect("an aspect of that name").clarity
    }

    fn refused() -> HookOutcome {
        HookOutcome::Refused { errno: Some(libc::EPERM), reason: "lockdown".into() }
    }

    #[test]
    fn with_every_hook_and_reason_all_is_exact() {
        let unneeded =
            [(ANSWER_V4, HookOutcome::NotNeeded), (ANSWER_V6, HookOutcome::NotNeeded), (READ, HookOutcome::NotNeeded)];
        let mut aspects = aspects(&hooks(&unneeded), ReasonsGiven::All);
        assert_eq!(clarity(&aspects, "passed"), Clarity::LessCertain, "the price of cheap reads");
        assert_eq!(clarity(&aspects, "holder"), Clarity::LessCertain, "a descriptor is not seen on its way");
        aspects.retain(|aspect| !matches!(aspect.name.as_str(), "passed" | "holder"));
        assert!(aspects.iter().all(|aspect| aspect.clarity == Clarity::Exact && aspect.why.is_none()), "{aspects:#?}");
    }

    #[test]
    fn an_old_kernel_with_trampolines_hides_no_reset_but_its_reason() {
        let aspects = aspects(&hooks(&[(READ, HookOutcome::NotNeeded)]), ReasonsGiven::None);
        for name in ["sent_without_socket", "sent_time_wait", "worker", "reconciled"] {
            assert_eq!(clarity(&aspects, name), Clarity::Exact, "{name}");
        }
        assert_eq!(clarity(&aspects, "reason"), Clarity::Unseen);
        assert_eq!(clarity(&aspects, "cause"), Clarity::LessCertain);
    }

    #[test]
    fn an_old_kernel_without_trampolines_says_what_it_hides() {
        let without = [(ANSWER_V4, refused()), (ANSWER_V6, refused()), (ACCEPT, refused())];
        let all = aspects(&hooks(&without), ReasonsGiven::None);
        for name in ["sent_without_socket", "sent_time_wait"] {
            assert_eq!(clarity(&all, name), Clarity::Unseen, "{name}");
        }
        let unseen = all.iter().filter(|aspect| aspect.clarity == Clarity::Unseen).map(|aspect| aspect.what.as_str());
        let unseen: String = unseen.collect();
        for hidden in ["races", "stale connections", "echoes", "scans", "closed ports", "unknown connections"] {
            assert!(unseen.contains(hidden), "{hidden} is not declared unseen: {unseen}");
            for hook in ANSWERS {
                assert!(hook.hides.contains(hidden), "{hidden}: {}", hook.hides);
            }
        }
        for name in ["worker", "reconciled"] {
            assert_eq!(clarity(&all, name), Clarity::LessCertain, "{name}");
        }
        let half = aspects(&hooks(&without[1..]), ReasonsGiven::None);
        assert_eq!(clarity(&half, "sent_time_wait"), Clarity::LessCertain);
        assert!(all.iter().all(|aspect| (aspect.clarity == Clarity::Exact) == aspect.why.is_none()), "{all:#?}");
    }

    #[test]
    fn a_new_kernel_without_trampolines_hides_only_the_worker() {
        let without = [(ANSWER_V4, HookOutcome::NotNeeded), (ANSWER_V6, HookOutcome::NotNeeded), (ACCEPT, refused())];
        let all = aspects(&hooks(&without), ReasonsGiven::All);
        let less: Vec<&str> =
            all.iter().filter(|aspect| aspect.clarity != Clarity::Exact).map(|aspect| aspect.name.as_str()).collect();
        assert_eq!(less, ["worker", "holder"]);
    }
}
