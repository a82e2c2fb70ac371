//! `--web.telemetry-path`: the path of the metrics, checked before it reaches the router, which panics on a bad route.

use crate::model::text::safe;
use std::{fmt, str::FromStr};

/// The health checks, whose paths cannot be the metrics'.
pub(super) const HEALTHY_PATH: &str = "/-/healthy";
pub(super) const READY_PATH: &str = "/-/ready";

/// The path of the metrics; `/` replaces the landing page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TelemetryPath(String);

/// Why a path cannot be the metrics'.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TelemetryPathError {
    #[error("{path:?} does not begin with a slash; try /{}", safe(path))]
    Relative { path: String },
    /// A character with a meaning in URLs or routes.
    #[error("{path:?} contains {character:?}; use letters, digits and . _ ~ - / only")]
    Character {
        path: String,
        /// The first character that is not allowed.
        character: char,
    },
    #[error("{path} is the path of a health check; choose another, such as {}", TelemetryPath::DEFAULT)]
    Taken { path: String },
}

impl TelemetryPath {
    /// The path that Prometheus scrapes by default.
    pub(crate) const DEFAULT: &str = "/metrics";

    /// Begins with a slash.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TelemetryPath {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl fmt::Display for TelemetryPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for TelemetryPath {
    type Err = TelemetryPathError;

    fn from_str(text: &str) -> Result<Self, TelemetryPathError> {
        let path = text.to_owned();
        if !path.starts_with('/') {
            return Err(TelemetryPathError::Relative { path });
        }
        let allowed = |character: char| character.is_ascii_alphanumeric() || "._~-/".contains(character);
        if let Some(character) = path.chars().find(|character| !allowed(*character)) {
            return Err(TelemetryPathError::Character { path, character });
        }
        if [HEALTHY_PATH, READY_PATH].contains(&text) {
            return Err(TelemetryPathError::Taken { path });
        }
        Ok(Self(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_plain_paths() {
        for path in ["/metrics", "/", "/a/b-c_d.e~f/1"] {
            assert_eq!(path.parse::<TelemetryPath>().expect(path).as_str(), path);
        }
    }

    #[test]
    fn refuses_characters_with_a_meaning_in_routes_and_urls() {
        for (path, message) in [
            ("metrics", "try /metrics"),
            ("\u{1b}[2J", "try /?[2J"),
            ("", "does not begin with a slash"),
            ("/{x}", "'{'"),
            ("/a?b", "'?'"),
            ("/a b", "' '"),
            ("/-/ready", "health check"),
        ] {
            let error = path.parse::<TelemetryPath>().expect_err(path).to_string();
            assert!(error.contains(message), "expected {message:?}, found {error:?}");
        }
    }
}
