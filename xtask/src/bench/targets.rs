//! What rstmon is meant to cost at most, in order of worth, and whether it does. Pure.

use super::{
    markdown::table,
    report::Report,
    section::flood::{self, Flood},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which side of the limit is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    AtMost,
    Under,
    AtLeast,
}

impl Goal {
    fn is_met(self, figure: f64, limit: f64) -> bool {
        match self {
            Self::AtMost => figure <= limit,
            Self::Under => figure < limit,
            Self::AtLeast => figure >= limit,
        }
    }

    /// How far the figure is from the limit: above 1 it is missed.
    fn ratio(self, figure: f64, limit: f64) -> f64 {
        match self {
            Self::AtMost | Self::Under => figure / limit,
            Self::AtLeast => limit / figure,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::AtMost => "at most",
            Self::Under => "under",
            Self::AtLeast => "at least",
        }
    }
}

/// One of them.
struct Target {
    /// Of its line on what the limit is made of; never changed.
    id: &'static str,
    what: &'static str,
    goal: Goal,
    limit: f64,
    unit: &'static str,
    digits: usize,
    figure: fn(&Report) -> Option<f64>,
}

const TARGETS: [Target; 12] = [
    Target {
        id: "counting",
        what: "counting a reset, net, mean of all sorts",
        goal: Goal::AtMost,
        limit: 150.0,
        unit: "ns",
        digits: 0,
        figure: |report| Some(report.hooks.as_ref()?.mean_net_ns.get("counting")?.median),
    },
    Target {
        id: "event",
        what: "a reset with its event, net, mean of all sorts",
        goal: Goal::Under,
        limit: 300.0,
        unit: "ns",
        digits: 0,
        figure: |report| Some(report.hooks.as_ref()?.mean_net_ns.get("event")?.median),
    },
    Target {
        id: "connection-end",
        what: "owner learning and tombstone of a connection, net, one end on this host",
        goal: Goal::Under,
        limit: 400.0,
        unit: "ns",
        digits: 0,
        figure: |report| Some(both_ends(report)? / 2.0),
    },
    Target {
        id: "connection",
        what: "the same, both ends on this host",
        goal: Goal::Under,
        limit: 400.0,
        unit: "ns",
        digits: 0,
        figure: both_ends,
    },
    Target {
        id: "keep-alive",
        what: "throughput of keep-alive traffic, of that without",
        goal: Goal::AtLeast,
        limit: 0.995,
        unit: "",
        digits: 4,
        figure: |report| Some(report.keepalive.as_ref()?.ratio()?.median),
    },
    Target {
        id: "loss-bpftrace",
        what: "loss of throughput under full-speed resets, of bpftrace's counting",
        goal: Goal::AtMost,
        limit: 0.5,
        unit: "",
        digits: 2,
        figure: |report| loss(report.flood.as_ref()?, super::peer::Tool::Counting),
    },
    Target {
        id: "loss-tcpdump",
        what: "the same, of tcpdump's",
        goal: Goal::AtMost,
        limit: 0.25,
        unit: "",
        digits: 2,
        figure: |report| loss(report.flood.as_ref()?, super::peer::Tool::Dumping),
    },
    Target {
        id: "cpu",
        what: "the daemon at 10,000 resets/s, of a core",
        goal: Goal::Under,
        limit: 2.0,
        unit: "%",
        digits: 2,
        figure: |report| Some(report.pace.as_ref()?.at(Some(10_000.0))?.cpu_percent.median),
    },
    Target {
        id: "memory",
        what: "resident at 10,000 resets/s",
        goal: Goal::Under,
        limit: 20.0,
        unit: "MiB",
        digits: 1,
        figure: |report| Some(report.pace.as_ref()?.at(Some(10_000.0))?.resident_mib.median),
    },
    Target {
        id: "memory-flood",
        what: "the same, at as many resets as there can be",
        goal: Goal::Under,
        limit: 20.0,
        unit: "MiB",
        digits: 1,
        figure: |report| Some(report.pace.as_ref()?.at(None)?.resident_mib.median),
    },
    Target {
        id: "start",
        what: "start-up until ready",
        goal: Goal::Under,
        limit: 150.0,
        unit: "ms",
        digits: 0,
        figure: |report| Some(report.start.as_ref()?.milliseconds.median),
    },
    Target {
        id: "backfill",
        what: "backfill of 100,000 open sockets",
        goal: Goal::Under,
        limit: 150.0,
        unit: "ms",
        digits: 0,
        figure: |report| report.sockets.as_ref()?.backfill().map(|(_, added)| added.median),
    },
];

