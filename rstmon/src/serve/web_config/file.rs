//! The web configuration as it is written: its keys and their types. The values are checked when it is loaded.

use super::error::WebConfigProblem;
use serde::{
    Deserialize,
    de::{Deserializer, Error, MapAccess, Visitor},
};
use std::{collections::BTreeMap, fmt};

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

/// User names and their hashes. A name that comes twice is an error: serde would silently keep only the last hash.
#[derive(Default)]
pub(super) struct BasicAuthUsers(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for BasicAuthUsers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UsersVisitor;
        impl<'de> Visitor<'de> for UsersVisitor {
            type Value = BasicAuthUsers;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("user names with bcrypt hashes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<BasicAuthUsers, A::Error> {
                let mut users = BTreeMap::new();
                while let Some((name, hash)) = entries.next_entry::<String, String>()? {
                    if users.contains_key(&name) {
                        return Err(A::Error::custom(format_args!("user {name:?} comes twice")));
                    }
                    users.insert(name, hash);
                }
                Ok(BasicAuthUsers(users))
            }
        }
        deserializer.deserialize_map(UsersVisitor)
    }
}

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

/// An empty file is a valid configuration: plain HTTP without authentication.
pub(super) fn parse(bytes: &[u8]) -> Result<WebConfigFile, WebConfigProblem> {
    let file: Option<WebConfigFile> =
        serde_yaml_ng::from_slice(bytes).map_err(|source| WebConfigProblem::Yaml { source })?;
    Ok(file.unwrap_or_default())
}
