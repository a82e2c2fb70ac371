//! Selects kernels to test on from the arguments of the command line. Pure.

use crate::vm::architecture::Architecture::{self, Amd64, Arm64};
use std::path::PathBuf;

/// The result that is required on a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// Every test passes or reports why it is not possible on this kernel.
    Work,
    /// rstmon refuses to run, with one clear message.
    Refuse,
    /// Either of them: an image given by path.
    Either,
}

/// A kernel of Debian's archive, as the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packaged {
    /// Its name on the command line.
    pub(super) name: &'static str,
    /// The Debian suite that has it.
    pub(super) suite: &'static str,
    pub(super) duty: Duty,
    pub(super) architecture: Architecture,
    /// Whether trampolines are allowed. Lockdown and real-time kernels have none; rstmon uses other hooks there.
    pub(super) trampolines: bool,
}

/// The matrix, oldest first: a kernel that is too old; the oldest that works, with all its hooks and with as few as
/// possible; the current stable release; the newest one.
const MATRIX: [Packaged; 5] = [
    packaged("5.10", "bullseye", Amd64, Duty::Refuse),
    packaged("6.1", "bookworm", Amd64, Duty::Work),
    Packaged { trampolines: false, ..packaged("6.1-bare", "bookworm", Amd64, Duty::Work) },
    packaged("6.12", "trixie", Amd64, Duty::Work),
    packaged(NEWEST, "sid", Amd64, Duty::Work),
];

/// Kernels that are tested only if they are named: for another architecture everything is compiled a second time.
const BY_NAME: [Packaged; 2] =
    [packaged("6.12-arm64", "trixie", Arm64, Duty::Work), packaged("newest-arm64", "sid", Arm64, Duty::Work)];

const NEWEST: &str = "newest";

const fn packaged(name: &'static str, suite: &'static str, architecture: Architecture, duty: Duty) -> Packaged {
    Packaged { name, suite, architecture, duty, trampolines: true }
}

fn known() -> impl Iterator<Item = Packaged> {
    MATRIX.into_iter().chain(BY_NAME)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One of Debian's; `version` is the version that it must have, if one was given.
    Packaged { kernel: Packaged, version: Option<String> },
    /// The path of an image on this machine.
    Image(PathBuf),
}

/// An argument that names no kernel.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no kernel: name a version ({}), or the path of a vmlinuz", names())]
pub(super) struct NoKernel {
    word: String,
}

fn names() -> String {
    known().map(|kernel| kernel.name).collect::<Vec<_>>().join(", ")
}

impl Wanted {
    /// The architecture of the guest. An image given by path is one for the host's architecture.
    pub(super) const fn architecture(&self) -> Architecture {
        match self {
            Self::Packaged { kernel, .. } => kernel.architecture,
            Self::Image(_) => Amd64,
        }
    }
}

/// The kernels that the arguments name; the whole matrix if there are none.
pub(super) fn select(words: &[String]) -> Result<Vec<Wanted>, NoKernel> {
    if words.is_empty() {
        return Ok(MATRIX.map(|kernel| Wanted::Packaged { kernel, version: None }).to_vec());
    }
    let mut wanted = Vec::new();
    for word in words {
        let one = one(word)?;
        if !wanted.contains(&one) {
            wanted.push(one);
        }
    }
    Ok(wanted)
}

fn one(word: &str) -> Result<Wanted, NoKernel> {
    if word.contains('/') {
        return Ok(Wanted::Image(word.into()));
    }
    if let Some(kernel) = known().find(|kernel| kernel.name == word) {
        return Ok(Wanted::Packaged { kernel, version: None });
    }
    let is_version = !word.is_empty() && word.split('.').all(|part| part.parse::<u32>().is_ok());
    let newest = MATRIX.into_iter().find(|kernel| kernel.name == NEWEST).filter(|_| is_version);
    // The archive decides which version is the newest.
    newest
        .map(|kernel| Wanted::Packaged { kernel, version: Some(word.to_owned()) })
        .ok_or_else(|| NoKernel { word: word.to_owned() })
}

/// Whether `release`, as printed by `uname -r`, is of `version`: 7.2.13-cloud is of 7.2, 7.21 is not.
pub(super) fn is_of(release: &str, version: &str) -> bool {
    release.strip_prefix(version).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Result<Vec<Wanted>, NoKernel> {
        select(&words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn all_of_them_unless_some_are_named() {
        assert_eq!(words(&[]).expect("valid").len(), MATRIX.len());
        let two = words(&["6.1", "newest", "6.1"]).expect("valid");
        let suites: Vec<&str> = two
            .iter()
            .map(|wanted| match wanted {
                Wanted::Packaged { kernel, version: None } => kernel.suite,
                other => panic!("expected a packaged kernel, found {other:?}"),
            })
            .collect();
        assert_eq!(suites, ["bookworm", "sid"]);
    }

    #[test]
    fn another_architecture_is_tested_by_name_only() {
        let all = words(&[]).expect("valid");
        assert!(all.iter().all(|wanted| wanted.architecture() == Amd64), "found {all:?}");
        let named = words(&["6.12", "6.12-arm64"]).expect("valid");
        assert_eq!(named.iter().map(Wanted::architecture).collect::<Vec<_>>(), [Amd64, Arm64]);
    }

    #[test]
    fn a_path_is_an_image() {
        assert_eq!(words(&["./vmlinuz"]), Ok(vec![Wanted::Image("./vmlinuz".into())]));
    }

    #[test]
    fn another_version_is_asked_of_the_newest() {
        let found = words(&["7.2"]).expect("valid");
        assert!(matches!(&found[..], [Wanted::Packaged { kernel, version: Some(version) }]
            if kernel.name == NEWEST && version == "7.2"));
    }

    #[test]
    fn an_unknown_kernel_is_refused_with_the_known_ones() {
        for word in ["", "bookworm", "6.x", "-"] {
            let error = words(&[word]).expect_err("no kernel").to_string();
            assert!(error.contains("5.10, 6.1, 6.1-bare, 6.12, newest, 6.12-arm64"), "found `{error}`");
        }
    }

    #[test]
    fn a_version_is_not_the_beginning_of_another() {
        assert!(is_of("7.2.13-cloud-amd64", "7.2") && is_of("7.2-rc1", "7.2") && is_of("7.2", "7.2"));
        assert!(!is_of("7.21.1", "7.2") && !is_of("6.12", "7.2"));
    }
}
