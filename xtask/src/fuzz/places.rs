//! Which targets there are, and where everything of theirs is.

use crate::{
    process, toolchain,
    workspace::{FileError, Workspace},
};
use anyhow::{Context as _, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The directories of `fuzz/`, and those of its build.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// `fuzz/` in this checkout.
    pub(super) package: PathBuf,
    /// Cargo's target directory for it: its flags would rebuild everything else.
    pub(super) target: PathBuf,
    /// The host's target triple, which cargo-fuzz builds for.
    pub(super) host: String,
}

impl Places {
    /// Asks cargo for the host.
    pub(super) fn new(workspace: &Workspace) -> anyhow::Result<Self> {
        let verbose = process::output(workspace.cargo().arg("-vV"))?;
        let host = toolchain::field(&verbose, "host").context("`cargo -vV` does not name its host")?;
        let package = workspace.root.join("fuzz");
        Ok(Self { package, target: workspace.target.join("fuzz"), host: host.to_owned() })
    }

    /// Every target, by name.
    pub(super) fn targets(&self) -> Result<Vec<String>, FileError> {
        let mut names = Vec::new();
        for path in files(&self.package.join("fuzz_targets"))? {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The wanted targets, or all.
    pub(super) fn choose(&self, wanted: &[String]) -> anyhow::Result<Vec<String>> {
        let known = self.targets()?;
        if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
            bail!("there is no target {unknown:?}; the targets are {}", known.join(", "));
        }
        Ok(if wanted.is_empty() { known } else { wanted.to_vec() })
    }

    /// The instrumented program.
    pub(super) fn program(&self, target: &str) -> PathBuf {
        self.target.join(&self.host).join("release").join(target)
    }

    /// Inputs that somebody wrote, under names that say what they are.
    pub(super) fn seeds(&self, target: &str) -> PathBuf {
        self.package.join("seeds").join(target)
    }

    /// Inputs that fuzzing found, in the repository.
    pub(super) fn corpus(&self, target: &str) -> PathBuf {
        self.package.join("corpus").join(target)
    }

    /// Everything that fuzzing found on this machine.
    pub(super) fn found(&self, target: &str) -> PathBuf {
        self.target.join("found").join(target)
    }

    /// Inputs that crashed.
    pub(super) fn artifacts(&self, target: &str) -> PathBuf {
        self.package.join("artifacts").join(target)
    }

    /// Words of the target's language, if it has a dictionary.
    pub(super) fn dictionary(&self, target: &str) -> Option<PathBuf> {
        let path = self.package.join("dictionaries").join(format!("{target}.dict"));
        path.is_file().then_some(path)
    }

    /// Where libFuzzer's words go.
    pub(super) fn log(&self, target: &str) -> PathBuf {
        self.target.join("logs").join(format!("{target}.log"))
    }
}

/// The files in a directory, links to files included.
pub(super) fn files(directory: &Path) -> Result<Vec<PathBuf>, FileError> {
    let read = |source| FileError::on("read", directory)(source);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

/// Makes a directory, those above it included.
pub(super) fn make(directory: &Path) -> Result<(), FileError> {
    fs::create_dir_all(directory).map_err(FileError::on("create", directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        Places { package, target: "/t/fuzz".into(), host: "x86_64-unknown-linux-gnu".into() }
    }

    #[test]
    fn every_target_is_known_and_has_seeds() {
        let targets = places().choose(&[]).expect("fuzz/fuzz_targets");
        assert!(targets.contains(&"btf".to_owned()), "found {targets:?}");
        for target in targets {
            assert!(!files(&places().seeds(&target)).expect("a directory of seeds").is_empty(), "{target}");
        }
    }

    #[test]
    fn an_unknown_target_is_told_the_known_ones() {
        let error = places().choose(&["btff".to_owned()]).expect_err("no such target").to_string();
        assert!(error.contains("\"btff\"") && error.contains("btf, config"), "found {error:?}");
    }

    #[test]
    fn programs_are_where_cargo_fuzz_puts_them() {
        assert_eq!(places().program("btf"), Path::new("/t/fuzz/x86_64-unknown-linux-gnu/release/btf"));
    }
}
