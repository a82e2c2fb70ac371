//! Keeps a web configuration current: certificates are renewed and users change while the daemon runs.
//!
//! Before each use, the files' stamps are compared (a few stat(2) calls), and the configuration is read again when one
//! has changed. The new configuration is refused when
//! - it does not load,
//! - it turns TLS or authentication off, or demands less of clients' certificates: a file that is just being written is
//!   empty or incomplete for a moment,
//! - its certificate is out of date and the old one is not.
//!
//! After a refusal the last good configuration stays in force, one warning is logged, and every use tries again until
//! the files are in order.

use super::{
    error::{Refusal, WebConfigError},
    load::{WebConfig, load},
    watched_file::{FileStamp, WatchedFile},
};
use crate::sync::lock;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// The current state of a configuration file and of the files it names.
pub(in crate::serve) struct Reloader {
    path: PathBuf,
    state: Mutex<ReloadState>,
}

struct ReloadState {
    config: Arc<WebConfig>,
    /// The files' stamps at the last warning.
    warned: Option<Vec<FileStamp>>,
}

impl Reloader {
    /// Loads the configuration. Blocks for file access.
    pub(in crate::serve) fn new(path: PathBuf) -> Result<Self, WebConfigError> {
        let config = Arc::new(load(&path)?);
        warn_if_out_of_date(&path, &config);
        Ok(Self { path, state: Mutex::new(ReloadState { config, warned: None }) })
    }

    /// The configuration in force, read again where its files have changed. Blocks for file access.
    pub(in crate::serve) fn current(&self) -> Arc<WebConfig> {
        let mut state = lock(&self.state);
        if state.config.files.iter().any(WatchedFile::changed) {
            let path = self.path.display();
            match self.successor(&state.config) {
                Ok(config) => {
                    tracing::info!(%path, "web configuration reloaded");
                    warn_if_out_of_date(&self.path, &config);
                    *state = ReloadState { config: Arc::new(config), warned: None };
                }
                Err(reason) => {
                    let stamps = Some(state.config.files.iter().map(WatchedFile::current_stamp).collect());
                    if state.warned != stamps {
                        tracing::warn!(%path, %reason, "changed web configuration ignored, the last good one stays");
                        state.warned = stamps;
                    }
                }
            }
        }
        Arc::clone(&state.config)
    }

    /// Reads everything again, whether or not it has changed. Blocks for file access.
    pub(in crate::serve) fn reload(&self) -> Result<(), Refusal> {
        let mut state = lock(&self.state);
        let config = Arc::new(self.successor(&state.config)?);
        warn_if_out_of_date(&self.path, &config);
        *state = ReloadState { config, warned: None };
        Ok(())
    }

    fn successor(&self, old: &WebConfig) -> Result<WebConfig, Refusal> {
        let new = load(&self.path)?;
        if old.tls.is_some() && new.tls.is_none() {
            return Err(Refusal::NoTls);
        }
        if !old.users.is_empty() && new.users.is_empty() {
            return Err(Refusal::NoUsers);
        }
        if new.client_policy < old.client_policy {
            return Err(Refusal::LaxClients);
        }
        match new.out_of_date() {
            Some(problem) if old.out_of_date().is_none() => Err(problem),
            _ => Ok(new),
        }
    }
}

/// The daemon starts all the same: a certificate that clients refuse is no reason to stop counting resets.
fn warn_if_out_of_date(path: &Path, config: &WebConfig) {
    if let Some(problem) = config.out_of_date() {
        tracing::warn!(path = %path.display(), %problem, "clients will refuse the web configuration's certificate");
    }
}
