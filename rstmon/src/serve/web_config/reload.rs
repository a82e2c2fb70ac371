//! Keeps a web configuration current: certificates are renewed and users change while the daemon runs.
//!
//! Before each use the files' stamps are compared (a few stat(2) calls) and the configuration is read again when one
//! changed. A configuration that does not load is refused, and so is one that turns TLS or authentication off, or asks
//! less of clients' certificates (a file that is just being written is empty or half there for a moment): the last good one stays, with one warning, and every use tries
//! again until the files are in order. So is one whose certificate is out of date, while the old one is not.

use super::{
    WebConfig, WebConfigError, load,
    watched::{Stamp, Watched},
};
use crate::sync::lock;
use jiff::Timestamp;
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::SystemTime,
};

/// The current state of a configuration file and of the files it points to.
pub(in super::super) struct Reloader {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    config: Arc<WebConfig>,
    /// The files' stamps at the last warning.
    warned: Option<Vec<Stamp>>,
}

/// Why a changed configuration does not come into force.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// It does not load.
    #[error(transparent)]
    Invalid(#[from] WebConfigError),
    /// Clients would send passwords in the clear.
    #[error("it turns TLS off, which needs a restart")]
    NoTls,
    /// Everybody would be let in.
    #[error("it turns authentication off, which needs a restart")]
    NoUsers,
    /// Clients would be let in that are kept out.
    #[error("it asks less of clients' certificates, which needs a restart")]
    LaxClients,
    /// No client would believe the server any more.
    #[error("its certificate expired on {not_after}")]
    Expired {
        /// When.
        not_after: Timestamp,
    },
    /// No client would believe the server yet.
    #[error("its certificate is not valid before {not_before}")]
    NotYet {
        /// From when on it is.
        not_before: Timestamp,
    },
}

impl Reloader {
    /// Loads the configuration. Blocks for file access.
    pub(in super::super) fn new(path: PathBuf) -> Result<Self, WebConfigError> {
        let config = Arc::new(load(&path)?);
        warn_of_date(&path, &config);
        Ok(Self { path, state: Mutex::new(State { config, warned: None }) })
    }

    /// The configuration as of now. Blocks for file access.
    pub(in super::super) fn current(&self) -> Arc<WebConfig> {
        let mut state = lock(&self.state);
        if state.config.files.iter().any(Watched::changed) {
            let path = self.path.display();
            match self.successor(&state.config) {
                Ok(config) => {
                    tracing::info!(%path, "web configuration reloaded");
                    warn_of_date(&self.path, &config);
                    *state = State { config: Arc::new(config), warned: None };
                }
                Err(reason) => {
                    let stamps = Some(state.config.files.iter().map(Watched::now).collect());
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
    pub(in super::super) fn reload(&self) -> Result<(), Refusal> {
        let mut state = lock(&self.state);
        let config = Arc::new(self.successor(&state.config)?);
        warn_of_date(&self.path, &config);
        *state = State { config, warned: None };
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
        if new.clients < old.clients {
            return Err(Refusal::LaxClients);
        }
        match new.out_of_date() {
            Some(problem) if old.out_of_date().is_none() => Err(problem),
            _ => Ok(new),
        }
    }
}

impl WebConfig {
    pub(super) fn out_of_date(&self) -> Option<Refusal> {
        self.validity.and_then(|validity| validity.problem(SystemTime::now()))
    }
}

/// Without a better one at hand, a certificate that no client believes is no reason to stop counting.
fn warn_of_date(path: &Path, config: &WebConfig) {
    if let Some(problem) = config.out_of_date() {
        tracing::warn!(path = %path.display(), %problem, "clients will refuse the web configuration's certificate");
    }
}
