//! Which kernels to test on: words of the command line -> kernels. Pure.

use crate::vm::architecture::Architecture::{self, Amd64, Arm64};
use std::path::PathBuf;

/// What must come out on a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// Every test passes, or says why it is not possible there.
    Work,
    /// rstmon refuses to run, in one clear sentence.
    Refuse,
    /// Either: somebody's own kernel.
    Either,
}

/// A kernel of Debian's archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packaged {
    /// The word for it.
    pub(super) name: &'static str,
    /// The suite that has it.
    pub(super) suite: &'static str,
    /// What must come out.
    pub(super) duty: Duty,
    /// Its architecture.
    pub(super) architecture: Architecture,
    /// Whether trampolines are allowed. Lockdown and real-time kernels have none, and other hooks stand in.
    pub(super) trampolines: bool,
}

/// The matrix, oldest first: what is too old; the oldest that works, with all its hooks and with as few as possible; the
/// present stable release; what is coming.
const MATRIX: [Packaged; 5] = [
    packaged("5.10", "bullseye", Amd64, Duty::Refuse),
    packaged("6.1", "bookworm", Amd64, Duty::Work),
    Packaged { trampolines: false, ..packaged("6.1-bare", "bookworm", Amd64, Duty::Work) },
    packaged("6.12", "trixie", Amd64, Duty::Work),
    packaged(NEWEST, "sid", Amd64, Duty::Work),
];

/// What is tested only when it is named: another architecture needs everything compiled a second time.
const BY_NAME: [Packaged; 2] =
    [packaged("6.12-arm64", "trixie", Arm64, Duty::Work), packaged("newest-arm64", "sid", Arm64, Duty::Work)];

const NEWEST: &str = "newest";

const fn packaged(name: &'static str, suite: &'static str, architecture: Architecture, duty: Duty) -> Packaged {
    Packaged { name, suite, architecture, duty, trampolines: true }
}

fn known() -> impl Iterator<Item = Packaged> {
    MATRIX.into_iter().chain(BY_NAME)
}

/// A kernel to be tested on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// One of Debian's, which has to be of this version if one was asked for.
    Packaged { kernel: Packaged, version: Option<String> },
    /// An image somewhere on this machine.
    Image(PathBuf),
}

/// A word that names no kernel.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no kernel: name a version ({}), or the path of a vmlinuz", names())]
pub(super) struct NoKernel {
    word: String,
}

fn names() -> String {
    known().map(|kernel| kernel.name).collect::<Vec<_>>().join(", ")
}

impl Wanted {
    /// The architecture of its machine. Somebody's own image is one for this machine's.
    pub(super) const fn architecture(&self) -> Architecture {
        match self {
            Self::Packaged { kernel, .. } => kernel.architecture,
            Self::Image(_) => Amd64,
        }
    }
}

/// What the words ask for: the matrix if there are none.
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
    // The archive decides which version its newest is.
    newest
        .map(|kernel| Wanted::Packaged { kernel, version: Some(word.to_owned()) })
        .ok_or_else(|| NoKernel { word: word.to_owned() })
}

/// Whether `release`, as `uname -r` says it, is of `version`: 7.2 is 7.2.13-cloud, and not 7.21.
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
    fn a_path_is_an_image_of_ones_own() {
        assert_eq!(words(&["./vmlinuz"]), Ok(vec![Wanted::Image("./vmlinuz".into())]));
    }

    #[test]
    fn another_version_is_asked_of_the_newest() {
        let found = words(&["7.2"]).expect("valid");
        assert!(matches!(&found[..], [Wanted::Packaged { kernel, version: Some(version) }]
            if kernel.name == NEWEST && version == "7.2"));
    }

    #[test]
    fn what_is_no_kernel_is_told_what_is() {
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
