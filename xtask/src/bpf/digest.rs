//! SHA-256 by coreutils' `sha256sum`, which saves xtask a dependency and lets a developer repeat the hashes by hand.

use crate::process::{self, CommandError};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// SHA-256 of `content`, in lower-case hex.
pub(super) fn sha256(content: &[u8]) -> Result<String, CommandError> {
    let mut command = Command::new("sha256sum");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let start = |source| CommandError::Start { command: "sha256sum".to_owned(), source };
    let mut child = command.spawn().map_err(start)?;
    if let Some(mut stdin) = child.stdin.take() {
        // sha256sum reads all input before it writes, so this cannot block. Dropping `stdin` closes the pipe.
        stdin.write_all(content).map_err(start)?;
    }
    let output = child.wait_with_output().map_err(start)?;
    process::succeeded(&command, output.status, "")?;
    let text =
        String::from_utf8(output.stdout).map_err(|_| CommandError::NotText { command: process::describe(&command) })?;
    Ok(text.split_whitespace().next().unwrap_or_default().to_owned())
}

/// An object contains a path of this machine.
#[derive(Debug, thiserror::Error)]
#[error("the object contains {}, a path of this machine: it would differ in another checkout", .path.display())]
pub(super) struct LeakedPath {
    path: PathBuf,
}

/// Fails if one of the paths `private` occurs in `object`.
pub(super) fn without_paths<'a>(object: &[u8], private: impl IntoIterator<Item = &'a Path>) -> Result<(), LeakedPath> {
    let occurs = |path: &Path| {
        let needle = path.as_os_str().as_encoded_bytes();
        !needle.is_empty() && object.windows(needle.len()).any(|window| window == needle)
    };
    private.into_iter().find(|path| occurs(path)).map_or(Ok(()), |path| Err(LeakedPath { path: path.to_owned() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answer() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc").expect("sha256sum"), expected);
    }

    #[test]
    fn more_than_a_pipe_holds() {
        let found = sha256(&vec![0; 1 << 20]).expect("sha256sum");
        assert_eq!(found, "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58");
    }

    #[test]
    fn a_leaked_path_is_named() {
        let object = b"\x7fELF..\0/home/me/rstmon/rstmon-ebpf/src/main.rs\0";
        let error = without_paths(object, [Path::new("/work"), Path::new("/home/me/rstmon")]).expect_err("leak");
        assert!(error.to_string().contains("/home/me/rstmon"), "found `{error}`");
        assert!(without_paths(object, [Path::new("/work")]).is_ok());
    }
}
