//! Where the events of a command come from, for messages and reports.

use serde::{Serialize, Serializer};
use std::{
    fmt,
    path::{Path, PathBuf},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The daemon that listens on this socket.
    Daemon(PathBuf),
    /// A probe in this process.
    Local,
    /// The recordings in these files and directories.
    Recording(RecordingNames),
}

/// Recordings as the command line names them; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RecordingNames(pub(crate) Vec<PathBuf>);

impl RecordingNames {
    /// The name of the first file, without its directory, and how many more there are.
    #[must_use]
    pub(crate) fn short(&self) -> String {
        let first = self.0.first().and_then(|path| path.file_name()).unwrap_or_default().to_string_lossy();
        match self.0.len() {
            0 | 1 => first.into_owned(),
            count => format!("{first} and {} more", count - 1),
        }
    }
}

impl fmt::Display for RecordingNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] if one == Path::new("-") => f.write_str("on standard input"),
            [one] => write!(f, "{}", one.display()),
            [first, more @ ..] => write!(f, "{} and {} more", first.display(), more.len()),
            [] => Ok(()),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Daemon(path) => write!(f, "the daemon at {}", path.display()),
            Self::Local => f.write_str("a probe in this process"),
            Self::Recording(names) if names.0.len() == 1 => write!(f, "the recording {names}"),
            Self::Recording(names) => write!(f, "the recordings {names}"),
        }
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Origin, RecordingNames};

    #[test]
    fn recordings_are_named_and_counted() {
        let named =
            |paths: &[&str]| Origin::Recording(RecordingNames(paths.iter().map(Into::into).collect())).to_string();
        assert_eq!(named(&["a.json"]), "the recording a.json");
        assert_eq!(named(&["-"]), "the recording on standard input");
        assert_eq!(named(&["a.json", "b.json", "c"]), "the recordings a.json and 2 more");
        let short = |paths: &[&str]| RecordingNames(paths.iter().map(Into::into).collect()).short();
        assert_eq!((short(&["/tmp/a.json"]), short(&["-"])), ("a.json".to_owned(), "-".to_owned()));
        assert_eq!(short(&["/tmp/a.json", "b", "c"]), "a.json and 2 more");
    }
}
