//! The fuzz targets, and the paths of their files.

use crate::{
    process, toolchain,
    workspace::{FileError, Workspace},
};
use anyhow::{Context as _, bail};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The directories of the package `fuzz`, and those of its build.
#[derive(Clone, Debug)]
pub(super) struct FuzzPaths {
    /// `fuzz/` in this checkout.
    pub(super) package: PathBuf,
    /// Cargo's target directory for it: with the flags for fuzzing, a shared one would be rebuilt each time.
    pub(super) target: PathBuf,
    /// The host's target triple, which cargo-fuzz builds for.
    pub(super) host: String,
}

impl FuzzPaths {
    pub(super) fn new(workspace: &Workspace) -> anyhow::Result<Self> {
        let verbose = process::output(workspace.cargo().arg("-vV"))?;
        let host = toolchain::field(&verbose, "host").context("`cargo -vV` does not name its host")?;
        let package = workspace.root.join("fuzz");
        Ok(Self { package, target: workspace.target.join("fuzz"), host: host.to_owned() })
    }

    /// The names of all targets, sorted.
    pub(super) fn targets(&self) -> Result<Vec<String>, FileError> {
        let mut names = Vec::new();
        for path in files(&self.package.join("fuzz_targets"))? {
            names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The wanted targets, or all of them if none is named.
    pub(super) fn choose(&self, wanted: &[String]) -> anyhow::Result<Vec<String>> {
        let known = self.targets()?;
        if let Some(unknown) = wanted.iter().find(|name| !known.contains(name)) {
            bail!("unknown target {unknown:?}; the targets are {}", known.join(", "));
        }
        Ok(if wanted.is_empty() { known } else { wanted.to_vec() })
    }

    /// The instrumented program of a target.
    pub(super) fn program(&self, target: &str) -> PathBuf {
        self.target.join(&self.host).join("release").join(target)
    }

    /// Inputs written by hand, with descriptive names.
    pub(super) fn seeds(&self, target: &str) -> PathBuf {
        self.package.join("seeds").join(target)
    }

    /// Inputs found by fuzzing, in the repository.
    pub(super) fn corpus(&self, target: &str) -> PathBuf {
        self.package.join("corpus").join(target)
    }

    /// Inputs found by fuzzing on this machine.
    pub(super) fn found(&self, target: &str) -> PathBuf {
        self.target.join("found").join(target)
    }

    /// Inputs that caused a crash.
    pub(super) fn artifacts(&self, target: &str) -> PathBuf {
        self.package.join("artifacts").join(target)
    }

    /// The target's dictionary of tokens, if it has one.
    pub(super) fn dictionary(&self, target: &str) -> Option<PathBuf> {
        let path = self.package.join("dictionaries").join(format!("{target}.dict"));
        path.is_file().then_some(path)
    }

    /// The log of libFuzzer's output.
    pub(super) fn log(&self, target: &str) -> PathBuf {
        self.target.join("logs").join(format!("{target}.log"))
    }
}

/// The files in a directory, including links to files.
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

/// Creates a directory and its parents.
pub(super) fn make(directory: &Path) -> Result<(), FileError> {
    fs::create_dir_all(directory).map_err(FileError::on("create", directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> FuzzPaths {
        let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        FuzzPaths { package, target: "/t/fuzz".into(), host: "x86_64-unknown-linux-gnu".into() }
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
    fn an_unknown_target_is_refused_with_the_known_ones() {
        let error = places().choose(&["btff".to_owned()]).expect_err("no such target").to_string();
        assert!(error.contains("\"btff\"") && error.contains("btf, config"), "found {error:?}");
    }

    #[test]
    fn programs_are_where_cargo_fuzz_puts_them() {
        assert_eq!(places().program("btf"), Path::new("/t/fuzz/x86_64-unknown-linux-gnu/release/btf"));
    }
}
