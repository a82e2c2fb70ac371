//! Other tools that see resets, from Debian's packages: what rstmon's overhead is compared with.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use rustix::process::Signal;

use super::{daemon::end, scratch::Scratch};
use crate::{lookup, workspace};

const DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A tool that prints a line for each reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tool {
    pub(super) program: &'static str,
    arguments: &'static [&'static str],
}

/// The tools, where they are installed.
pub(super) const TOOLS: [Tool; 2] = [
    Tool {
        program: "bpftrace",
        arguments: &[
            "-B",
            "line",
            "-e",
            r#"tracepoint:tcp:tcp_send_reset { printf("%d %s %d %d\n", pid, comm, args->state, args->reason); }"#,
        ],
    },
    Tool {
        program: "tcpdump",
        arguments: &["-n", "-l", "--immediate-mode", "-i", "lo", "tcp[tcpflags] & tcp-rst != 0"],
    },
];

const EMPTY: Tool = Tool { program: "bpftrace", arguments: &["-e", "tracepoint:tcp:tcp_send_reset { }"] };

/// A running tool; gone when dropped.
#[derive(Debug)]
pub(super) struct Peer {
    tool: Tool,
    child: Child,
    scratch: Scratch,
}

impl Peer {
    /// A BPF program that does nothing at each sent reset. `None` without bpftrace.
    pub(super) fn empty_program() -> anyhow::Result<Option<Self>> {
        lookup::find(EMPTY.program).map(|path| Self::spawn(EMPTY, &path)).transpose()
    }

    /// Starts a tool; `provoke` makes a reset, until the tool shows one.
    pub(super) fn start(
        tool: Tool,
        path: &Path,
        mut provoke: impl FnMut() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        let mut peer = Self::spawn(tool, path)?;
        let mut seen = 0;
        until("the tool shows a reset", || {
            if let Some(status) = peer.child.try_wait()? {
                bail!("{} ended with {status} and said:\n{}", tool.program, peer.said());
            }
            provoke()?;
            // bpftrace announces itself, with one line.
            let lines = workspace::read_text(&peer.scratch.path().join("out"))?.lines().count();
            let shows = seen > 0 && lines > seen.max(1);
            seen = lines;
            Ok(shows)
        })?;
        Ok(peer)
    }

    fn spawn(tool: Tool, path: &Path) -> anyhow::Result<Self> {
        let scratch = Scratch::new()?;
        let create = |name| File::create(scratch.path().join(name)).with_context(|| format!("cannot create {name}"));
        let child = Command::new(path)
            .args(tool.arguments)
            .stdin(Stdio::null())
            .stdout(create("out")?)
            .stderr(create("err")?)
            .spawn()
            .with_context(|| format!("cannot start {}", path.display()))?;
        Ok(Self { tool, child, scratch })
    }

    fn said(&self) -> String {
        workspace::read_text(&self.scratch.path().join("err")).unwrap_or_default()
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as Ctrl-C does.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        if end(&mut self.child, Signal::INT)?.is_none() {
            bail!("{} does not stop; it said:\n{}", self.tool.program, self.said());
        }
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `condition` holds.
pub(super) fn until(what: &str, mut condition: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let started = Instant::now();
    while !condition()? {
        if started.elapsed() > DEADLINE {
            bail!("gave up after {DEADLINE:?} waiting until {what}");
        }
        thread::sleep(POLL);
    }
    Ok(())
}
