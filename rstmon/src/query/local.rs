//! A probe in this process, for commands that find no daemon.

use crate::{
    config::{Config, ConfigError},
    monitor::{MonitorError, alone::Attached},
    sandbox::confine,
};

/// Why this process cannot watch.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The probe cannot be attached.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// Privileges could not be given up.
    #[error(transparent)]
    Confine(#[from] confine::ConfineError),
}

/// Attaches the probe and then gives up everything but what watching needs. To be called before any thread is started.
pub(crate) fn attach(config: &Config) -> Result<Attached, LocalError> {
    let attached = Attached::new(&config.monitor_options()?)?;
    confine::confine(config.security.sandbox, &confine::watching())?;
    Ok(attached)
}
