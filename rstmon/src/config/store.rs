//! The section `[store]` as the store's options.

use super::{Config, ConfigError, StoreSection};
use crate::{
    model::text::safe,
    sink::store::options::{DEFAULT_DIRECTORY, StoreOptions},
};
use jiff::{Span, SpanRelativeTo};
use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Environment variable: the directories that the service manager has made (`systemd.exec(5)`).
const STATE_DIRECTORY: &str = "STATE_DIRECTORY";
/// The smallest limit of bytes.
const LEAST_BYTES: u64 = 1 << 20;

impl Config {
    /// The directory of the store: the configured one, else that of the service manager, else the default.
    #[must_use]
    pub(crate) fn store_directory(&self, from_manager: Option<PathBuf>) -> PathBuf {
        self.store.directory.clone().or(from_manager).unwrap_or_else(|| DEFAULT_DIRECTORY.into())
    }

    /// The options of the store. `from_manager` is the directory that the service manager has made for the daemon.
    pub(crate) fn store_options(&self, from_manager: Option<PathBuf>) -> Result<StoreOptions, ConfigError> {
        let StoreSection {
            enabled: _,
            directory,
            max_bytes,
            counts_max_bytes,
            max_age,
            min_free,
            sync_interval,
            remotes,
        } = &self.store;
        if directory.as_deref().is_some_and(Path::is_relative) {
            let value = safe(&directory.clone().unwrap_or_default().display().to_string());
            return Err(ConfigError::Value { key: "store.directory", value, rule: "it must be an absolute path" });
        }
        for (key, bytes) in [("store.max_bytes", *max_bytes), ("store.counts_max_bytes", *counts_max_bytes)] {
            if bytes < LEAST_BYTES {
                return Err(ConfigError::Value { key, value: bytes.to_string(), rule: "it must be at least 1048576" });
            }
        }
        let invalid = |key, text: &str, reason: &dyn ToString| ConfigError::Invalid {
            key,
            reason: format!("{:?}: {}", safe(text), reason.to_string()),
        };
        Ok(StoreOptions {
            directory: self.store_directory(from_manager),
            max_bytes: *max_bytes,
            counts_max_bytes: *counts_max_bytes,
            max_age: duration("store.max_age", max_age)?,
            min_free: min_free.parse().map_err(|error| invalid("store.min_free", min_free, &error))?,
            sync_interval: duration("store.sync_interval", sync_interval)?,
            remotes: remotes.parse().map_err(|error| invalid("store.remotes", remotes, &error))?,
        })
    }
}

/// The first directory that the service manager has made for this process.
#[must_use]
pub(crate) fn directory_from_manager() -> Option<PathBuf> {
    first_directory(&env::var_os(STATE_DIRECTORY)?)
}

fn first_directory(list: &OsStr) -> Option<PathBuf> {
    env::split_paths(list).next().filter(|path| path.is_absolute())
}

/// A duration such as `30s`, `12h` or `14d`, at least a second.
fn duration(key: &'static str, text: &str) -> Result<Duration, ConfigError> {
    let days = SpanRelativeTo::days_are_24_hours();
    let parsed = text.parse::<Span>().ok().and_then(|span| span.to_duration(days).ok());
    parsed.and_then(|duration| Duration::try_from(duration).ok()).filter(|duration| duration.as_secs() > 0).ok_or_else(
        || ConfigError::Invalid { key, reason: format!("{:?}: write a duration such as 30s, 12h or 14d", safe(text)) },
    )
}

#[cfg(test)]
mod tests {
    use super::{Config, first_directory};
    use crate::sink::store::options::{MinFree, Remotes};
    use std::{
        ffi::OsStr,
        path::{Path, PathBuf},
        time::Duration,
    };

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("rstmon.toml")).expect("it parses")
    }

    #[test]
    fn the_defaults_are_two_weeks_of_everything() {
        let options = Config::default().store_options(None).expect("valid");
        assert_eq!(options.directory, Path::new("/var/lib/rstmon"));
        assert_eq!((options.max_age, options.sync_interval), (Duration::from_hours(14 * 24), Duration::from_secs(30)));
        assert_eq!((options.min_free, options.remotes), (MinFree::Percent(5), Remotes::Full));
    }

    #[test]
    fn the_configured_directory_wins_over_the_managers() {
        let from_manager = first_directory(OsStr::new("/var/lib/a:/var/lib/b"));
        assert_eq!(from_manager, Some(PathBuf::from("/var/lib/a")));
        assert_eq!(Config::default().store_directory(from_manager.clone()), Path::new("/var/lib/a"));
        let configured = config("[store]\ndirectory = \"/srv/rstmon\"");
        assert_eq!(configured.store_directory(from_manager), Path::new("/srv/rstmon"));
        assert_eq!(first_directory(OsStr::new("")), None);
    }

    #[test]
    fn a_wrong_value_names_the_key_and_what_is_valid() {
        for (line, key, words) in [
            ("directory = \"x\"", "store.directory", "absolute"),
            ("max_bytes = 5", "store.max_bytes", "1048576"),
            ("counts_max_bytes = 5", "store.counts_max_bytes", "1048576"),
            ("max_age = \"soon\"", "store.max_age", "14d"),
            ("max_age = \"-1d\"", "store.max_age", "14d"),
            ("sync_interval = \"0s\"", "store.sync_interval", "30s"),
            ("min_free = \"lots\"", "store.min_free", "5%"),
            ("remotes = \"some\"", "store.remotes", "network"),
        ] {
            let error = config(&format!("[store]\n{line}")).validate().expect_err(line).to_string();
            assert!(error.contains(key) && error.contains(words), "{error}");
        }
    }
}
