//! The scenarios: load and faults, one file each.

mod churn;
mod clock;
mod crowds;
mod flood;
mod kill;
mod limits;
mod namespaces;
mod paused_log;
mod scrapes;
mod soak;
mod starvation;
mod store;
pub(crate) mod witness;

use crate::{arguments::StressArguments, outcome::ScenarioFinding, testbed::Testbed};
use anyhow::{Result, ensure};

pub(crate) struct StressScenario {
    /// For the report and `--only`.
    pub(crate) name: &'static str,
    /// One line of description.
    pub(crate) what: &'static str,
    pub(crate) play: fn(&mut Testbed) -> Result<ScenarioFinding>,
    /// Whether it is played with --step-clock only.
    needs_clock: bool,
}

const fn scenario(
    name: &'static str,
    what: &'static str,
    play: fn(&mut Testbed) -> Result<ScenarioFinding>,
) -> StressScenario {
    StressScenario { name, what, play, needs_clock: false }
}

/// All scenarios, in the order in which they are played.
const ALL: [StressScenario; 15] = [
    scenario("flood", "resets of every sort from tens of thousands of addresses and ports", flood::play),
    scenario("limits", "maps, ring and series at their limits", limits::full_maps),
    scenario("listeners", "more listeners than there is room for, and resets meanwhile", limits::listeners),
    scenario("processes", "thousands of short processes whose names come again", churn::play),
    scenario("kill", "kill -9 at random moments, also of the start, under load", kill::play),
    scenario("store", "kill -9 at random moments while events are stored", store::play),
    scenario("scrapes", "scrapes from several sides during a flood", scrapes::play),
    scenario("namespaces", "network namespaces that come and go under load", namespaces::play),
    scenario("starvation", "hardly any processor time during a flood", starvation::play),
    scenario("paused reader of the log", "a log at level trace that is not read, during a flood", paused_log::play),
    scenario("descriptor limit", "more clients than descriptors during a flood", crowds::descriptors),
    scenario("crowd on the socket", "more silent members of the group than connections", crowds::socket),
    scenario("stalled", "subscribers that take nothing and come back", witness::stalled),
    StressScenario {
        needs_clock: true,
        ..scenario("clock", "steps of the wall clock under load; only with --step-clock", clock::play)
    },
    scenario("soak", "all of it again and again; nothing may grow", soak::play),
];

/// The scenarios of a run.
pub(crate) struct Chosen {
    pub(crate) scenarios: Vec<&'static StressScenario>,
    /// Whether a witness observes all of them, or its own load if there are none. That takes more than a minute.
    pub(crate) witness: bool,
}

/// The scenarios that are named; without names all, and in the long form the witness.
pub(crate) fn chosen(arguments: &StressArguments) -> Result<Chosen> {
    let names = &arguments.only;
    for name in names {
        let known: Vec<&str> = ALL.iter().map(|scenario| scenario.name).chain([witness::NAME]).collect();
        ensure!(known.contains(&name.as_str()), "no scenario {name}; there are {}", known.join(", "));
    }
    let is_named = |wanted: &str| names.iter().any(|name| name == wanted);
    let wanted = |scenario: &&StressScenario| {
        (names.is_empty() || is_named(scenario.name)) && (arguments.step_clock || !scenario.needs_clock)
    };
    let witness = if names.is_empty() { arguments.full } else { is_named(witness::NAME) };
    Ok(Chosen { scenarios: ALL.iter().filter(wanted).collect(), witness })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_left_alone_unless_asked() {
        assert!(!names("").contains(&"clock"));
        assert!(names("--step-clock").contains(&"clock"));
    }

    #[test]
    fn names_choose_and_the_witness_is_for_the_long_form_or_by_name() {
        assert_eq!(names("--only soak --only kill"), ["kill", "soak"]);
        assert_eq!(names("--only witness --full"), [""; 0]);
        assert!(find("--only nonsense").is_err());
        let witness = ["", "--full", "--full --only kill", "--only witness", "--only kill --only witness"]
            .map(|words| find(words).expect("known").witness);
        assert_eq!(witness, [false, true, false, true, true]);
    }

    fn find(words: &str) -> Result<Chosen> {
        chosen(&StressArguments::parse(words.split_whitespace().map(str::to_owned)).expect("valid"))
    }

    fn names(words: &str) -> Vec<&'static str> {
        find(words).expect("known").scenarios.iter().map(|scenario| scenario.name).collect()
    }
}
