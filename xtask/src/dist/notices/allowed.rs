//! deny.toml's list of licences, applied to the crates of the binary.

use super::graph::CratePackage;
use serde::Deserialize;
use spdx::{Expression, ParseMode};
use std::collections::BTreeMap;

/// The licences that deny.toml allows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    licences: Vec<String>,
    /// Further licences, each for one crate.
    exceptions: BTreeMap<String, Vec<String>>,
}

/// Crates whose licences are not allowed.
#[derive(Debug, thiserror::Error)]
#[error("deny.toml does not allow the licences of these crates:\n  {}", .0.join("\n  "))]
pub(super) struct Refused(Vec<String>);

#[derive(Deserialize)]
struct DenyConfig {
    licenses: Licences,
}

#[derive(Deserialize)]
struct Licences {
    allow: Vec<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: Vec<String>,
}

impl Allowed {
    /// Reads the `licenses` table of deny.toml.
    pub(super) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        let file: DenyConfig = toml::from_str(text)?;
        let exceptions = file.licenses.exceptions.into_iter().map(|exception| (exception.name, exception.allow));
        Ok(Self { licences: file.licenses.allow, exceptions: exceptions.collect() })
    }

    /// Fails if a licence of `packages` is not allowed.
    pub(super) fn check(&self, packages: &[CratePackage]) -> Result<(), Refused> {
        let refused: Vec<String> = packages
            .iter()
            .filter_map(|package| {
                let why = self.objection(&package.name, package.license.as_deref())?;
                Some(format!("{} {}: {why}", package.name, package.version))
            })
            .collect();
        if refused.is_empty() { Ok(()) } else { Err(Refused(refused)) }
    }

    fn objection(&self, name: &str, licence: Option<&str>) -> Option<String> {
        let Some(licence) = licence else { return Some("no licence".to_owned()) };
        // Lax: old crates write `MIT/Apache-2.0`.
        let expression = match Expression::parse_mode(licence, ParseMode::LAX) {
            Ok(expression) => expression,
            Err(error) => return Some(format!("`{licence}` is no SPDX expression: {}", error.reason)),
        };
        let none = Vec::new();
        let more = self.exceptions.get(name).unwrap_or(&none);
        let fine = expression.evaluate(|requirement| {
            let wanted = requirement.to_string();
            self.licences.iter().chain(more).any(|allowed| *allowed == wanted)
        });
        (!fine).then(|| format!("`{licence}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = "[licenses]\nallow = [\"MIT\", \"Apache-2.0\"]\n\
                        exceptions = [{ crate = \"kernel-half\", allow = [\"GPL-2.0-only\"] }]\n";

    fn verdict(name: &str, licence: Option<&str>) -> Option<String> {
        let packages = [CratePackage::sample(name, licence)];
        let allowed = Allowed::parse(DENY).expect("deny.toml");
        allowed.check(&packages).err().map(|error| error.to_string())
    }

    #[test]
    fn one_allowed_alternative_is_enough() {
        assert_eq!(verdict("a", Some("MIT OR GPL-3.0-only")), None);
        assert_eq!(verdict("a", Some("MIT/Apache-2.0")), None);
    }

    #[test]
    fn an_unknown_licence_stops_the_release_and_is_named() {
        for licence in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "Apache-2.0 WITH LLVM-exception", "my own"] {
            let error = verdict("odd", Some(licence)).expect(licence);
            assert!(error.contains("odd 1.0.0") && error.contains(licence), "found `{error}`");
        }
        assert!(verdict("odd", None).expect("refused").contains("no licence"));
    }

    #[test]
    fn an_exception_is_for_its_crate_only() {
        assert_eq!(verdict("kernel-half", Some("GPL-2.0-only")), None);
        assert!(verdict("another", Some("GPL-2.0-only")).is_some());
    }
}
