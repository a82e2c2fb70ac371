//! The daemon's store: its directory is opened before the sandbox, its thread started after it.

use crate::{
    config::{Config, ConfigError, store::directory_from_manager},
    monitor::Monitor,
    sink::{
        Store,
        store::{StoreDirectory, StoreError, options::StoreOptions},
    },
};
use std::{os::fd::OwnedFd, sync::Arc};

/// A store that takes events, and does not write yet.
pub(super) struct PreparedStore {
    store: Arc<Store>,
    options: StoreOptions,
    directory: Result<StoreDirectory, StoreError>,
}

impl PreparedStore {
    /// Opens the directory, unless the store is turned off. That it cannot be opened ends no daemon: counting is worth
    /// more.
    pub(super) fn open(config: &Config) -> Result<Option<Self>, ConfigError> {
        if !config.store.enabled {
            return Ok(None);
        }
        let options = config.store_options(directory_from_manager())?;
        let directory = StoreDirectory::open_or_make(&options.directory);
        Ok(Some(Self { store: Store::new(&options), options, directory }))
    }

    /// The directory that the sandbox must allow.
    pub(super) fn descriptor(&self) -> Option<Arc<OwnedFd>> {
        self.directory.as_ref().ok().map(StoreDirectory::descriptor)
    }

    /// Starts writing events, and each minute what `monitor` counts.
    pub(super) fn start(self, monitor: &Arc<Monitor>) -> Arc<Store> {
        let Self { store, options, directory } = self;
        let directory = match directory {
            Ok(directory) => directory,
            Err(error) => {
                store.fail(&error);
                return store;
            }
        };
        let started = monitor.started();
        let monitor = Arc::clone(monitor);
        let counts = move || match monitor.count_reading() {
            Ok(reading) => Some(reading),
            Err(error) => {
                tracing::debug!(%error, "the counts are not stored this minute");
                None
            }
        };
        store.start(directory, options, started, Box::new(counts));
        store
    }
}
