//! `packaging/rstmon.toml` and `docs/configuration.md` have every key, and the former has the default values.

use crate::config::{Config, ConfigError};
use std::path::Path;

const REFERENCE: &str = include_str!("../../../../packaging/rstmon.toml");
const MANUAL: &str = include_str!("../../../../docs/configuration.md");

/// An unknown key: the error about it lists the known ones.
const NO_KEY: &str = "no_such_key";

/// Sections of which there may be several, or none: the reference has them as comments.
const LISTS: [&str; 1] = ["expect"];

#[test]
fn the_reference_says_the_defaults() {
    let parsed = Config::parse(REFERENCE, Path::new("rstmon.toml")).expect("the reference parses");
    assert_eq!(parsed, Config::default());
}

#[test]
fn the_reference_still_parses_with_the_unset_keys_set() {
    let every_key: String = REFERENCE
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest) || rest.starts_with("[[")).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    let parsed = Config::parse(&every_key, Path::new("rstmon.toml")).expect("the reference with every key set parses");
    assert!(parsed.web.config_file.is_some(), "expected web.config_file in {every_key}");
    assert!(parsed.socket.group.is_some(), "expected socket.group in {every_key}");
}

#[test]
fn every_key_is_in_the_reference_and_in_the_manual() {
    let sections = known(&format!("{NO_KEY} = 1"));
    assert!(sections.iter().any(|section| section == "web"), "found {sections:?}");
    for section in sections {
        let is_list = LISTS.contains(&section.as_str());
        let heading = if is_list { format!("[[{section}]]") } else { format!("[{section}]") };
        let written = if is_list { format!("\n# {heading}\n") } else { format!("\n{heading}\n") };
        let start = REFERENCE.find(&written).map(|at| at + written.len());
        let text = &REFERENCE[start.unwrap_or_else(|| panic!("{heading} is not in the reference"))..];
        let text = text.find("\n[").map_or(text, |end| &text[..end]);
        for key in known(&format!("{heading}\n{NO_KEY} = 1")) {
            let is_set = |line: &str| line.strip_prefix("# ").unwrap_or(line).starts_with(&format!("{key} = "));
            assert!(text.lines().any(is_set), "{section}.{key} is not in the reference");
            let name = format!("`{section}.{key}`");
            assert!(MANUAL.contains(&name), "{name} is not in docs/configuration.md");
        }
    }
}

/// Whether a line has the form `name = value`, unlike a sentence.
fn is_setting(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(name, _)| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
}

/// The keys that the error about an unknown one lists.
fn known(text: &str) -> Vec<String> {
    let Err(ConfigError::Parse { message, .. }) = Config::parse(text, Path::new("rstmon.toml")) else {
        panic!("{text:?} was accepted")
    };
    let quoted = message.split('`').skip(1).step_by(2);
    quoted.filter(|name| *name != NO_KEY).map(str::to_owned).collect()
}
