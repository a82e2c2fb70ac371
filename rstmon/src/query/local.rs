//! A probe in this process, for commands that find no daemon.

use crate::{
    config::{Config, ConfigError},
    monitor::{MonitorError, alone::AttachedProbe},
    sandbox::confine,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum LocalError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    #[error(transparent)]
    Confine(#[from] confine::ConfineError),
}

/// Attaches the probe, and then gives up all privileges that watching does not need. Must be called before any thread
/// is started.
pub(crate) fn attach(config: &Config) -> Result<AttachedProbe, LocalError> {
    let attached = AttachedProbe::new(&config.monitor_options()?)?;
    confine::confine(config.security.sandbox, &confine::watching())?;
    Ok(attached)
}
