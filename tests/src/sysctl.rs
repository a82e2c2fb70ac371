//! Network sysctls that are restored on drop.

use crate::netns::NetworkPlace;
use anyhow::{Context as _, Result};
use std::fs;

/// A sysctl whose previous value is restored on drop.
#[derive(Debug)]
#[must_use = "the sysctl is restored when this is dropped"]
pub struct Sysctl {
    place: NetworkPlace,
    path: String,
    before: String,
}

impl Sysctl {
    /// Sets a sysctl under `/proc/sys/net`, named by its path there (`ipv4/tcp_fin_timeout`).
    ///
    /// # Errors
    /// When the namespace does not have it or the kernel refuses the value.
    pub fn set(place: &NetworkPlace, name: &str, value: &str) -> Result<Self> {
        let path = format!("/proc/sys/net/{name}");
        // `/proc/sys/net` shows the namespace of the thread that opens a file.
        let before = place.run(|| -> Result<String> {
            let before = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
            fs::write(&path, value).with_context(|| format!("writing {value} to {path}"))?;
            Ok(before)
        })??;
        Ok(Self { place: place.clone(), path, before })
    }
}

impl Drop for Sysctl {
    fn drop(&mut self) {
        let _ = self.place.run(|| fs::write(&self.path, self.before.trim()));
    }
}
