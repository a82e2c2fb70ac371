//! Decides whether the committed object is acceptable. Pure.

use super::{OBJECT, RECORD, record::ObjectRecord, shape::Difference};
use std::fmt;

/// What is wrong with the committed object. Each message names the fix.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("no committed object ({0} does not exist): run `cargo xtask bpf` and commit what it writes")]
    Absent(&'static str),
    #[error(
        "{OBJECT} has been altered since it was built (sha256 {found}, recorded {recorded}): run `cargo xtask bpf`"
    )]
    Altered { recorded: String, found: String },
    #[error("stale object: the kernel half's sources have changed since {OBJECT} was built: run `cargo xtask bpf`")]
    Stale,
    #[error(
        "{OBJECT} is not what its sources compile to: the same toolchain gives other bytes{}: run `cargo xtask bpf`",
        list(.0)
    )]
    OtherBytes(Vec<Difference>),
    #[error(
        "{OBJECT} does not match its sources{} (the toolchain differs as well:{}): run `cargo xtask bpf`",
        list(.differences),
        list(.drift)
    )]
    OtherShape { differences: Vec<Difference>, drift: Vec<String> },
}

fn list<T: fmt::Display>(items: &[T]) -> String {
    items.iter().fold(String::new(), |text, item| text + &format!("\n  {item}"))
}

/// The committed object is acceptable.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ObjectVerdict {
    /// The rebuilt object has the same bytes; `drift` lists differences of the toolchain.
    Identical { drift: Vec<String> },
    /// Rebuilt by another toolchain: other bytes, same shape.
    SameShape { drift: Vec<String> },
}

impl ObjectVerdict {
    /// Whether the rebuilt object differs and must pass the end-to-end tests as well.
    pub(super) fn needs_tests(&self) -> bool {
        matches!(self, Self::SameShape { .. })
    }
}

impl fmt::Display for ObjectVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identical { drift } if drift.is_empty() => {
                f.write_str("ok: the committed object is byte for byte what its sources compile to")
            }
            Self::Identical { drift } => write!(
                f,
                "ok: the committed object is byte for byte what its sources compile to, even with another toolchain ({})",
                drift.join("; ")
            ),
            Self::SameShape { drift } => write!(
                f,
                "ok: the toolchain differs ({}); the rebuilt object has the same programs, maps and globals as \
                 the committed one",
                drift.join("; ")
            ),
        }
    }
}

/// The object and its record, if both exist.
pub(super) fn both(object: Option<Vec<u8>>, record: Option<ObjectRecord>) -> Result<(Vec<u8>, ObjectRecord), Fault> {
    Ok((object.ok_or(Fault::Absent(OBJECT))?, record.ok_or(Fault::Absent(RECORD))?))
}

/// Fails unless the object has the recorded hash.
pub(super) fn unaltered(record: &ObjectRecord, object_sha256: &str) -> Result<(), Fault> {
    if record.object_sha256 == object_sha256 {
        Ok(())
    } else {
        Err(Fault::Altered { recorded: record.object_sha256.clone(), found: object_sha256.to_owned() })
    }
}

/// Fails unless the sources have the recorded hash.
pub(super) fn fresh(record: &ObjectRecord, source_sha256: &str) -> Result<(), Fault> {
    if record.source_sha256 == source_sha256 { Ok(()) } else { Err(Fault::Stale) }
}

/// The result of a rebuild. Other bytes are only acceptable if the toolchain differs (`drift`); another shape never is.
pub(super) fn judge(
    same_bytes: bool,
    drift: Vec<String>,
    differences: Vec<Difference>,
) -> Result<ObjectVerdict, Fault> {
    match (same_bytes, drift.is_empty(), differences.is_empty()) {
        (true, _, _) => Ok(ObjectVerdict::Identical { drift }),
        (false, true, _) => Err(Fault::OtherBytes(differences)),
        (false, false, true) => Ok(ObjectVerdict::SameShape { drift }),
        (false, false, false) => Err(Fault::OtherShape { differences, drift }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::record::tests::sample;

    fn drift() -> Vec<String> {
        vec!["cargo: 1.96 -> 1.97".to_owned()]
    }

    #[test]
    fn same_bytes_are_fine_by_any_toolchain() {
        for drift in [vec![], drift()] {
            let verdict = judge(true, drift, vec![]).expect("fine");
            assert!(!verdict.needs_tests(), "found {verdict:?}");
        }
    }

    #[test]
    fn other_bytes_by_the_same_toolchain_are_a_fault() {
        assert_eq!(judge(false, vec![], vec![]), Err(Fault::OtherBytes(vec![])));
    }

    #[test]
    fn other_bytes_by_another_toolchain_have_to_be_tested() {
        let verdict = judge(false, drift(), vec![]).expect("fine");
        assert!(verdict.needs_tests());
        assert!(verdict.to_string().contains("cargo: 1.96 -> 1.97"), "found `{verdict}`");
    }

    #[test]
    fn an_object_without_its_record_is_as_good_as_none() {
        assert_eq!(both(Some(vec![]), None), Err(Fault::Absent(RECORD)));
        assert_eq!(both(None, Some(sample())), Err(Fault::Absent(OBJECT)));
    }

    #[test]
    fn hashes_decide_before_anything_is_built() {
        assert_eq!(fresh(&sample(), "other"), Err(Fault::Stale));
        assert_eq!(fresh(&sample(), &sample().source_sha256), Ok(()));
        assert!(matches!(unaltered(&sample(), "other"), Err(Fault::Altered { .. })));
        assert_eq!(unaltered(&sample(), &sample().object_sha256), Ok(()));
    }

    #[test]
    fn every_fault_names_the_fix() {
        let faults = [
            Fault::Absent(OBJECT),
            Fault::Altered { recorded: "a".into(), found: "b".into() },
            Fault::Stale,
            Fault::OtherBytes(vec![]),
            Fault::OtherShape { differences: vec![], drift: drift() },
        ];
        for fault in faults {
            assert!(fault.to_string().contains("cargo xtask bpf"), "found `{fault}`");
        }
    }
}
