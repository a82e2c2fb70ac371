//! `--web.config.file`: TLS, basic authentication, extra headers and a rate limit, in the file format that all
//! Prometheus exporters share (exporter-toolkit, docs/web-configuration.md).
//!
//! Contract: whatever the format has and rustls lacks is an error that names the key, never a silently weaker server.
//! `http2: true` is accepted and has no effect: the protocol is negotiated, and this server offers HTTP/1.1.
//!
//! ```text
//! bytes -> file (keys and types) -> load (WebConfig: values checked, TLS built) -> reload (kept current)
//! ```

mod allowed_sans;
mod certificate;
mod duration;
mod error;
mod file;
mod load;
mod pem_text;
mod reload;
#[cfg(test)]
mod tests;
mod tls;
mod watched_file;

#[cfg(feature = "fuzzing")]
pub(crate) use error::WebConfigProblem;
pub(crate) use error::{Refusal, WebConfigError};
pub(crate) use load::check;
#[cfg(feature = "fuzzing")]
pub(crate) use load::check_text;

pub(super) use load::WebConfig;
pub(super) use reload::{Reloader, Successor};
