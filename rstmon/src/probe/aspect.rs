//! What a kernel shows, aspect by aspect: exactly, less certainly, or not at all. Pure: it follows from what became of
//! the hooks and from what the kernel's types offer. `rstmon doctor` prints it, docs/kernels.md is made of it, and the
//! end-to-end tests expect no more and no less.

use super::plan::{ACCEPT, ANSWERS, BACKFILL, HookStatus, NAMESPACES, Outcome, USED};
use serde::{Deserialize, Serialize};

/// How well something is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clarity {
    /// Always, and as it is.
    Exact,
    /// Not always, or concluded from something else.
    LessCertain,
    /// Never.
    Unseen,
}

impl Clarity {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::LessCertain => "less certain",
            Self::Unseen => "unseen",
        }
    }
}

/// For which resets the kernel tells its own reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasonsGiven {
    /// For all that are sent (6.12 on).
    All,
    /// For answers to segments; active ones are `not_specified` (6.10, 6.11).
    Answers,
    /// For none (before 6.10).
    None,
}

/// One thing that somebody may want to know of a reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aspect {
    /// Its name, for programs.
    pub aspect: String,
    /// In words.
    pub what: String,
    /// How well it is known.
    pub clarity: Clarity,
    /// Why not better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Every aspect, in the order in which people are told.
#[must_use]
pub fn aspects(hooks: &[HookStatus], reasons: ReasonsGiven) -> Vec<Aspect> {
    let by_answers = |name, family: &str| match (reasons, outcome(name, hooks)) {
        (ReasonsGiven::All | ReasonsGiven::Answers, _) | (_, Some(Outcome::Attached)) => None,
        _ => Some(family.to_owned()),
    };
    let hidden: Vec<String> =
        [by_answers(ANSWERS[0], "IPv4"), by_answers(ANSWERS[1], "IPv6")].into_iter().flatten().collect();
    let answers = || match hidden.len() {
        0 => (Clarity::Exact, None),
        count => {
            let clarity = if count == ANSWERS.len() { Clarity::Unseen } else { Clarity::LessCertain };
            let why = format!(
                "before 6.10 the tracepoint leaves them out, and trampolines are not to be had ({})",
                hidden.join(", ")
            );
            (clarity, Some(why))
        }
    };
    let all = [
        ("received", "resets received", (Clarity::Exact, None)),
        ("sent_active", "resets sent by closes, exits, timers, kills", (Clarity::Exact, None)),
        ("sent_with_socket", "resets sent for a live socket or a listener", (Clarity::Exact, None)),
        ("sent_without_socket", "resets sent for closed ports and unknown connections", answers()),
        ("sent_time_wait", "resets sent for late segments after a close", answers()),
        ("reason", "the kernel's own reason of a reset sent", reason(reasons)),
        ("cause", "the cause of a reset sent", cause(reasons)),
        ("owner", "which process opened, listened or closed", tracked(hooks)),
        ("worker", "which process accepted a connection", worker(hooks)),
        ("passed", "which process reads from a connection that another has accepted", passed(hooks)),
        ("owner_before", "who owns sockets opened before the start", backfilled(hooks)),
        ("reconciled", "whether the kernel counts the same, in every network namespace", reconciled(hooks, &hidden)),
    ];
    all.into_iter()
        .map(|(aspect, what, (clarity, why))| Aspect { aspect: aspect.to_owned(), what: what.to_owned(), clarity, why })
        .collect()
}

type Known = (Clarity, Option<String>);

fn reason(given: ReasonsGiven) -> Known {
    match given {
        ReasonsGiven::All => (Clarity::Exact, None),
        ReasonsGiven::Answers => {
            (Clarity::LessCertain, Some("this kernel (6.10, 6.11) has one for answers to segments only".into()))
        }
        ReasonsGiven::None => (Clarity::Unseen, Some("this kernel has none (before 6.10)".into())),
    }
}

fn cause(given: ReasonsGiven) -> Known {
    match given {
        ReasonsGiven::All => (Clarity::Exact, None),
        _ => (Clarity::LessCertain, Some("without a reason it follows from the socket alone".into())),
    }
}

fn tracked(hooks: &[HookStatus]) -> Known {
    match outcome("inet_sock_set_state", hooks) {
        Some(Outcome::Attached) => (Clarity::Exact, None),
        _ => (Clarity::LessCertain, Some("only a process that resets by itself is known".into())),
    }
}

