//! Other tools that see resets, from Debian's packages: what rstmon's cost is compared with. Each is used as its manual
//! would have it, with its default buffers.

mod control;
mod said;

use self::control::Control;
use super::{
    child::{QUIET, Running},
    namespace::Namespace,
    scratch::Scratch,
};
use crate::{lookup, process};
use anyhow::{Context as _, ensure};
use rustix::process::Signal;
use std::{process::Command, time::Duration};

/// Debian's packages of everything that is measured beside rstmon, and what for.
pub(super) const PACKAGES: [(&str, &str); 6] = [
    ("bpftrace", "bench: counts and prints resets; a program that does nothing"),
    ("tcpdump", "bench: prints resets"),
    ("linux-perf", "bench: records resets"),
    ("nginx-light", "bench: a server"),
    ("wrk", "bench: its clients"),
    ("iproute2", "bench: loopback in a network namespace"),
];

/// tcpdump lets packets lie for up to a second before it looks at them.
const CAPTURE_TIMEOUT: Duration = Duration::from_millis(1500);

/// Says that all its probes are attached.
const READY: &str = r#"BEGIN { printf("ready\n"); } "#;

/// A way to look at resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    /// A BPF program at each sent reset that does nothing.
    Nothing,
    /// bpftrace adds them up by process.
    Counting,
    /// bpftrace prints a line for each.
    Printing,
    /// perf writes them into a file.
    Recording,
    /// tcpdump prints them.
    Dumping,
}

/// What a tool has seen in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) resets: u64,
    /// What it says itself that it has lost, where it does.
    pub(super) lost: Option<u64>,
}

impl Tool {
    /// Those to compare with.
    pub(super) const PEERS: [Self; 4] = [Self::Counting, Self::Printing, Self::Recording, Self::Dumping];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "empty program",
            Self::Counting => "bpftrace, counting by process",
            Self::Printing => "bpftrace, printing",
            Self::Recording => "perf record",
            Self::Dumping => "tcpdump",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Nothing | Self::Counting | Self::Printing => "bpftrace",
            Self::Recording => "perf",
            Self::Dumping => "tcpdump",
        }
    }

    fn arguments(self) -> Vec<String> {
        let bpftrace = |action: &str| {
            let program = format!("{READY}tracepoint:tcp:tcp_send_reset {{ {action} }}");
            ["-B", "line", "-e", &program].map(str::to_owned).to_vec()
        };
        match self {
            Self::Nothing => bpftrace(""),
            Self::Counting => bpftrace("@[pid, comm] = count();"),
            Self::Printing => bpftrace(r#"printf("rst %d %s %d\n", pid, comm, args->state);"#),
            Self::Recording => ["record", "-a", "-e", "tcp:tcp_send_reset", "-D", "-1"].map(str::to_owned).to_vec(),
            // As root to the end: the kernel forgets to end a child with its parent once it has changed its user.
            Self::Dumping => {
                ["-Z", "root", "-n", "-i", "lo", "tcp[tcpflags] & tcp-rst != 0"].map(str::to_owned).to_vec()
            }
        }
    }

    /// Its command line, for people.
    pub(super) fn command_line(self) -> String {
        match self {
            Self::Nothing => "bpftrace -e 'tracepoint:tcp:tcp_send_reset { }'".to_owned(),
            Self::Counting => "bpftrace -e 'tracepoint:tcp:tcp_send_reset { @[pid, comm] = count(); }'".to_owned(),
            Self::Printing => {
                r#"bpftrace -e 'tracepoint:tcp:tcp_send_reset { printf("rst %d %s %d\n", pid, comm, args->state); }'"#
                    .to_owned()
            }
            Self::Recording => "perf record -a -e tcp:tcp_send_reset".to_owned(),
            Self::Dumping => "tcpdump -n -i lo 'tcp[tcpflags] & tcp-rst != 0'".to_owned(),
        }
    }
}

/// A running tool that sees resets.
#[derive(Debug)]
pub(super) struct Peer {
    tool: Tool,
    running: Running,
}

impl Peer {
    /// Starts a tool in the namespace and waits until it sees resets.
    pub(super) fn start(tool: Tool, namespace: &Namespace) -> anyhow::Result<Self> {
        let path = lookup::find(tool.program()).with_context(|| format!("{} is not installed", tool.program()))?;
        let scratch = Scratch::new()?;
        let mut command = Command::new(path);
        command.args(tool.arguments()).env("LC_ALL", "C");
        let control = if tool == Tool::Recording { Some(Control::new(scratch.path(), &mut command)?) } else { None };
        namespace.enter_with(&mut command);
        let mut running = Running::start(&mut command, scratch)?;
        match control {
            Some(mut control) => {
                control.enable()?;
                running.until("recording", |_| control.acknowledged())?;
            }
            None if tool == Tool::Dumping => {
                running.until("capturing", |running| Ok(running.err().contains("listening on")))?;
            }
            None => running.until("attached", |running| Ok(running.out().lines().any(|line| line == "ready")))?,
        }
        Ok(Self { tool, running })
    }

    pub(super) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Waits until it has worked through what it has gathered.
    pub(super) fn settle(&mut self) -> anyhow::Result<()> {
        self.running.settle(if self.tool == Tool::Dumping { CAPTURE_TIMEOUT } else { QUIET })
    }

    /// Ends it as Ctrl-C does, and takes its account.
    pub(super) fn stop(mut self) -> anyhow::Result<Seen> {
        self.running.end(Signal::INT)?;
        let (out, err) = (self.running.out(), self.running.err());
        match self.tool {
            Tool::Nothing => Ok(Seen::default()),
            Tool::Counting => Ok(said::counted(&out)),
            Tool::Printing => Ok(said::printed(&out, &err)),
            Tool::Dumping => said::dumped(&err).with_context(|| format!("tcpdump has no account of itself:\n{err}")),
            Tool::Recording => {
                let data = self.running.scratch.path().join(control::DATA);
                ensure!(data.exists(), "perf recorded nothing and said:\n{err}");
                let mut script = Command::new(lookup::find("perf").context("perf is not installed")?);
                script.args(["script", "-F", "pid", "-i"]).arg(&data);
                Ok(Seen { resets: said::lines(&process::output(&mut script)?), lost: None })
            }
        }
    }
}
