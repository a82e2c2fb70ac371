//! Network namespaces that are removed on drop, and a way to run code and children inside them.

use anyhow::{Context as _, Result, bail};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::{
    fs::{self, File},
    os::{
        fd::AsFd as _,
        unix::{fs::MetadataExt as _, process::CommandExt as _},
    },
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Once,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

/// Prefix of the names of namespaces, followed by the id of the test process and a number.
const PREFIX: &str = "rstmon-test-";

/// The network namespace of an operation.
#[derive(Clone, Debug)]
pub enum NetworkPlace {
    /// The network namespace that the tests were started in.
    Host,
    /// A namespace made for the test.
    In(NetNs),
}

impl NetworkPlace {
    /// Runs `work` on a thread inside the namespace. Child processes that it starts are in the namespace as well.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    ///
    /// # Panics
    /// When `work` panics.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let Some(file) = self.open()? else { return Ok(work()) };
        thread::scope(|scope| {
            let inside = scope.spawn(move || {
                move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                    .context("entering a network namespace")?;
                Ok(work())
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The namespace's file, unless it is the one that this process is in.
    pub(crate) fn open(&self) -> Result<Option<File>> {
        let Self::In(netns) = self else { return Ok(None) };
        let path = netns.path();
        File::open(&path).map(Some).with_context(|| format!("opening {}", path.display()))
    }

    /// Runs a tool inside the namespace, expects success, and returns its output.
    ///
    /// # Errors
    /// When it cannot be started or fails; its stderr is in the message.
    pub fn tool(&self, words: &str) -> Result<String> {
        self.run(|| tool(words))?
    }

    /// The inode number of the namespace, by which the kernel and rstmon identify it.
    ///
    /// # Errors
    /// When the namespace's file cannot be read.
    pub fn inode(&self) -> Result<u64> {
        let path = match self {
            Self::Host => PathBuf::from("/proc/self/ns/net"),
            Self::In(netns) => netns.path(),
        };
        Ok(fs::metadata(&path).with_context(|| format!("reading {}", path.display()))?.ino())
    }
}

/// A network namespace with its loopback device up; dropping the last clone removes it.
#[derive(Clone, Debug)]
pub struct NetNs(Arc<Named>);

#[derive(Debug)]
struct Named(String);

impl NetNs {
    /// Makes a namespace with a unique name.
    ///
    /// # Errors
    /// When `ip netns` fails (not root, no iproute2).
    pub fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        static SWEEP: Once = Once::new();
        SWEEP.call_once(remove_stale);
        let name = format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        // Before the namespace exists: if a command fails, drop removes it.
        let netns = Self(Arc::new(Named(name)));
        tool(&format!("ip netns add {}", netns.name()))?;
        tool(&format!("ip -n {} link set lo up", netns.name()))?;
        Ok(netns)
    }

    /// Its name, as `ip netns` shows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.0
    }

    fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(self.name())
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = tool(&format!("ip netns del {}", self.0));
    }
}

/// Two namespaces whose `eth0` devices are joined by a veth pair.
///
/// # Errors
/// When the namespaces or devices cannot be made.
pub fn joined(near: &[&str], far: &[&str]) -> Result<(NetNs, NetNs)> {
    let (a, b) = (NetNs::new()?, NetNs::new()?);
    tool(&format!("ip -n {} link add eth0 type veth peer name eth0 netns {}", a.name(), b.name()))?;
    for (netns, addresses) in [(&a, near), (&b, far)] {
        for address in addresses {
            // Without duplicate address detection an IPv6 address can be used at once.
            let nodad = if address.contains(':') { "nodad" } else { "" };
            tool(&format!("ip -n {} addr add {address} dev eth0 {nodad}", netns.name()))?;
        }
        tool(&format!("ip -n {} link set eth0 up", netns.name()))?;
    }
    Ok((a, b))
}

/// Runs a command line whose words contain no blanks.
fn tool(words: &str) -> Result<String> {
    let mut words = words.split_whitespace();
    let name = words.next().context("no tool named")?;
    let program = crate::skip::find(name).with_context(|| format!("{name} is not installed"))?;
    let arguments: Vec<&str> = words.collect();
    // In a process group of its own: Ctrl-C interrupts the tests, which then still need tools to clean up.
    let output =
        Command::new(program).args(&arguments).process_group(0).output().with_context(|| format!("starting {name}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{name} {}: {}: {}", arguments.join(" "), output.status, stderr.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Removes the namespaces of test processes that were killed.
fn remove_stale() {
    let Ok(entries) = fs::read_dir("/run/netns") else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if crate::stale(&name, PREFIX) {
            let _ = tool(&format!("ip netns del {name}"));
        }
    }
}
