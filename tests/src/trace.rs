//! The kernel's reset tracepoints, read through tracefs: a second oracle beside the counters, which also shows the
//! reason.

use crate::{netns::NetworkPlace, scene::Direction};
use anyhow::{Context as _, Result};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Once,
        atomic::{AtomicU32, Ordering},
    },
};

/// Prefix of the names of trace instances, followed by the id of the test process and a number.
const PREFIX: &str = "rstmon-test-";

/// A trace instance with both reset tracepoints enabled; removed on drop.
#[derive(Debug)]
pub struct Trace {
    instance: PathBuf,
}

/// One hit of a tracepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Which of the two tracepoints it was.
    pub direction: Direction,
    /// The port of the socket.
    pub local_port: u16,
    /// The port of its peer.
    pub remote_port: u16,
    /// The kernel's reason in lower case, if the tracepoint has one.
    pub reason: Option<String>,
}

impl Trace {
    /// Starts tracing; `None` where this kernel or this user has no tracefs.
    ///
    /// # Errors
    /// When tracefs is mounted but refuses access.
    pub fn start() -> Result<Option<Self>> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let Some(root) = tracefs() else { return Ok(None) };
        remove_stale(&root);
        let name = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let instance = root.join("instances").join(name);
        fs::create_dir(&instance).with_context(|| format!("making {}", instance.display()))?;
        let trace = Self { instance };
        for event in ["tcp_send_reset", "tcp_receive_reset"] {
            let switch = trace.instance.join("events/tcp").join(event).join("enable");
            fs::write(&switch, "1").with_context(|| format!("writing {}", switch.display()))?;
        }
        Ok(Some(trace))
    }

    /// All hits so far.
    ///
    /// # Errors
    /// When the trace cannot be read.
    pub fn hits(&self) -> Result<Vec<Hit>> {
        let text = fs::read_to_string(self.instance.join("trace")).context("reading the trace")?;
        Ok(text.lines().filter_map(parse).collect())
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.instance);
    }
}

fn parse(line: &str) -> Option<Hit> {
    if line.starts_with('#') {
        return None;
    }
    let field = |name: &str| line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    let port = |text: &str| text.rsplit(':').next()?.parse().ok();
    if line.contains(": tcp_send_reset: ") {
        let (local_port, remote_port) = (port(field("src")?)?, port(field("dest")?)?);
        let reason = field("reason").map(str::to_lowercase);
        Some(Hit { direction: Direction::Sent, local_port, remote_port, reason })
    } else if line.contains(": tcp_receive_reset: ") {
        let (local_port, remote_port) = (port(field("sport")?)?, port(field("dport")?)?);
        Some(Hit { direction: Direction::Received, local_port, remote_port, reason: None })
    } else {
        None
    }
}

/// The directory of tracefs. Mounts it at its usual place if it is not mounted, and leaves it mounted for the next
/// test.
fn tracefs() -> Option<PathBuf> {
    static MOUNT: Once = Once::new();
    let usual = Path::new("/sys/kernel/tracing");
    MOUNT.call_once(|| {
        if !usual.join("instances").is_dir() {
            let _ = NetworkPlace::Host.tool("mount -t tracefs tracefs /sys/kernel/tracing");
        }
    });
    usual.join("instances").is_dir().then(|| usual.to_path_buf())
}

fn remove_stale(root: &Path) {
    let Ok(entries) = fs::read_dir(root.join("instances")) else { return };
    for entry in entries.flatten().filter(|entry| crate::stale(&entry.file_name().to_string_lossy(), PREFIX)) {
        let _ = fs::remove_dir(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_tracepoints() {
        let sent = concat!(
            "  x-7 [000] ..s.. 1.2: tcp_send_reset: skbaddr=0 skaddr=1 src=[::1]:80 dest=[::1]:4000 ",
            "state=TCP_CLOSE reason=TCP_STATE"
        );
        let hit = parse(sent).expect("a hit");
        assert_eq!((hit.direction, hit.local_port, hit.remote_port), (Direction::Sent, 80, 4000));
        assert_eq!(hit.reason.as_deref(), Some("tcp_state"));
        let received = concat!(
            "  x-7 [000] ..s.. 1.2: tcp_receive_reset: family=AF_INET sport=4000 dport=80 saddr=127.0.0.1 ",
            "daddr=127.0.0.1 saddrv6=::1 daddrv6=::1 sock_cookie=1"
        );
        let hit = parse(received).expect("a hit");
        assert_eq!((hit.direction, hit.local_port, hit.remote_port), (Direction::Received, 4000, 80));
        assert_eq!(parse("# tracer: nop"), None);
    }
}
