//! `--web.config.file`: TLS, basic authentication, extra headers and a rate limit, in the file format that all
//! Prometheus exporters share (exporter-toolkit, docs/web-configuration.md).
//!
//! What the format knows and rustls does not offer is an error that names the key, never a silently weaker server.
//! `http2: true` is accepted and has no effect: the protocol is negotiated, and this server offers HTTP/1.1.

mod allowed_sans;
mod certificate;
mod duration;
mod error;
mod file;
mod reload;
mod tls;
mod watched;

use super::auth::{Users, UsersError, rate_limit::Rate};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use certificate::Validity;
use std::{
    fs::File as FsFile,
    io::{self, Read},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};
use tls::Clients;
use watched::Watched;

pub(crate) use error::{ConfigError, WebConfigError};
pub(crate) use reload::Refusal;

pub(super) use reload::Reloader;

/// A configuration is a page of text, a certificate chain a few: more is the wrong file.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The headers that may be configured, with the values that are allowed where those are few. The names in their usual
/// spelling, as the format has them.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// A valid web configuration, everything it points to included.
#[derive(Clone, Default)]
pub(super) struct WebConfig {
    /// Plain HTTP when absent.
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    /// Of the certificate, where there is TLS.
    validity: Option<Validity>,
    clients: Clients,
    /// Everybody may ask when empty.
    pub(super) users: Arc<Users>,
    /// Set on every answer.
    pub(super) headers: HeaderMap,
    pub(super) rate: Option<Rate>,
    /// What the configuration was made from, its own file first.
    files: Vec<Watched>,
}

/// A web configuration that loads.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// What it is made from, its own file first.
    pub(crate) files: Vec<PathBuf>,
    /// Why clients will not believe its certificate now, if they will not.
    pub(crate) out_of_date: Option<Refusal>,
}

/// Reads the file and everything it points to, and says what is wrong with it.
pub(crate) fn check(path: &Path) -> Result<Checked, WebConfigError> {
    let config = load(path)?;
    let files = config.files.iter().map(|file| file.path().to_owned()).collect();
    Ok(Checked { files, out_of_date: config.out_of_date() })
}

/// [`check`] of a text that is in no file; relative names are below `directory`. For the fuzzer.
#[doc(hidden)]
#[cfg(feature = "fuzzing")]
pub(crate) fn check_text(bytes: &[u8], directory: &Path) -> Result<(), ConfigError> {
    parse(bytes, directory).map(drop)
}

fn load(path: &Path) -> Result<WebConfig, WebConfigError> {
    let in_file = |source| WebConfigError { path: path.to_owned(), source };
    let own = Watched::new(path);
    let bytes = read(path).map_err(|source| in_file(ConfigError::Read { source }))?;
    let mut config = parse(&bytes, path.parent().unwrap_or(Path::new(""))).map_err(in_file)?;
    config.files.insert(0, own);
    Ok(config)
}

fn parse(bytes: &[u8], directory: &Path) -> Result<WebConfig, ConfigError> {
    let file::File { tls_server_config, http_server_config, basic_auth_users, rate_limit } = file::parse(bytes)?;
    let mut files = Vec::new();
    let tls = tls_server_config.map(|tls| tls::build(&tls, directory, &mut files)).transpose()?.flatten();
    Ok(WebConfig {
        validity: tls.as_ref().and_then(|tls| tls.validity),
        clients: tls.as_ref().map(|tls| tls.clients).unwrap_or_default(),
        tls: tls.map(|tls| tls.config),
        users: Arc::new(users(basic_auth_users.unwrap_or_default())?),
        headers: headers(http_server_config.unwrap_or_default())?,
        rate: rate_limit.map(rate).transpose()?.flatten(),
        files,
    })
}

fn users(file::BasicAuthUsers(users): file::BasicAuthUsers) -> Result<Users, ConfigError> {
    Users::new(users).map_err(|error| match error {
        UsersError::Hash { user, source } => ConfigError::Hash { user, source },
        UsersError::Cost { user, cost } => ConfigError::HashCost { user, cost },
    })
}

fn headers(http: file::HttpServerConfig) -> Result<HeaderMap, ConfigError> {
    let file::HttpServerConfig { http2: _, headers } = http;
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let Some((_, allowed)) = HEADERS.iter().find(|(known, _)| *known == name) else {
            return Err(ConfigError::HeaderName { name, known: HEADERS.map(|(known, _)| known).join(", ") });
        };
        // As the format's documentation has it; the toolkit itself refuses some of them.
        if value.is_empty() {
            continue;
        }
        let in_range = allowed.is_empty() || allowed.contains(&value.as_str());
        match (HeaderName::from_str(&name), HeaderValue::from_str(&value)) {
            (Ok(name), Ok(value)) if in_range => drop(map.insert(name, value)),
            _ => return Err(ConfigError::HeaderValue { name, value, allowed: allowed.join(", ") }),
        }
    }
    Ok(map)
}

fn rate(file::RateLimit { interval, burst }: file::RateLimit) -> Result<Option<Rate>, ConfigError> {
    let key = "rate_limit.interval";
    let interval = match interval {
        None => return Ok(None),
        Some(text) => duration::parse(&text).ok_or(ConfigError::Duration { key, value: text })?,
    };
    Ok((!interval.is_zero()).then_some(Rate { interval, burst: burst.unwrap_or(0) }))
}

/// The whole file, unless it is absurdly large.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    FsFile::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
