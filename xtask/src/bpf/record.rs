//! The file beside the committed object: the hash of its sources, its own hash, and the tools.

use crate::{toolchain::Versions, workspace};
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use std::path::Path;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectRecord {
    /// Hash of the sources; see `sources`.
    pub(super) source_sha256: String,
    /// Hash of the object itself.
    pub(super) object_sha256: String,
    /// rustc's flags, for the reader; `source_sha256` covers them.
    pub(super) flags: Vec<String>,
    /// Versions of the tools that built it.
    pub(super) toolchain: Versions,
}

impl ObjectRecord {
    /// Reads the record at `path`; `None` if there is none.
    pub(super) fn read(path: &Path) -> anyhow::Result<Option<Self>> {
        let json = match workspace::read_text(path) {
            Err(error) if error.is_not_found() => return Ok(None),
            json => json?,
        };
        let fix = || format!("{} is damaged: run `cargo xtask bpf`", path.display());
        serde_json::from_str(&json).map(Some).with_context(fix)
    }

    /// Writes the record to `path`.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let mut json = serde_json::to_string_pretty(self)?;
        json.push('\n');
        Ok(workspace::write(path, json)?)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn sample() -> ObjectRecord {
        ObjectRecord {
            source_sha256: "5a".into(),
            object_sha256: "0b".into(),
            flags: vec!["-Cpanic=abort".into()],
            toolchain: Versions {
                rustc: vec!["rustc 1.96.0".into()],
                cargo: "cargo 1.96.0".into(),
                bpf_linker: "bpf-linker 0.13.0".into(),
                llvm: "LLVM version 22.1.8".into(),
            },
        }
    }

    #[test]
    fn comes_back_as_written() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("bpf/rstmon.bpf.json");
        assert_eq!(ObjectRecord::read(&path).expect("no file is no error"), None);
        sample().write(&path).expect("write");
        assert_eq!(ObjectRecord::read(&path).expect("read"), Some(sample()));
    }

    #[test]
    fn a_damaged_record_names_the_fix() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("rstmon.bpf.json");
        workspace::write(&path, "{}").expect("write");
        let error = ObjectRecord::read(&path).expect_err("damaged").to_string();
        assert!(error.contains("cargo xtask bpf"), "found `{error}`");
    }
}
