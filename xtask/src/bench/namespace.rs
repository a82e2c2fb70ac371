//! A network namespace of our own: its counters are nobody else's, its ports are free, and it has no name that could stay
//! behind. It ends with the last process in it and the last descriptor of it.

use crate::{process, workspace};
use anyhow::Context as _;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use std::{
    fs::File,
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    process::Command,
    sync::Arc,
    thread,
};

/// The namespace, with loopback up and all ports but the first 1024 for connections. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Namespace(Arc<File>);

impl Namespace {
    pub(super) fn new() -> anyhow::Result<Self> {
        on_thread(|| {
            // SAFETY: a network namespace is a matter of this thread alone, which has no descriptors of its own to lose.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.context("cannot make a network namespace")?;
            process::run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
            let ports = "/proc/sys/net/ipv4/ip_local_port_range".as_ref();
            workspace::write(ports, "10240 65535\n")?;
            let file = File::open("/proc/thread-self/ns/net").context("cannot open the network namespace")?;
            Ok(Self(Arc::new(file)))
        })
    }

    /// Does `work` on a thread in the namespace.
    pub(super) fn run<T: Send>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        on_thread(|| {
            move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))
                .context("cannot enter the network namespace")?;
            work()
        })
    }

    /// Has `command` start its program in the namespace.
    pub(super) fn enter_with(&self, command: &mut Command) {
        let namespace = self.0.clone();
        let enter = move || Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?);
        // SAFETY: between fork and exec it makes one system call and allocates nothing.
        unsafe { command.pre_exec(enter) };
    }

    /// Resets sent in it so far, as the kernel counts them.
    pub(super) fn resets_sent(&self) -> anyhow::Result<u64> {
        let text = self.run(|| Ok(workspace::read_text("/proc/thread-self/net/snmp".as_ref())?))?;
        out_rsts(&text).context("no OutRsts in /proc/net/snmp")
    }
}

/// A thread of its own, so that this one stays where it is.
fn on_thread<T: Send>(work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    let ended = thread::scope(|scope| scope.spawn(work).join());
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// `Tcp: NAMES...` is followed by `Tcp: VALUES...`.
fn out_rsts(snmp: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter(|line| line.starts_with("Tcp:")).map(str::split_whitespace);
    let column = lines.next()?.position(|name| name == "OutRsts")?;
    lines.next()?.nth(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_is_found_by_its_name() {
        let snmp = "Ip: Forwarding DefaultTTL\nIp: 2 64\nTcp: RtoAlgorithm OutRsts InCsumErrors\nTcp: 1 4711 0\n";
        assert_eq!(out_rsts(snmp), Some(4711));
        assert_eq!(out_rsts("Tcp: OutRsts\n"), None);
    }
}
