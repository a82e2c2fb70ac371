//! The configuration file, rstmon.toml.
//!
//! Holds: the same text gives the same configuration or the same error; the error about a text that does not parse
//! names a line of the text; every message is one harmless line; a valid configuration can be used; the time is linear
//! in the size.

use super::{cost::assert_linear, harmless::assert_harmless};
use crate::{
    config::{Config, ConfigError},
    serve::{ListenAddress, TelemetryPath},
};
use std::path::Path;

/// Parses and validates the text.
pub(crate) fn run(bytes: &[u8]) {
    // A file that is not UTF-8 is refused when it is read.
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let parse = || Config::parse(text, Path::new("rstmon.toml"));
    assert_linear(bytes, |bytes| {
        let parsed = std::str::from_utf8(bytes).ok().map(|text| Config::parse(text, Path::new("rstmon.toml")));
        drop(parsed.map(|parsed| parsed.map(|config| config.validate())));
    });
    let parsed = parse();
    // Compared as text: before validation a threshold may be NaN, which is not equal to itself.
    assert_eq!(format!("{parsed:?}"), format!("{:?}", parse()), "the same text gives another configuration");
    match parsed.and_then(|config| config.validate().map(|()| config)) {
        Ok(config) => use_it(&config),
        Err(error) => judge(&error, text),
    }
}

/// What the daemon does with a valid configuration before it opens anything.
fn use_it(config: &Config) {
    config.validate().expect("valid twice");
    config.labels().expect("valid labels");
    let options = config.probe_options();
    assert!(options.ring_bytes.is_power_of_two(), "{options:?}");
    for address in &config.web.listen_address {
        if let Err(error) = address.parse::<ListenAddress>() {
            assert_harmless("the error about an address", &error.to_string());
        }
    }
    if let Err(error) = config.web.telemetry_path.parse::<TelemetryPath>() {
        assert_harmless("the error about a path", &error.to_string());
    }
}

fn judge(error: &ConfigError, text: &str) {
    assert_harmless("the error", &error.to_string());
    match error {
        ConfigError::Parse { line, message, .. } => {
            let lines = text.split('\n').count();
            assert!((1..=lines).contains(line), "line {line} of {lines}: {message}");
        }
        ConfigError::Value { key, .. } | ConfigError::Invalid { key, .. } => {
            assert!(key.contains('.'), "{key:?} names no section");
        }
        ConfigError::Expectation { number, .. } => assert!(*number > 0, "{error}"),
        ConfigError::Read { .. } => panic!("nothing was read: {error}"),
    }
}
