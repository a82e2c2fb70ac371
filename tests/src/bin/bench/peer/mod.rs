//! Other tools that see resets, from Debian's packages: what rstmon's cost is compared with. Each is used as its manual
//! suggests, with its default buffers.

mod control;
mod output;
mod running;

use self::{control::PerfControl, running::RunningTool};
use crate::daemon::QUIET;
use anyhow::{Context as _, Result, ensure};
use rstmon_tests::{netns::NetworkPlace, scratch, skip};
use rustix::process::Signal;
use std::{process::Command, time::Duration};

/// tcpdump looks at packets up to a second after their arrival.
const CAPTURE_TIMEOUT: Duration = Duration::from_millis(1500);

/// bpftrace prints this once all its probes are attached.
const READY: &str = r#"BEGIN { printf("ready\n"); } "#;

/// A tool, and what it does with a reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerTool {
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

/// What a tool has seen from its start to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResetsSeen {
    pub(crate) resets: u64,
    /// What the tool itself reports as lost; `None` for tools that report nothing.
    pub(crate) lost: Option<u64>,
}

impl PeerTool {
    /// Those to compare with.
    pub(crate) const PEERS: [Self; 4] = [Self::Counting, Self::Printing, Self::Recording, Self::Dumping];

    pub(crate) fn name(self) -> &'static str {
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
            // Stays root: the kernel drops the signal of the parent's death once a child changes its user.
            Self::Dumping => {
                ["-Z", "root", "-n", "-i", "lo", "tcp[tcpflags] & tcp-rst != 0"].map(str::to_owned).to_vec()
            }
        }
    }

    /// The command line that the report shows.
    pub(crate) fn command_line(self) -> String {
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
pub(crate) struct RunningPeer {
    tool: PeerTool,
    running: RunningTool,
}

impl RunningPeer {
    /// Starts a tool in the namespace and waits until it sees resets.
    pub(crate) fn start(tool: PeerTool, place: &NetworkPlace) -> Result<Self> {
        let mut command = installed(tool.program())?;
        let directory = scratch::directory()?;
        command.args(tool.arguments()).env("LC_ALL", "C");
        let control =
            if tool == PeerTool::Recording { Some(PerfControl::new(directory.path(), &mut command)?) } else { None };
        let mut running = RunningTool::start(place, &mut command, directory)?;
        match control {
            Some(mut control) => {
                control.enable()?;
                running.until("perf to record", |_| control.acknowledged())?;
            }
            None if tool == PeerTool::Dumping => {
                running.until("tcpdump to capture", |running| Ok(running.err().contains("listening on")))?;
            }
            None => {
                running
                    .until("probes to be attached", |running| Ok(running.out().lines().any(|line| line == "ready")))?;
            }
        }
        Ok(Self { tool, running })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// Waits until it has worked through what it has gathered.
    pub(crate) fn settle(&self) -> Result<()> {
        self.running.settle(if self.tool == PeerTool::Dumping { CAPTURE_TIMEOUT } else { QUIET })
    }

    /// Ends it as Ctrl-C does. Returns what it has seen.
    pub(crate) fn stop(mut self) -> Result<ResetsSeen> {
        self.running.end(Signal::INT)?;
        let (out, err) = (self.running.out(), self.running.err());
        match self.tool {
            PeerTool::Nothing => Ok(ResetsSeen::default()),
            PeerTool::Counting => Ok(output::counted(&out)),
            PeerTool::Printing => Ok(output::printed(&out, &err)),
            PeerTool::Dumping => output::dumped(&err).with_context(|| format!("tcpdump printed no summary:\n{err}")),
            PeerTool::Recording => {
                let data = self.running.directory().join(control::DATA);
                ensure!(data.exists(), "perf recorded nothing and wrote:\n{err}");
                let script = installed("perf")?.args(["script", "-F", "pid", "-i"]).arg(&data).output()?;
                ensure!(script.status.success(), "perf script: {}", String::from_utf8_lossy(&script.stderr));
                Ok(ResetsSeen { resets: output::lines(&String::from_utf8_lossy(&script.stdout)), lost: None })
            }
        }
    }
}

fn installed(program: &str) -> Result<Command> {
    Ok(Command::new(skip::find(program).with_context(|| format!("{program} is not installed"))?))
}
