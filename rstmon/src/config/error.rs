//! What is wrong with a configuration.

use std::{io, path::PathBuf};

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {source}; check --config", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file does not parse.
    #[error("{}:{line}: {message} (in `{content}`); packaging/rstmon.toml has every key", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// That line.
        content: String,
        /// What is wrong there.
        message: String,
    },
    /// A value is out of range.
    #[error("{key} is {value}: {rule}")]
    Value {
        /// Which key, as in the file.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it has to be.
        rule: &'static str,
    },
    /// A value has an error of its own.
    #[error("{key}: {reason}")]
    Invalid {
        /// Which key, as in the file.
        key: &'static str,
        /// Why.
        reason: String,
    },
}
