//! Sockets and processes that are merely there.

use super::{child::Running, namespace::Namespace, scratch::Scratch, spread::float};
use crate::say;
use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit};
use std::{
    env,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

/// Most sockets of one process: fewer than there are ports for connections to one address.
const MOST_EACH: u64 = 20_000;
/// Descriptors besides the sockets.
const SPARE: u64 = 64;
/// What a holder prints once it has them all.
const READY: &str = "ready";

/// Processes that hold open TCP sockets; they end when this is dropped.
#[derive(Debug)]
pub(super) struct Sockets(Vec<Running>);

impl Sockets {
    /// Opens `count` sockets, the two ends of half as many connections, in as many processes as that takes.
    pub(super) fn open(count: u32, namespace: &Namespace) -> anyhow::Result<Self> {
        let program = env::current_exe().context("cannot find this program")?;
        // Not above the limit that this process has: raising that takes a capability that root may lack.
        let each = each(getrlimit(Resource::Nofile).maximum);
        let mut holders = Vec::new();
        let mut left = count;
        while left > 0 {
            let own = left.min(each);
            let mut command = Command::new(&program);
            command.args(["bench", &format!("--hold-sockets={own}")]);
            namespace.enter_with(&mut command);
            holders.push(Running::start(&mut command, Scratch::new()?)?);
            left -= own;
        }
        for holder in &mut holders {
            holder.until("holding its sockets", |holder| Ok(holder.out().trim() == READY))?;
        }
        Ok(Self(holders))
    }
}

impl Drop for Sockets {
    fn drop(&mut self) {
        for holder in &mut self.0 {
            // Dropping them ends them in any case.
            let _ = holder.end(Signal::KILL);
        }
    }
}

/// The work of a process that holds `count` sockets: opens them, says so and waits for its end.
pub(super) fn hold(count: u32) -> anyhow::Result<()> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).context("cannot raise RLIMIT_NOFILE")?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen")?;
    let to: SocketAddr = listener.local_addr().context("no address")?;
    let mut ends = Vec::new();
    for _ in 0..count / 2 {
        let client = TcpStream::connect(to).with_context(|| format!("cannot connect after {}", ends.len()))?;
        ends.push((client, listener.accept().context("cannot accept")?.0));
    }
    print_ready()?;
    loop {
        std::thread::park();
    }
}

/// How many sockets a process holds that may have so many descriptors; both ends of connections.
fn each(descriptors: Option<u64>) -> u32 {
    let most = descriptors.map_or(MOST_EACH, |most| MOST_EACH.min(most.saturating_sub(SPARE)));
    u32::try_from(most & !1).unwrap_or(2).max(2)
}

fn print_ready() -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{READY}").and_then(|()| out.flush()).context("cannot say that the sockets are open")
}

/// Processes that sleep; they end when this is dropped.
#[derive(Debug, Default)]
pub(super) struct Sleepers(Vec<Child>);

impl Sleepers {
    pub(super) fn start(count: u32) -> anyhow::Result<Self> {
        let mut sleepers = Self::default();
        for _ in 0..count {
            let mut command = Command::new("sleep");
            command.arg("infinity").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            // SAFETY: between fork and exec it makes one system call and allocates nothing.
            unsafe { command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?)) };
            sleepers.0.push(command.spawn().context("cannot start sleep")?);
        }
        Ok(sleepers)
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        let failed = self.0.iter_mut().map(Child::kill).filter(Result::is_err).map(|_| 1_u32).sum::<u32>();
        self.0.iter_mut().for_each(|child| drop(child.wait()));
        if failed > 0 {
            say::line(format_args!("bench: {} processes had ended before", float(failed)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_fit_into_the_limit_of_descriptors() {
        assert_eq!(
            [None, Some(1 << 20), Some(20_000), Some(1025), Some(10)].map(each),
            [20_000, 20_000, 19_936, 960, 2]
        );
    }

    #[test]
    fn sleepers_do_not_stay() {
        let sleepers = Sleepers::start(2).expect("two processes");
        let pids: Vec<u32> = sleepers.0.iter().map(Child::id).collect();
        let there = |pid: &u32| std::path::Path::new(&format!("/proc/{pid}")).exists();
        assert!(pids.iter().all(there));
        drop(sleepers);
        assert!(!pids.iter().any(there));
    }
}
