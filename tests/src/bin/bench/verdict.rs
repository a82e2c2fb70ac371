//! Which targets are met: the figures beside their limits, as the report has them.

use crate::markdown::table;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A target with the figure that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TargetVerdict {
    pub(crate) id: String,
    pub(crate) what: String,
    /// The goal in words, with its unit.
    pub(crate) goal: String,
    /// The figure, with its unit.
    pub(crate) figure: String,
    /// The figure divided by the limit, or the inverse where more is better: above 1 the target is missed.
    pub(crate) ratio: f64,
    pub(crate) met: bool,
}

/// The verdicts, in the order of the targets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct TargetVerdicts(pub(crate) Vec<TargetVerdict>);

impl TargetVerdicts {
    /// Ids of the missed targets.
    pub(crate) fn missed(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|verdict| !verdict.met).map(|verdict| verdict.id.as_str())
    }
}

impl fmt::Display for TargetVerdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |TargetVerdict { id, what, goal, figure, ratio, met }: &TargetVerdict| {
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

    #[test]
    fn a_missed_target_refers_to_its_explanation() {
        let missed = TargetVerdict {
            id: "x".to_owned(),
            what: "X".to_owned(),
            goal: "under 100 ns".to_owned(),
            figure: "250.0 ns".to_owned(),
            ratio: 2.5,
            met: false,
        };
        let verdicts = TargetVerdicts(vec![missed]);
        let text = verdicts.to_string();
        for part in ["| X ", "| under 100 ns ", "| 250.0 ns ", "| 2.50 ", "**missed**: `x`"] {
            assert!(text.contains(part), "expected `{part}` in:\n{text}");
        }
        assert_eq!(verdicts.missed().collect::<Vec<_>>(), ["x"]);
    }
}
