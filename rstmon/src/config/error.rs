//! What is wrong with a configuration.

use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration {}: {source}; check --config", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}:{line}: {message} (in `{content}`); packaging/rstmon.toml has every key", path.display())]
    Parse {
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// Beginning of that line, at most 80 characters.
        content: String,
        message: String,
    },
    /// A value is out of range.
    #[error("{key} is {value}: {rule}")]
    Value {
        /// Section and key, as in `log.level`.
        key: &'static str,
        value: String,
        rule: &'static str,
    },
    /// An element of the list `[[expect]]` cannot be used.
    #[error("[[expect]] number {number}: {reason}")]
    Expectation {
        /// Its place in the file, from 1.
        number: usize,
        reason: String,
    },
    /// Parsing a value failed with an error of its own.
    #[error("{key}: {reason}")]
    Invalid {
        /// Section and key, as in `metrics.labels`.
        key: &'static str,
        reason: String,
    },
}
