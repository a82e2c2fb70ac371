//! What is done to the daemon.

mod churn;
mod clock;
mod flood;
mod kill;
mod limits;
mod namespaces;
mod scrapes;
mod soak;
mod starvation;
pub(crate) mod witness;

use anyhow::{Result, ensure};

use crate::{field::Field, outcome::Finding};

/// One of them.
pub(crate) struct Scenario {
    /// What the report and `--only` call it.
    pub(crate) name: &'static str,
    /// What it is, in a line.
    pub(crate) what: &'static str,
    /// Does it.
    pub(crate) play: fn(&mut Field) -> Result<Finding>,
    /// Whether it is played only if the machine's clock may be stepped.
    needs_clock: bool,
}

const fn scenario(name: &'static str, what: &'static str, play: fn(&mut Field) -> Result<Finding>) -> Scenario {
    Scenario { name, what, play, needs_clock: false }
}

/// All of them, in the order they are played in.
const ALL: [Scenario; 11] = [
    scenario("flood", "resets of every sort from tens of thousands of addresses and ports", flood::play),
    scenario("limits", "maps, ring and series at their limits", limits::full_maps),
    scenario("listeners", "more listeners than there is room for, and resets meanwhile", limits::listeners),
    scenario("processes", "thousands of short processes whose names come again", churn::play),
    scenario("kill", "kill -9 at random moments, also of the start, under load", kill::play),
    scenario("scrapes", "scrapes from several sides during a flood", scrapes::play),
    scenario("namespaces", "network namespaces that come and go under load", namespaces::play),
    scenario("starvation", "hardly any processor time during a flood", starvation::play),
    scenario("stalled", "subscribers that take nothing and come back", witness::stalled),
    Scenario {
        needs_clock: true,
        ..scenario("clock", "steps of the wall clock under load; only with --step-clock", clock::play)
    },
    scenario("soak", "all of it again and again; nothing may grow", soak::play),
];

/// Those of these names; all that can be, if there are none.
pub(crate) fn chosen(names: &[String], clock: bool) -> Result<Vec<&'static Scenario>> {
    for name in names {
        let known: Vec<&str> = ALL.iter().map(|scenario| scenario.name).collect();
        ensure!(known.contains(&name.as_str()), "no scenario {name}; there are {}", known.join(", "));
    }
    let wanted = |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| name == scenario.name);
    Ok(ALL.iter().filter(wanted).filter(|scenario| clock || !scenario.needs_clock).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_left_alone_unless_asked() {
        let names = |names: &[&str], clock| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            chosen(&names, clock).map(|found| found.iter().map(|scenario| scenario.name).collect::<Vec<_>>())
        };
        assert!(!names(&[], false).expect("all").contains(&"clock"));
        assert!(names(&[], true).expect("all").contains(&"clock"));
        assert_eq!(names(&["soak", "kill"], false).expect("known"), ["kill", "soak"]);
        assert!(names(&["nonsense"], false).is_err());
    }
}