fn worker(hooks: &[HookStatus]) -> Known {
    match (outcome(ACCEPT, hooks), outcome(USED, hooks)) {
        (Some(Outcome::Attached), _) => (Clarity::Exact, None),
        (_, Some(Outcome::Attached)) => {
            (Clarity::LessCertain, Some("known once it has read: trampolines are not to be had".into()))
        }
        _ => (Clarity::Unseen, Some("the listener's owner is named instead".into())),
    }
}

fn passed(hooks: &[HookStatus]) -> Known {
    match outcome(USED, hooks) {
        Some(Outcome::Attached) => (Clarity::Exact, None),
        _ => (
            Clarity::LessCertain,
            Some("the one that accepted is named: reads are not followed where it is known".into()),
        ),
    }
}

fn backfilled(hooks: &[HookStatus]) -> Known {
    match outcome(BACKFILL, hooks) {
        Some(Outcome::Attached) => (Clarity::Exact, None),
        _ => (Clarity::LessCertain, Some("known once they are used".into())),
    }
}

fn reconciled(hooks: &[HookStatus], hidden: &[String]) -> Known {
    match outcome(NAMESPACES, hooks) {
        _ if !hidden.is_empty() => {
            (Clarity::LessCertain, Some("what is unseen is the difference: rstmon_uncounted_resets".into()))
        }
        Some(Outcome::Attached) => (Clarity::Exact, None),
        _ => (Clarity::LessCertain, Some("in rstmon's own network namespace only".into())),
    }
}

fn outcome<'a>(name: &str, hooks: &'a [HookStatus]) -> Option<&'a Outcome> {
    hooks.iter().find(|status| status.hook.name == name).map(|status| &status.outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::plan::HOOKS;

    fn hooks(but: &[(&str, Outcome)]) -> Vec<HookStatus> {
        let outcome =
            |name| but.iter().find(|(other, _)| *other == name).map_or(Outcome::Attached, |(_, not)| not.clone());
        HOOKS.iter().map(|hook| HookStatus { hook: *hook, outcome: outcome(hook.name) }).collect()
    }

    fn clarity(aspects: &[Aspect], name: &str) -> Clarity {
        aspects.iter().find(|aspect| aspect.aspect == name).expect("an aspect of that name").clarity
    }

    fn refused() -> Outcome {
        Outcome::Refused { errno: Some(libc::EPERM), reason: "lockdown".into() }
    }

    #[test]
    fn with_every_hook_and_reason_all_is_exact() {
        let unneeded = [(ANSWERS[0], Outcome::NotNeeded), (ANSWERS[1], Outcome::NotNeeded), (USED, Outcome::NotNeeded)];
        let mut aspects = aspects(&hooks(&unneeded), ReasonsGiven::All);
        assert_eq!(clarity(&aspects, "passed"), Clarity::LessCertain, "the price of cheap reads");
        aspects.retain(|aspect| aspect.aspect != "passed");
        assert!(aspects.iter().all(|aspect| aspect.clarity == Clarity::Exact && aspect.why.is_none()), "{aspects:#?}");
    }

    #[test]
    fn an_old_kernel_with_trampolines_hides_no_reset_but_its_reason() {
        let aspects = aspects(&hooks(&[(USED, Outcome::NotNeeded)]), ReasonsGiven::None);
        for name in ["sent_without_socket", "sent_time_wait", "worker", "reconciled"] {
            assert_eq!(clarity(&aspects, name), Clarity::Exact, "{name}");
        }
        assert_eq!(clarity(&aspects, "reason"), Clarity::Unseen);
        assert_eq!(clarity(&aspects, "cause"), Clarity::LessCertain);
    }

    #[test]
    fn an_old_kernel_without_trampolines_says_what_it_hides() {
        let without = [(ANSWERS[0], refused()), (ANSWERS[1], refused()), (ACCEPT, refused())];
        let all = aspects(&hooks(&without), ReasonsGiven::None);
        for name in ["sent_without_socket", "sent_time_wait"] {
            assert_eq!(clarity(&all, name), Clarity::Unseen, "{name}");
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
        let without = [(ANSWERS[0], Outcome::NotNeeded), (ANSWERS[1], Outcome::NotNeeded), (ACCEPT, refused())];
        let all = aspects(&hooks(&without), ReasonsGiven::All);
        let less: Vec<&str> =
            all.iter().filter(|aspect| aspect.clarity != Clarity::Exact).map(|aspect| aspect.aspect.as_str()).collect();
        assert_eq!(less, ["worker"]);
    }
}
