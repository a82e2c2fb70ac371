//! What can be wrong with a web configuration. Every message is one line and names the key.

use crate::model::text::safe;
use rustls::server::VerifierBuilderError;
use rustls_pki_types::pem;
use std::{io, path::PathBuf};

/// A web configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("web configuration {}: {source}", path.display())]
pub(crate) struct WebConfigError {
    /// The file.
    pub(crate) path: PathBuf,
    /// What is wrong with it.
    pub(crate) source: ConfigError,
}

/// What is wrong with a web configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file itself cannot be read.
    #[error("cannot read it: {source}")]
    Read {
        /// From open(2) or read(2).
        source: io::Error,
    },
    /// Not YAML, an unknown key or a value of the wrong type; the message ends with line and column.
    #[error("{}", safe(&with_position(source)))]
    Yaml {
        /// What the parser says.
        source: serde_yaml_ng::Error,
    },
    /// TLS is asked for without this.
    #[error("tls_server_config needs {key} (or {inline}, with the PEM text itself)")]
    Missing {
        /// The key for a file name.
        key: &'static str,
        /// The key for the text itself.
        inline: &'static str,
    },
    /// Two keys for the same thing.
    #[error("tls_server_config has both {key} and {inline}; keep one")]
    Both {
        /// The key for a file name.
        key: &'static str,
        /// The key for the text itself.
        inline: &'static str,
    },
    /// A value that the format knows, or not even that, and rstmon does not support.
    #[error("tls_server_config.{key}: {value:?} is not supported; {hint}")]
    Unsupported {
        /// The key below `tls_server_config`.
        key: &'static str,
        /// Its value, or the part of it in question.
        value: String,
        /// What to write instead.
        hint: String,
    },
    /// Keys that contradict one another.
    #[error("tls_server_config: {conflict}")]
    Conflict {
        /// Which, and the way out.
        conflict: &'static str,
    },
    /// A file that the configuration points to cannot be read.
    #[error("tls_server_config.{key}: cannot read {}: {source}", safe(&path.to_string_lossy()))]
    ReadFile {
        /// The key below `tls_server_config`.
        key: &'static str,
        /// The file, relative names resolved.
        path: PathBuf,
        /// From open(2) or read(2).
        source: io::Error,
    },
    /// Not the PEM text that belongs there.
    #[error("tls_server_config.{key}: {source}; expected {expected} in PEM")]
    Pem {
        /// The key below `tls_server_config`.
        key: &'static str,
        /// What should be there.
        expected: &'static str,
        /// What the parser says.
        source: pem::Error,
    },
    /// rustls refuses certificate or key, or both together.
    #[error("tls_server_config.{key}: {source}")]
    Rustls {
        /// The key below `tls_server_config`.
        key: &'static str,
        /// Why.
        source: rustls::Error,
    },
    /// The client certificate authorities cannot be used.
    #[error("tls_server_config.client_ca_file: {source}")]
    ClientAuthorities {
        /// Why.
        source: VerifierBuilderError,
    },
    /// Not a bcrypt hash.
    #[error(
        "basic_auth_users.{}: not a bcrypt hash ({source}); make one with `htpasswd -nBC 10 \"\" | tr -d ':\\n'`",
        safe(user)
    )]
    Hash {
        /// Whose.
        user: String,
        /// What bcrypt says.
        source: bcrypt::BcryptError,
    },
    /// A hash that takes longer to check than a scrape may last.
    #[error(
        "basic_auth_users.{}: bcrypt cost {cost} takes too long to check; make a hash of cost 10 to 14",
        safe(user)
    )]
    HashCost {
        /// Whose.
        user: String,
        /// Its cost.
        cost: u32,
    },
    /// A header that must not be configured.
    #[error("http_server_config.headers: {name:?} cannot be configured, only {known}")]
    HeaderName {
        /// As given.
        name: String,
        /// The ones that can.
        known: String,
    },
    /// A value that the header does not have.
    #[error("http_server_config.headers.{name}: {value:?} is not allowed; expected {}", if allowed.is_empty() { "printable text" } else { allowed })]
    HeaderValue {
        /// The header.
        name: String,
        /// As given.
        value: String,
        /// The values it has; empty for free text.
        allowed: String,
    },
    /// Not a duration.
    #[error("{key}: {value:?} is no duration; write it like 1s, 500ms or 1m30s")]
    Duration {
        /// The key, from the top.
        key: &'static str,
        /// As given.
        value: String,
    },
}

/// The parser leaves out the position when it is the very beginning.
fn with_position(error: &serde_yaml_ng::Error) -> String {
    let message = error.to_string();
    match error.location() {
        Some(start) if start.index() == 0 => format!("{message} at line {} column {}", start.line(), start.column()),
        _ => message,
    }
}
