//! Child processes: where they are started, and how they end.

use crate::{netns::NetworkPlace, wait};
use anyhow::{Result, bail};
use rustix::{
    process::{Pid, Signal, getpid, kill_process, set_parent_process_death_signal},
    thread::{LinkNameSpaceType, gettid, move_into_link_name_space},
};
use std::{
    io,
    os::{fd::AsFd as _, unix::process::CommandExt as _},
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

/// Starts `command` in a network namespace, by the calling thread.
///
/// A child that the main thread starts gets SIGTERM from the kernel when this process ends, also when it is killed. The
/// kernel sends that signal when the thread that forked ends (`PR_SET_PDEATHSIG`), so that children of other threads
/// cannot have it.
///
/// # Errors
/// When the namespace cannot be opened or the program cannot be started.
pub fn spawn(place: &NetworkPlace, command: &mut Command) -> Result<Child> {
    let namespace = place.open()?;
    let bound = gettid() == getpid();
    let prepare = move || -> io::Result<()> {
        if let Some(namespace) = &namespace {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        }
        if bound {
            set_parent_process_death_signal(Some(Signal::TERM))?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes two system calls and allocates nothing.
    unsafe { command.pre_exec(prepare) };
    Ok(command.spawn()?)
}

/// Sends a signal to a child and waits for its end. Unlike [`wait::until`] this goes on after an interruption: it is
/// for cleaning up.
///
/// # Errors
/// When the signal cannot be sent or the child has not ended after `deadline`.
pub fn end(child: &mut Child, signal: Signal, deadline: Duration) -> Result<ExitStatus> {
    // Not reaped yet, so the process id cannot be another process'.
    if let Some(status) = child.try_wait()? {
        return Ok(status);
    }
    kill_process(Pid::from_child(child), signal)?;
    let (sent, deadline) = (Instant::now(), wait::patient(deadline));
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if sent.elapsed() > deadline {
            bail!("process {} has not ended {deadline:?} after {signal:?}", child.id());
        }
        wait::pause();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::SOON;
    use std::os::unix::process::ExitStatusExt as _;

    #[test]
    fn a_child_ends_by_the_signal_that_it_gets() {
        let mut child = spawn(&NetworkPlace::Host, Command::new("sleep").arg("60")).expect("sleep");
        let status = end(&mut child, Signal::TERM, SOON).expect("an end");
        assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
        assert_eq!(end(&mut child, Signal::TERM, SOON).expect("the same end"), status);
    }
}
