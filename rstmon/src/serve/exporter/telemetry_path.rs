//! `--web.telemetry-path`: where the metrics are, checked before any router sees it.

use crate::model::text::safe;
use std::{fmt, str::FromStr};

/// Paths that the server needs for itself.
pub(crate) const HEALTHY_PATH: &str = "/-/healthy";
pub(crate) const READY_PATH: &str = "/-/ready";

/// The path of the metrics; `/` replaces the landing page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TelemetryPath(String);

/// Why a path cannot carry the metrics.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TelemetryPathError {
    /// It does not begin with a slash.
    #[error("{path:?} does not begin with a slash; try /{}", safe(path))]
    Relative {
        /// As given.
        path: String,
    },
    /// It has a character with a meaning in URLs or routes.
    #[error("{path:?} contains {character:?}; use letters, digits and . _ ~ - / only")]
    Character {
        /// As given.
        path: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// It is the path of a health check.
    #[error("{path} is the path of a health check; choose another, such as {}", TelemetryPath::DEFAULT)]
    Taken {
        /// As given.
        path: String,
    },
}

impl TelemetryPath {
    /// Where Prometheus looks when it is told nothing else.
    pub(crate) const DEFAULT: &str = "/metrics";

    /// The path, beginning with a slash.
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
    fn refuses_what_a_router_or_a_url_would_take_apart() {
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
