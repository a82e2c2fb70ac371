//! What rstmon is meant to cost at most, in order of importance, and whether a report shows that.

use crate::{
    peer::PeerTool,
    report::BenchReport,
    section::flood::{self, Flood},
    verdict::{TargetVerdict, TargetVerdicts},
};

/// Which figures meet a limit.
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

    /// Above 1 the target is missed.
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

struct CostTarget {
    /// Names the explanation in docs/performance.md; never changed.
    id: &'static str,
    what: &'static str,
    goal: Goal,
    limit: f64,
    unit: &'static str,
    digits: usize,
    figure: fn(&BenchReport) -> Option<f64>,
}

const TARGETS: [CostTarget; 13] = [
    CostTarget {
        id: "counting",
        what: "counting a reset, net, mean of all sorts",
        goal: Goal::AtMost,
        limit: 150.0,
        unit: "ns",
        digits: 0,
        figure: |report| Some(report.hooks.as_ref()?.mean_net_ns.get("counting")?.median),
    },
    CostTarget {
        id: "event",
        what: "a reset with its event, net, mean of all sorts",
        goal: Goal::Under,
        limit: 300.0,
        unit: "ns",
        digits: 0,
        figure: |report| Some(report.hooks.as_ref()?.mean_net_ns.get("event")?.median),
    },
    CostTarget {
        id: "connection-end",
        what: "owner learning and tombstone of a connection, net, one end on this host",
        goal: Goal::Under,
        limit: 400.0,
        unit: "ns",
        digits: 0,
        figure: |report| Some(both_ends(report)? / 2.0),
    },
    CostTarget {
        id: "connection",
        what: "the same, both ends on this host",
        goal: Goal::Under,
        limit: 400.0,
        unit: "ns",
        digits: 0,
        figure: both_ends,
    },
    CostTarget {
        id: "keep-alive",
        what: "throughput of keep-alive traffic, of that without",
        goal: Goal::AtLeast,
        limit: 0.995,
        unit: "",
        digits: 4,
        figure: |report| Some(report.keepalive.as_ref()?.ratio()?.median),
    },
    CostTarget {
        id: "loss-bpftrace",
        what: "loss of throughput under full-speed resets, of bpftrace's counting",
        goal: Goal::AtMost,
        limit: 0.5,
        unit: "",
        digits: 2,
        figure: |report| loss(report.flood.as_ref()?, PeerTool::Counting),
    },
    CostTarget {
        id: "loss-tcpdump",
        what: "the same, of tcpdump's",
        goal: Goal::AtMost,
        limit: 0.25,
        unit: "",
        digits: 2,
        figure: |report| loss(report.flood.as_ref()?, PeerTool::Dumping),
    },
    CostTarget {
        id: "cpu",
        what: "the daemon at 10,000 resets/s, of a core",
        goal: Goal::Under,
        limit: 2.0,
        unit: "%",
        digits: 2,
        figure: |report| Some(report.pace.as_ref()?.at(Some(10_000.0))?.cpu_percent.median),
    },
    CostTarget {
        id: "memory",
        what: "resident at 10,000 resets/s",
        goal: Goal::Under,
        limit: 20.0,
        unit: "MiB",
        digits: 1,
        figure: |report| Some(report.pace.as_ref()?.at(Some(10_000.0))?.resident_mib.median),
    },
    CostTarget {
        id: "memory-flood",
        what: "the same, at as many resets as there can be",
        goal: Goal::Under,
        limit: 20.0,
        unit: "MiB",
        digits: 1,
        figure: |report| Some(report.pace.as_ref()?.at(None)?.resident_mib.median),
    },
    CostTarget {
        id: "start",
        what: "start-up until ready",
        goal: Goal::Under,
        limit: 150.0,
        unit: "ms",
        digits: 0,
        figure: |report| Some(report.start.as_ref()?.milliseconds.median),
    },
    CostTarget {
        id: "backfill",
        what: "backfill of 100,000 open sockets",
        goal: Goal::Under,
        limit: 150.0,
        unit: "ms",
        digits: 0,
        figure: |report| report.sockets.as_ref()?.backfill().map(|(_, added)| added.median),
    },
    CostTarget {
        id: "view",
        what: "`rstmon top` at rest, of a core, the most of its states",
        goal: Goal::Under,
        limit: 1.0,
        unit: "%",
        digits: 2,
        figure: |report| report.view.as_ref()?.most(),
    },
];

fn both_ends(report: &BenchReport) -> Option<f64> {
    Some(report.hooks.as_ref()?.connections.get("tombstones")?.net_ns.median)
}

/// A smaller loss of throughput cannot be distinguished from none.
const LEAST_LOSS: f64 = 0.001;

/// rstmon's loss of throughput divided by a tool's, which counts as [`LEAST_LOSS`] at least.
fn loss(flood: &Flood, tool: PeerTool) -> Option<f64> {
    let (own, theirs) = (flood.loss(flood::RSTMON)?, flood.loss(tool.name())?);
    Some(own.max(0.0) / theirs.max(LEAST_LOSS))
}

/// The verdicts on the targets that a report has figures for.
pub(crate) fn judge_all(report: &BenchReport) -> TargetVerdicts {
    TargetVerdicts(TARGETS.iter().filter_map(|target| judge(target, (target.figure)(report)?)).collect())
}

fn judge(target: &CostTarget, figure: f64) -> Option<TargetVerdict> {
    let CostTarget { id, what, goal, limit, unit, digits, .. } = *target;
    let with_unit = |number: String| format!("{number} {unit}").trim_end().to_owned();
    figure.is_finite().then(|| TargetVerdict {
        id: id.to_owned(),
        what: what.to_owned(),
        goal: with_unit(format!("{} {limit}", goal.words())),
        figure: with_unit(format!("{figure:.digits$}")),
        ratio: goal.ratio(figure, limit),
        met: goal.is_met(figure, limit),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(goal: Goal, limit: f64) -> CostTarget {
        CostTarget { id: "x", what: "X", goal, limit, unit: "ns", digits: 1, figure: |_| None }
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
