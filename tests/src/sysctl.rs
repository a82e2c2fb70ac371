//! Network sysctls, set for as long as a value lives.

use crate::netns::Place;
use anyhow::{Context as _, Result};
use std::fs;

/// A sysctl that is put back to what it was when this is dropped.
#[derive(Debug)]
#[must_use = "the sysctl is restored when this is dropped"]
pub struct Sysctl {
    place: Place,
    path: String,
    before: String,
}

impl Sysctl {
    /// Sets a sysctl under `/proc/sys/net`, named by its path there (`ipv4/tcp_fin_timeout`).
    ///
    /// # Errors
    /// When the namespace does not have it or the value is refused.
    pub fn set(place: &Place, name: &str, value: &str) -> Result<Self> {
        let path = format!("/proc/sys/net/{name}");
        // `/proc/sys/net` shows the namespace of the thread that opens the file.
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
