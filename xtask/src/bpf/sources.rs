//! The hash of everything in the repository that determines the object: the sources and manifests of the kernel half
//! and of the records it shares, its locked dependencies, and the flags.

use super::{compile, digest, lock};
use crate::workspace::{self, FileError};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const KERNEL_HALF: &str = "rstmon-ebpf";
const PACKAGES: [&str; 2] = [KERNEL_HALF, "rstmon-common"];

/// Hashes the sources of the checkout at `root`.
pub(super) fn hash(root: &Path) -> anyhow::Result<String> {
    let mut lines = Vec::new();
    for path in files(root)? {
        let content = workspace::read(&root.join(&path))?;
        lines.push(format!("file {} {}", path.display(), digest::sha256(&content)?));
    }
    let locked = lock::closure(&workspace::read_text(&root.join("Cargo.lock"))?, KERNEL_HALF);
    let inherited = inherited(&workspace::read_text(&root.join("Cargo.toml"))?, &locked);
    let flags = compile::FLAGS.map(str::to_owned);
    let profile = compile::PROFILE.map(|(name, value)| format!("{name}={value}"));
    lines.extend(locked.into_iter().chain(inherited).chain(flags).chain(profile));
    Ok(digest::sha256(lines.join("\n").as_bytes())?)
}

/// The files that determine the object, relative to `root` and sorted. Licences, notes and editors' backups are left
/// out.
fn files(root: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut found = Vec::new();
    let mut pending: Vec<PathBuf> = PACKAGES.map(PathBuf::from).to_vec();
    while let Some(dir) = pending.pop() {
        let path = root.join(&dir);
        for entry in fs::read_dir(&path).map_err(FileError::on("list", &path))? {
            let entry = entry.map_err(FileError::on("list", &path))?;
            let relative = dir.join(entry.file_name());
            if entry.file_type().map_err(FileError::on("look at", &path))?.is_dir() {
                pending.push(relative);
            } else if matters(&relative) {
                found.push(relative);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn matters(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs") || path.file_name().is_some_and(|f| f == "Cargo.toml")
}

/// The lines of the workspace's manifest that the two packages inherit and that affect code: the edition, and the
/// requirements (with features) on their locked dependencies.
fn inherited(manifest: &str, locked: &BTreeSet<String>) -> Vec<String> {
    let names: BTreeSet<&str> = locked.iter().filter_map(|line| line.split(' ').next()).collect();
    let key = |line: &str| line.split_once(" = ").map(|(key, _)| key.to_owned());
    manifest
        .lines()
        .filter(|line| key(line).is_some_and(|key| key == "edition" || names.contains(key.as_str())))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[workspace.package]\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace.dependencies]\n\
                            tokio = \"1\"\nzerocopy = { version = \"0.8\", features = [\"derive\"] }\n";

    fn checkout() -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("temporary directory");
        for (path, content) in [
            ("Cargo.toml", MANIFEST),
            ("Cargo.lock", "[[package]]\nname = \"rstmon-ebpf\"\nversion = \"0.1.0\"\n"),
            ("rstmon-ebpf/Cargo.toml", "[package]\n"),
            ("rstmon-ebpf/src/main.rs", "// kernel\n"),
            ("rstmon-common/src/lib.rs", "// common\n"),
        ] {
            workspace::write(&dir.path().join(path), content).expect("write");
        }
        dir
    }

    /// Whether the hash changes when `path` gets `content`.
    fn notices(path: &str, content: &str) -> bool {
        let dir = checkout();
        let before = hash(dir.path()).expect("hash");
        workspace::write(&dir.path().join(path), content).expect("write");
        hash(dir.path()).expect("hash") != before
    }

    #[test]
    fn a_change_to_what_is_compiled_is_noticed() {
        assert!(notices("rstmon-ebpf/src/main.rs", "// changed\n"));
        assert!(notices("rstmon-ebpf/src/deep/new.rs", ""));
        assert!(notices("rstmon-common/Cargo.toml", "[package]\n"));
        assert!(notices("Cargo.toml", &MANIFEST.replace("2024", "2027")));
    }

    #[test]
    fn a_change_to_anything_else_is_not() {
        assert!(!notices("rstmon-ebpf/LICENSE-GPL2", "text"));
        assert!(!notices("rstmon-ebpf/src/main.rs~", "text"));
        assert!(!notices("rstmon/src/main.rs", "fn main() {}"));
        assert!(!notices("Cargo.toml", &MANIFEST.replace("0.1.0", "0.2.0").replace("tokio = \"1\"", "tokio = \"2\"")));
    }

    #[test]
    fn features_of_locked_crates_are_inherited() {
        let locked = BTreeSet::from(["zerocopy 0.8.63 dd".to_owned()]);
        let expected = ["edition = \"2024\"", "zerocopy = { version = \"0.8\", features = [\"derive\"] }"];
        assert_eq!(inherited(MANIFEST, &locked), expected);
    }
}