fn both_ends(report: &Report) -> Option<f64> {
    Some(report.hooks.as_ref()?.connections.get("tombstones")?.net_ns.median)
}

/// Less than this is no loss that could be told from none.
const LEAST_LOSS: f64 = 0.001;

/// rstmon's loss of throughput in terms of a tool's; a tool that loses nothing leaves rstmon next to nothing to lose.
fn loss(flood: &Flood, tool: super::peer::Tool) -> Option<f64> {
    let (own, theirs) = (flood.loss(flood::RSTMON)?, flood.loss(tool.name())?);
    Some(own.max(0.0) / theirs.max(LEAST_LOSS))
}

/// A target, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Verdict {
    pub(super) id: String,
    pub(super) what: String,
    /// The goal, in words.
    goal: String,
    /// The figure, with its unit.
    figure: String,
    /// The figure in terms of the limit: above 1 it is missed.
    pub(super) ratio: f64,
    pub(super) met: bool,
}

/// The verdicts on what was measured.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Verdicts(pub(super) Vec<Verdict>);

impl Verdicts {
    pub(super) fn on(report: &Report) -> Self {
        Self(TARGETS.iter().filter_map(|target| judge(target, (target.figure)(report)?)).collect())
    }

    /// Ids of those that were missed.
    pub(super) fn missed(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|verdict| !verdict.met).map(|verdict| verdict.id.as_str())
    }
}

fn judge(target: &Target, figure: f64) -> Option<Verdict> {
    let Target { id, what, goal, limit, unit, digits, .. } = *target;
    let with_unit = |number: String| format!("{number} {unit}").trim_end().to_owned();
    figure.is_finite().then(|| Verdict {
        id: id.to_owned(),
        what: what.to_owned(),
        goal: with_unit(format!("{} {limit}", goal.words())),
        figure: with_unit(format!("{figure:.digits$}")),
        ratio: goal.ratio(figure, limit),
        met: goal.is_met(figure, limit),
    })
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |Verdict { id, what, goal, figure, ratio, met }: &Verdict| {
            let met = if *met { "met".to_owned() } else { format!("**missed**: `{id}`") };
            vec![what.clone(), goal.clone(), figure.clone(), format!("{ratio:.2}"), met]
        };
        let head = ["target, in order of worth", "goal", "measured", "of the limit", ""];
        write!(f, "{}", table(&head, &self.0.iter().map(row).collect::<Vec<_>>()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(goal: Goal, limit: f64) -> Target {
        Target { id: "x", what: "X", goal, limit, unit: "ns", digits: 1, figure: |_| None }
    }

    #[test]
    fn the_limit_itself_is_met_only_where_it_is_meant_to() {
        for (goal, figure, met) in [
            (Goal::AtMost, 150.0, true),
            (Goal::AtMost, 150.1, false),
            (Goal::Under, 150.0, false),
            (Goal::Under, 149.9, true),
            (Goal::AtLeast, 150.0, true),
            (Goal::AtLeast, 149.9, false),
        ] {
            let found = judge(&target(goal, 150.0), figure).expect("a figure");
            assert_eq!(found.met, met, "{goal:?} 150, {figure}");
            assert!(met || found.ratio >= 1.0, "{goal:?} 150, {figure}: {}", found.ratio);
        }
    }

    #[test]
    fn a_missed_one_says_where_it_is_explained() {
        let verdicts = Verdicts(vec![judge(&target(Goal::Under, 100.0), 250.0).expect("a figure")]);
        let text = verdicts.to_string();
        for part in ["| X ", "| under 100 ns ", "| 250.0 ns ", "| 2.50 ", "**missed**: `x`"] {
            assert!(text.contains(part), "expected `{part}` in:\n{text}");
        }
        assert_eq!(verdicts.missed().collect::<Vec<_>>(), ["x"]);
    }

    #[test]
    fn nothing_measured_is_no_verdict() {
        assert!(judge(&target(Goal::Under, 100.0), f64::NAN).is_none());
    }

    #[test]
    fn ids_are_distinct() {
        let mut ids: Vec<&str> = TARGETS.iter().map(|target| target.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), TARGETS.len());
    }
}
