//! Stands for causes of a newer version, which this version's catalogue does not have.

use super::{CauseEntry, Directions, HowKnown, ObservedSymptoms, Remedy};
use crate::explain::{cause::Cause, severity::Severity};

static NEWER: CauseEntry = CauseEntry {
    cause: Cause::Unexplained,
    title: "A cause that this version does not know",
    directions: Directions::Both,
    role: None,
    severity: Severity::Notice,
    what_happened: "A newer version of rstmon gave this verdict, and its catalogue explains it. The evidence of each reset is \
                    shown as that version wrote it.",
    how_known: HowKnown {
        evidence: "The sentence of each event says what the newer version knew.",
        levels: &[],
        older_kernels: None,
    },
    sees: ObservedSymptoms { sender: &[], receiver: &[], cases: &[], note: None },
    remedies: &[Remedy::act("Update this rstmon, or ask the newer one: `rstmon causes ID`.")],
    classic: None,
    see_also: &[],
};

impl CauseEntry {
    /// The entry in place of one that this version does not have.
    pub(crate) const fn of_newer() -> &'static Self {
        &NEWER
    }
}
