//! Paths of this checkout, and file access with errors that name the file.

use crate::process;
use anyhow::Context as _;
use serde::Deserialize;
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

#[derive(Debug)]
pub(crate) struct Workspace {
    /// The directory of the workspace's Cargo.toml.
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
}

#[derive(Deserialize)]
struct WorkspaceMetadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

impl Workspace {
    pub(crate) fn discover() -> anyhow::Result<Self> {
        let mut command = Command::new(cargo());
        command.args(["metadata", "--no-deps", "--offline", "--format-version=1"]);
        // Set by `cargo run`. A path fixed at compile time would be that of the checkout in which xtask was last built.
        if let Some(package) = env::var_os("CARGO_MANIFEST_DIR") {
            command.current_dir(package);
        }
        let json = process::output(&mut command)?;
        let metadata: WorkspaceMetadata =
            serde_json::from_str(&json).context("cannot read the output of cargo metadata")?;
        Ok(Self { root: metadata.workspace_root, target: metadata.target_directory })
    }

    /// The cargo that runs this task, with this checkout as its working directory.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(cargo());
        command.current_dir(&self.root);
        command
    }

    /// Where `cargo build --release -p rstmon` puts the program.
    pub(crate) fn release_binary(&self) -> PathBuf {
        self.target.join("release/rstmon")
    }
}

fn cargo() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// A file or directory that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", .path.display())]
pub(crate) struct FileError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl FileError {
    /// For `map_err`: names the action and the path that failed.
    pub(crate) fn on(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }

    /// Whether the file does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// [`fs::read`] with an error that names the file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(FileError::on("read", path))
}

/// [`fs::read_to_string`] with an error that names the file.
pub(crate) fn read_text(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(FileError::on("read", path))
}

/// [`fs::write`] with an error that names the file; creates the parent directory.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<(), FileError> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(FileError::on("create", dir))?;
    }
    fs::write(path, content).map_err(FileError::on("write", path))
}

/// Removes a directory with its contents, if it exists.
pub(crate) fn remove_dir(path: &Path) -> Result<(), FileError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::on("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Creates a directory, or removes its contents.
pub(crate) fn empty_dir(path: &Path) -> Result<(), FileError> {
    remove_dir(path)?;
    fs::create_dir_all(path).map_err(FileError::on("create", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_checkout_is_found() {
        let workspace = Workspace::discover().expect("cargo metadata");
        assert!(workspace.root.join("xtask/src/workspace.rs").is_file(), "found {workspace:?}");
    }

    #[test]
    fn an_error_names_the_file_and_distinguishes_absence() {
        let error = read(Path::new("/nonexistent/file")).expect_err("absent");
        assert!(error.is_not_found());
        assert_eq!(error.to_string(), "cannot read /nonexistent/file");
    }
}
