//! What can be wrong with a web configuration. Every message is one line and names the key.

use crate::model::text::safe;
use jiff::Timestamp;
use rustls::server::VerifierBuilderError;
use rustls_pki_types::pem;
use std::{io, path::PathBuf};

/// A web configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("web configuration {}: {source}", path.display())]
pub(crate) struct WebConfigError {
    pub(crate) path: PathBuf,
    pub(crate) source: WebConfigProblem,
}

/// What is wrong with a web configuration. A `key` is below `tls_server_config` where nothing else is said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebConfigProblem {
    #[error("cannot read it: {source}")]
    Read { source: io::Error },
    /// Not YAML, an unknown key or a value of the wrong type, with line and column.
    #[error("{}", safe(reason))]
    Yaml { reason: String },
    /// TLS is configured without its certificate or key. `key` takes a file name, `inline` the PEM text itself.
    #[error("tls_server_config needs {key} (or {inline}, with the PEM text itself)")]
    Missing { key: &'static str, inline: &'static str },
    /// Both `key`, which takes a file name, and `inline`, which takes the PEM text itself.
    #[error("tls_server_config has both {key} and {inline}; keep one")]
    Both { key: &'static str, inline: &'static str },
    /// A value that rstmon does not support, whether or not the format has it.
    #[error("tls_server_config.{key}: {value:?} is not supported; {hint}")]
    Unsupported {
        key: &'static str,
        /// The whole value, or the unsupported part of it.
        value: String,
        /// What to write instead.
        hint: String,
    },
    /// Keys that contradict one another; `conflict` names them and the way out.
    #[error("tls_server_config: {conflict}")]
    Conflict { conflict: &'static str },
    /// A file that the configuration names cannot be read. A relative `path` is resolved already.
    #[error("tls_server_config.{key}: cannot read {}: {source}", safe(&path.to_string_lossy()))]
    ReadFile { key: &'static str, path: PathBuf, source: io::Error },
    /// Not the PEM text that belongs there.
    #[error("tls_server_config.{key}: {source}; expected {expected} in PEM")]
    Pem { key: &'static str, expected: &'static str, source: pem::Error },
    /// rustls refuses the certificate or the key, or both together.
    #[error("tls_server_config.{key}: {source}")]
    Rustls { key: &'static str, source: rustls::Error },
    /// rustls refuses the certificate authorities for clients.
    #[error("tls_server_config.client_ca_file: {source}")]
    ClientAuthorities { source: VerifierBuilderError },
    #[error(
        "basic_auth_users.{}: not a bcrypt hash ({source}); make one with `htpasswd -nBC 10 \"\" | tr -d ':\\n'`",
        safe(user)
    )]
    Hash { user: String, source: bcrypt::BcryptError },
    /// A hash that takes longer to check than a scrape may last.
    #[error(
        "basic_auth_users.{}: bcrypt cost {cost} takes too long to check; make a hash of cost 10 to 14",
        safe(user)
    )]
    HashCost { user: String, cost: u32 },
    /// A header that is not among the configurable ones, which are `known`.
    #[error("http_server_config.headers: {name:?} cannot be configured, only {known}")]
    HeaderName { name: String, known: String },
    /// A value that is not among the header's; `allowed` is empty for a header of free text.
    #[error(
        "http_server_config.headers.{name}: {value:?} is not allowed; expected {}",
        if allowed.is_empty() { "printable text" } else { allowed }
    )]
    HeaderValue { name: String, value: String, allowed: String },
    /// `key` is the path from the top of the file.
    #[error("{key}: {value:?} is no duration; write it like 1s, 500ms or 1m30s")]
    Duration { key: &'static str, value: String },
}

impl WebConfigError {
    /// Whether another attempt may end otherwise although no file has changed: no descriptor or no memory was free.
    pub(super) fn is_transient(&self) -> bool {
        let (WebConfigProblem::Read { source } | WebConfigProblem::ReadFile { source, .. }) = &self.source else {
            return false;
        };
        !matches!(
            source.kind(),
            io::ErrorKind::NotFound
                | io::ErrorKind::PermissionDenied
                | io::ErrorKind::IsADirectory
                | io::ErrorKind::InvalidInput
                | io::ErrorKind::FileTooLarge
        )
    }
}

/// Why a changed configuration does not come into force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(transparent)]
    Invalid(#[from] WebConfigError),
    /// Clients would send passwords in the clear.
    #[error("it turns TLS off, which needs a restart")]
    NoTls,
    /// Any client would be let in.
    #[error("it turns authentication off, which needs a restart")]
    NoUsers,
    /// Clients would be let in that are refused now.
    #[error("it asks less of clients' certificates, which needs a restart")]
    LaxClients,
    #[error("its certificate expired on {not_after}")]
    Expired { not_after: Timestamp },
    #[error("its certificate is not valid before {not_before}")]
    NotYet { not_before: Timestamp },
}
