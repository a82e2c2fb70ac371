//! Keeps a web configuration current: certificates are renewed and users change while the daemon runs.
//!
//! Before each use the files' stamps are compared (a few stat(2) calls) and the configuration is read again when one
//! changed. A configuration that does not load is refused, and so is one that turns TLS or authentication off (a file
//! that is just being written is empty for a moment): the last good one stays, with a warning.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{WebConfig, WebConfigError, load};

/// The current state of a configuration file and of the files it points to.
pub(in super::super) struct Reloader {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    config: Arc<WebConfig>,
    stamps: Vec<Stamp>,
}

/// What changes when a file is written or replaced. Nothing for a file that is not there.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

impl Reloader {
    /// Loads the configuration. Blocks for file access.
    pub(in super::super) fn new(path: PathBuf) -> Result<Self, WebConfigError> {
        // The stamps come first: a change in between is then seen as one.
        let own = stamp(&path);
        let config = load(&path)?;
        let mut stamps = vec![own];
        stamps.extend(config.files.iter().map(|file| stamp(file)));
        Ok(Self { path, state: Mutex::new(State { config: Arc::new(config), stamps }) })
    }

    /// The configuration as of now. Blocks for file access.
    pub(in super::super) fn current(&self) -> Arc<WebConfig> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = self.stamps(&state.config.files);
        if stamps == state.stamps {
            return Arc::clone(&state.config);
        }
        state.stamps = stamps;
        match load(&self.path) {
            Ok(config) if state.config.tls.is_some() && config.tls.is_none() => {
                tracing::warn!(path = %self.path.display(), "web configuration without TLS ignored; restart to turn TLS off");
            }
            Ok(config) if !state.config.users.is_empty() && config.users.is_empty() => {
                tracing::warn!(path = %self.path.display(), "web configuration without users ignored; restart to turn authentication off");
            }
            Ok(config) => {
                // The new configuration may point elsewhere. Files it shares with the old one keep the stamps from
                // before they were read.
                let before = std::mem::take(&mut state.stamps);
                let known = |file: &Path| {
                    let position = state.config.files.iter().position(|old| old == file)?;
                    before.get(position + 1).copied()
                };
                let mut stamps = vec![before.first().copied().flatten()];
                stamps.extend(config.files.iter().map(|file| known(file).unwrap_or_else(|| stamp(file))));
                state.stamps = stamps;
                state.config = Arc::new(config);
                tracing::info!(path = %self.path.display(), "web configuration reloaded");
            }
            Err(error) => tracing::warn!(%error, "changed web configuration ignored, the last good one stays"),
        }
        Arc::clone(&state.config)
    }

    fn stamps(&self, files: &[PathBuf]) -> Vec<Stamp> {
        std::iter::once(&self.path).chain(files).map(|file| stamp(file)).collect()
    }
}

fn stamp(path: &Path) -> Stamp {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec()))
}
