//! The web configuration as it is written: its keys and their types. The values are checked when it is loaded.

use super::error::WebConfigProblem;
use serde::{Deserialize, de::Deserializer};
use serde_saphyr::{Error as YamlError, budget::BudgetBreach, options::DuplicateKeyPolicy};
use std::{collections::BTreeMap, str::Utf8Error};

// The name is part of serde's message about a document of the wrong type.
#[derive(Default, Deserialize)]
#[serde(rename = "File", deny_unknown_fields, default)]
pub(super) struct WebConfigFile {
    pub(super) tls_server_config: Option<TlsServerConfig>,
    pub(super) http_server_config: Option<HttpServerConfig>,
    pub(super) basic_auth_users: Option<BasicAuthUsers>,
    pub(super) rate_limit: Option<RateLimit>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TlsServerConfig {
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
    pub(super) client_ca: Option<String>,
    pub(super) cert_file: Option<String>,
    pub(super) key_file: Option<String>,
    pub(super) client_ca_file: Option<String>,
    pub(super) client_auth_type: Option<String>,
    pub(super) client_allowed_sans: Option<Vec<String>>,
    pub(super) min_version: Option<String>,
    pub(super) max_version: Option<String>,
    pub(super) cipher_suites: Option<Vec<String>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
    pub(super) curve_preferences: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct HttpServerConfig {
    pub(super) http2: Option<bool>,
    pub(super) headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RateLimit {
    /// A duration, which YAML may take for a number (`0`).
    #[serde(default, deserialize_with = "scalar")]
    pub(super) interval: Option<String>,
    pub(super) burst: Option<u32>,
}

/// User names and their hashes.
#[derive(Default, Deserialize)]
pub(super) struct BasicAuthUsers(pub(super) BTreeMap<String, String>);

fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Scalar {
        Number(u64),
        Text(String),
    }
    Ok(Option::<Scalar>::deserialize(deserializer)?.map(|scalar| match scalar {
        Scalar::Number(number) => number.to_string(),
        Scalar::Text(text) => text,
    }))
}

/// How deep a configuration may be nested. The format needs three levels: section, key, list or mapping.
const MAX_DEPTH: usize = 16;

/// The keys of the format are shorter.
const MAX_SHOWN_KEY_BYTES: usize = 40;

/// An empty file is a valid configuration: plain HTTP without authentication.
///
/// The time is linear in the size: the parser stops at the first event that exceeds a limit, and an alias costs as much
/// as its anchor, whose use is limited as well.
pub(super) fn parse(bytes: &[u8]) -> Result<WebConfigFile, WebConfigProblem> {
    let text = std::str::from_utf8(bytes).map_err(|error| WebConfigProblem::Yaml { reason: not_text(error, bytes) })?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            max_documents: 1,
            max_aliases: 1000,
            max_anchors: 1000,
            max_recorded_anchor_events: 10_000,
            max_recorded_anchor_bytes: 1 << 20,
            max_total_scalar_bytes: 4 << 20,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 10_000, max_replay_stack_depth: 8 },
        // As in exporter-toolkit. A user that comes twice must not get the last hash silently.
        duplicate_keys: DuplicateKeyPolicy::Error,
        with_snippet: false,
    };
    let file: Option<WebConfigFile> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|source| WebConfigProblem::Yaml { reason: reason(&source, text) })?;
    Ok(file.unwrap_or_default())
}

fn not_text(error: Utf8Error, bytes: &[u8]) -> String {
    let line = bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
    format!("not UTF-8, line {line}")
}

/// The parser's message with the line and, if the line has one, the key, but nothing else of the file: it contains
/// password hashes, and may contain private keys.
fn reason(error: &YamlError, text: &str) -> String {
    let message = match error.without_snippet() {
        YamlError::DuplicateMappingKey { key, .. } => match key {
            Some(key) => format!("{key:?} comes twice"),
            None => "a key comes twice".to_owned(),
        },
        YamlError::Budget { breach: BudgetBreach::Documents { .. }, .. } => "more than one document".to_owned(),
        YamlError::Budget { breach: BudgetBreach::Depth { .. }, .. } => format!("nested deeper than {MAX_DEPTH}"),
        YamlError::Budget { .. } => "too many aliases, or too much text behind them".to_owned(),
        other => {
            let message = other.to_string();
            match message.rsplit_once(" at line ").map_or(message.as_str(), |(message, _)| message) {
                // The scanner, which runs ahead of the budget in lists within lists.
                "recursion limit exceeded" => format!("nested deeper than {MAX_DEPTH}"),
                message => message.to_owned(),
            }
        }
    };
    let Some(location) = error.location() else { return message };
    let line = usize::try_from(location.line()).ok().and_then(|line| text.split('\n').nth(line.checked_sub(1)?));
    let key = line.and_then(key).map_or_else(String::new, |key| format!(" ({key})"));
    format!("{message}, line {}, column {}{key}", location.line(), location.column())
}

/// The key that a line begins with.
fn key(line: &str) -> Option<&str> {
    let (key, _) = line.split_once(':')?;
    let key = key.trim();
    let is_key = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!key.is_empty() && key.len() <= MAX_SHOWN_KEY_BYTES && key.bytes().all(is_key)).then_some(key)
}
