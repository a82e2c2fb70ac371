//! The process behind a socket, and what its silence means.

use super::error::ClientError;
use std::{fs, path::PathBuf, time::Duration};
use tokio::net::UnixStream;

/// How long the daemon may take for the next part of an answer: it answers from memory, so that one which takes longer
/// is stopped, or hangs, or gets no processor time. Live events have no such limit.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// The process that listens on a socket.
#[derive(Clone, Debug)]
pub(super) struct PeerProcess {
    path: PathBuf,
    /// Absent until there is a connection, or if the process is in another pid namespace.
    pid: Option<i32>,
}

impl PeerProcess {
    pub(super) fn behind(path: PathBuf) -> Self {
        Self { path, pid: None }
    }

    pub(super) fn connected(&mut self, stream: &UnixStream) {
        self.pid = stream.peer_cred().ok().and_then(|credentials| credentials.pid()).filter(|pid| *pid > 0);
    }

    /// The error of a process that did not answer within [`PATIENCE`].
    pub(super) fn silent(&self) -> ClientError {
        let path = self.path.clone();
        match self.pid.filter(|pid| is_stopped(*pid)) {
            Some(pid) => ClientError::Stopped { path, pid },
            None => ClientError::Silent { path, seconds: PATIENCE.as_secs() },
        }
    }
}

/// Whether a process was stopped by a signal or a debugger. False where that cannot be known.
fn is_stopped(pid: i32) -> bool {
    // The state follows the name, which is in parentheses and may contain any character (proc_pid_stat(5)).
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('T' | 't'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};

    struct Ended(Child);

    impl Drop for Ended {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_stopped_process_and_a_silent_one_are_distinguished() {
        use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

        let child = Ended(Command::new("sleep").arg("60").spawn().expect("sleep"));
        let pid = child.0.id().cast_signed();
        let silence = || PeerProcess { path: "/s".into(), pid: Some(pid) }.silent();
        assert!(matches!(silence(), ClientError::Silent { .. }), "found {:?}", silence());
        let process = Pid::from_child(&child.0);
        kill_process(process, Signal::STOP).expect("a signal to a child");
        waitpid(Some(process), WaitOptions::UNTRACED).expect("a stopped child");
        let said = silence().to_string();
        assert_eq!(said, format!("the daemon behind /s (process {pid}) is stopped; `kill -CONT {pid}` lets it go on"));
    }
}
