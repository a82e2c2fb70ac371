//! From a web configuration's bytes to a [`WebConfig`] that can be served.

use super::{
    certificate::Validity,
    duration,
    error::{Refusal, WebConfigError, WebConfigProblem},
    file,
    tls::{self, ClientPolicy},
    watched_file::{WatchedFile, read},
};
use crate::serve::auth::{Users, UsersError, rate_limit::Rate};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::SystemTime,
};

/// The headers that may be configured, with the values that are allowed; an empty list allows any. The names are
/// spelled as in the format.
const HEADERS: [(&str, &[&str]); 5] = [
    ("Content-Security-Policy", &[]),
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
];

/// A valid web configuration, with the contents of the files that it names.
#[derive(Clone, Default)]
pub(in crate::serve) struct WebConfig {
    /// Absent for plain HTTP.
    pub(in crate::serve) tls: Option<Arc<rustls::ServerConfig>>,
    /// Of the server's certificate; absent without TLS.
    pub(super) validity: Option<Validity>,
    pub(super) client_policy: ClientPolicy,
    /// Empty for no authentication.
    pub(in crate::serve) users: Arc<Users>,
    /// Set on every answer.
    pub(in crate::serve) headers: HeaderMap,
    pub(in crate::serve) rate: Option<Rate>,
}

impl WebConfig {
    /// Why clients refuse the server's certificate at this time, if they do.
    pub(super) fn out_of_date(&self) -> Option<Refusal> {
        self.validity.and_then(|validity| validity.problem(SystemTime::now()))
    }
}

/// A web configuration that loads.
#[derive(Debug, Default)]
pub(crate) struct CheckedWebConfig {
    /// The files that it is made from, its own first.
    pub(crate) files: Vec<PathBuf>,
    /// Why clients refuse its certificate at this time, if they do.
    pub(crate) out_of_date: Option<Refusal>,
}

/// Loads the file and everything it names, and returns only the result of the checks.
pub(crate) fn check(path: &Path) -> Result<CheckedWebConfig, WebConfigError> {
    let ReadWebConfig { files, outcome } = load(path);
    let out_of_date = outcome?.out_of_date();
    Ok(CheckedWebConfig { files: files.iter().map(|file| file.path().to_owned()).collect(), out_of_date })
}

/// [`check`] for bytes instead of a file; relative names are below `directory`.
#[cfg(feature = "fuzzing")]
pub(crate) fn check_text(bytes: &[u8], directory: &Path) -> Result<(), WebConfigProblem> {
    parse(bytes, directory, &mut Vec::new()).map(drop)
}

/// The result of reading a configuration, and the files that it depends on. A change of one of them may change the
/// result, so they are known for an error as well.
pub(super) struct ReadWebConfig {
    /// The configuration's own file first.
    pub(super) files: Vec<WatchedFile>,
    pub(super) outcome: Result<WebConfig, WebConfigError>,
}

pub(super) fn load(path: &Path) -> ReadWebConfig {
    let mut files = vec![WatchedFile::new(path)];
    let outcome = read(path)
        .map_err(|source| WebConfigProblem::Read { source })
        .and_then(|bytes| parse(&bytes, path.parent().unwrap_or(Path::new("")), &mut files))
        .map_err(|source| WebConfigError { path: path.to_owned(), source });
    ReadWebConfig { files, outcome }
}

/// Adds the files that the configuration names to `files`, as far as it gets.
pub(super) fn parse(
    bytes: &[u8],
    directory: &Path,
    files: &mut Vec<WatchedFile>,
) -> Result<WebConfig, WebConfigProblem> {
    let file::WebConfigFile { tls_server_config, http_server_config, basic_auth_users, rate_limit } =
        file::parse(bytes)?;
    let tls = tls_server_config.map(|tls| tls::build(&tls, directory, files)).transpose()?.flatten();
    Ok(WebConfig {
        validity: tls.as_ref().and_then(|tls| tls.validity),
        client_policy: tls.as_ref().map(|tls| tls.client_policy).unwrap_or_default(),
        tls: tls.map(|tls| tls.config),
        users: Arc::new(users(basic_auth_users.unwrap_or_default())?),
        headers: headers(http_server_config.unwrap_or_default())?,
        rate: rate_limit.map(rate).transpose()?.flatten(),
    })
}

fn users(file::BasicAuthUsers(users): file::BasicAuthUsers) -> Result<Users, WebConfigProblem> {
    Users::new(users).map_err(|error| match error {
        UsersError::Hash { user, source } => WebConfigProblem::Hash { user, source },
        UsersError::Cost { user, cost } => WebConfigProblem::HashCost { user, cost },
    })
}

fn headers(http: file::HttpServerConfig) -> Result<HeaderMap, WebConfigProblem> {
    let file::HttpServerConfig { http2: _, headers } = http;
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let Some((_, allowed)) = HEADERS.iter().find(|(known, _)| *known == name) else {
            return Err(WebConfigProblem::HeaderName { name, known: HEADERS.map(|(known, _)| known).join(", ") });
        };
        // As the format's documentation says; exporter-toolkit itself refuses some empty values.
        if value.is_empty() {
            continue;
        }
        let in_range = allowed.is_empty() || allowed.contains(&value.as_str());
        match (HeaderName::from_str(&name), HeaderValue::from_str(&value)) {
            (Ok(name), Ok(value)) if in_range => drop(map.insert(name, value)),
            _ => return Err(WebConfigProblem::HeaderValue { name, value, allowed: allowed.join(", ") }),
        }
    }
    Ok(map)
}

fn rate(file::RateLimit { interval, burst }: file::RateLimit) -> Result<Option<Rate>, WebConfigProblem> {
    let key = "rate_limit.interval";
    let interval = match interval {
        None => return Ok(None),
        Some(text) => duration::parse(&text).ok_or(WebConfigProblem::Duration { key, value: text })?,
    };
    Ok((!interval.is_zero()).then_some(Rate { interval, burst: burst.unwrap_or(0) }))
}
