//! The reload at SIGHUP: reads the configuration and the web configuration again and applies what can change at run
//! time.
//!
//! Hooks and counters are not touched. Both files are judged before one of them is applied: with an error in either,
//! what was in force before stays in force, for both.

use super::{daemon::DaemonSource, server_options};
use crate::{
    command::Failure,
    config::{
        Config, Overrides,
        logging::{self, Logging},
        reload::ReloadPlan,
    },
    monitor::Monitor,
    serve::WebReload,
    sync::lock,
};
use std::sync::{Arc, Mutex};

/// What a refused file means for both.
const REST: &str = "nothing was reloaded";

/// The parts of the daemon that a reload may change.
pub(super) struct ConfigReload {
    overrides: Overrides,
    /// The configuration in force.
    config: Mutex<Config>,
    logging: Logging,
    monitor: Arc<Monitor>,
    daemon: Arc<DaemonSource>,
    web: Option<WebReload>,
}

impl ConfigReload {
    pub(super) fn new(
        overrides: Overrides,
        config: Config,
        logging: Logging,
        monitor: Arc<Monitor>,
        daemon: Arc<DaemonSource>,
        web: Option<WebReload>,
    ) -> Self {
        Self { overrides, config: Mutex::new(config), logging, monitor, daemon, web }
    }

    /// Reloads, and returns remarks for the service manager's status line, each after a separator. Blocks.
    pub(super) fn run(&self) -> String {
        // The empty first remark puts a separator in front of each other one.
        let mut remarks = vec![String::new()];
        match (self.read(), self.web.as_ref().map(WebReload::read_again).transpose()) {
            (Ok(new), Ok(web)) => {
                let restart = self.apply(&new);
                if !restart.is_empty() {
                    remarks.push(format!("restart to apply: {}", restart.join(", ")));
                }
                if let Some(web) = web {
                    web.apply();
                    tracing::info!("web configuration and certificates read again");
                }
            }
            (main, web) => {
                if let Err(error) = &main {
                    tracing::error!(%error, "configuration refused, {REST}");
                    remarks.push(format!("configuration refused: {error}"));
                }
                if let Err(error) = &web {
                    tracing::error!(%error, "web configuration refused, {REST}");
                    remarks.push(format!("web configuration refused: {error}"));
                }
                remarks.push(REST.to_owned());
            }
        }
        remarks.join("; ")
    }

    fn read(&self) -> Result<Config, Failure> {
        let config = Config::load_for_run(&self.overrides)?;
        server_options(&config)?;
        Ok(config)
    }

    /// Applies a configuration, and returns the keys that need a restart.
    fn apply(&self, new: &Config) -> Vec<&'static str> {
        let mut config = lock(&self.config);
        let plan = ReloadPlan::new(&config, new);
        if plan.applies("log.level") || plan.applies("log.format") {
            self.logging.change(&plan.config.log);
        }
        if plan.applies("log.level") && logging::level_is_overridden() {
            tracing::warn!("log.level has no effect: RUST_LOG is set");
        }
        if plan.applies("history.events") {
            self.daemon.resize_history(plan.config.history.events);
        }
        if plan.applies("metrics.max_series") {
            self.monitor.raise_max_series(plan.config.metrics.max_series);
        }
        if plan.applies("metrics.fold_after_seconds") {
            self.monitor.fold_after(plan.config.fold_after());
        }
        let ReloadPlan { config: in_force, applied, restart } = plan;
        *config = in_force;
        if applied.is_empty() && restart.is_empty() {
            tracing::info!("configuration read again: nothing has changed");
        } else {
            tracing::info!(applied = applied.join(", "), "configuration read again");
        }
        if !restart.is_empty() {
            tracing::warn!("restart to apply: {}", restart.join(", "));
        }
        restart
    }
}
