//! A bare terminal for one program: a pseudoterminal that answers no query, can stop taking output, and can vanish.
//! What the program writes is kept as bytes; [`crate::terminal`] is the terminal whose screen can be read.

use crate::{
    lock, threads,
    wait::{self, LATER, SOON},
};
use anyhow::{Context as _, Result, bail, ensure};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fd::OwnedFd,
    fs::{OFlags, fcntl_setfl},
    io::{Errno, read, write},
    process::{Pid, Resource, Rlimit, Signal, ioctl_tiocsctty, kill_process, setrlimit, setsid},
    pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Action, LocalModes, OptionalActions, Winsize, tcflow, tcgetattr, tcsetattr, tcsetwinsize},
};
use std::{
    fs, io,
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Lines, echo, signals of keys.
const SHELL_MODES: LocalModes = LocalModes::ICANON.union(LocalModes::ECHO).union(LocalModes::ISIG);
/// Ctrl-L, which makes a full-screen program draw everything anew; and how that begins and ends.
pub const REDRAW: &[u8] = b"\x0c";
const CLEAR: &str = "\x1b[2J";
const FRAME_END: &str = "\x1b[?2026l";
/// How often the reader looks whether it has to stop.
const READER_TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
/// A thread that is in the same write for this long is blocked.
const BLOCKED: Duration = Duration::from_millis(200);

/// A program on a pseudoterminal, as the leader of a session; both are ended on drop.
#[derive(Debug)]
pub struct Pty {
    master: Arc<OwnedFd>,
    /// Keeps the terminal and its settings after the end of the program.
    slave: OwnedFd,
    child: Child,
    written: Arc<Mutex<Vec<u8>>>,
    reader: Option<Reader>,
}

#[derive(Debug)]
struct Reader {
    leave: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Pty {
    /// Starts a program on a new terminal of 120 columns and 40 rows, as standard input, output and error. `TERM` is
    /// `xterm-256color` unless the command sets it.
    ///
    /// # Errors
    /// When there is no pseudoterminal or the program cannot be started.
    pub fn start(mut command: Command) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).context("no terminal")?;
        grantpt(&master)?;
        unlockpt(&master)?;
        // A program that does not read must not block the test.
        fcntl_setfl(&master, OFlags::RDWR | OFlags::NONBLOCK)?;
        let slave = ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        tcsetwinsize(&slave, Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 })?;
        if command.get_envs().all(|(name, _)| name != "TERM") {
            command.env("TERM", "xterm-256color");
        }
        command.env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
        for stream in [Command::stdin, Command::stdout, Command::stderr] {
            stream(&mut command, Stdio::from(slave.try_clone()?));
        }
        let own = slave.try_clone()?;
        let prepare = move || -> io::Result<()> {
            setsid()?;
            ioctl_tiocsctty(&own)?;
            // Some signals that tests send would leave a core file.
            setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
            Ok(())
        };
        // SAFETY: between fork and exec it makes three system calls and allocates nothing.
        unsafe { command.pre_exec(prepare) };
        let child = command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        // The command holds copies of the terminal.
        drop(command);
        let mut terminal = Self { master: Arc::new(master), slave, child, written: Arc::default(), reader: None };
        terminal.read();
        Ok(terminal)
    }

    /// Takes what the program writes, from now on.
    pub fn read(&mut self) {
        let leave = Arc::<AtomicBool>::default();
        let (left, master, written) = (Arc::clone(&leave), Arc::clone(&self.master), Arc::clone(&self.written));
        let thread = thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while !left.load(Ordering::Relaxed) {
                let mut polled = [PollFd::new(master.as_ref(), PollFlags::IN)];
                match poll(&mut polled, Some(&READER_TICK)) {
                    Ok(0) | Err(Errno::INTR) => {}
                    Ok(_) => match read(&master, &mut buffer) {
                        Ok(bytes) if bytes > 0 => lock(&written).extend_from_slice(&buffer[..bytes]),
                        Err(Errno::AGAIN | Errno::INTR) => {}
                        Ok(_) | Err(_) => return,
                    },
                    Err(_) => return,
                }
            }
        });
        self.reader = Some(Reader { leave, thread });
    }

    /// Takes no output any more, as a terminal whose connection is stuck.
    pub fn stop_reading(&mut self) {
        if let Some(Reader { leave, thread }) = self.reader.take() {
            leave.store(true, Ordering::Relaxed);
            let _ = thread.join();
        }
    }

    /// Stops the output, as Ctrl-S does.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn stop_output(&self) -> Result<()> {
        Ok(tcflow(&self.slave, Action::OOff)?)
    }

    /// The program's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types these bytes at once.
    ///
    /// # Errors
    /// When the terminal is gone, or the program does not read them.
    pub fn press(&self, bytes: &[u8]) -> Result<()> {
        let (mut rest, started) = (bytes, Instant::now());
        while !rest.is_empty() {
            ensure!(started.elapsed() < wait::patient(LATER), "{} bytes were not read", rest.len());
            let mut polled = [PollFd::new(self.master.as_ref(), PollFlags::OUT)];
            poll(&mut polled, Some(&READER_TICK))?;
            if polled[0].revents().contains(PollFlags::OUT) {
                match write(&self.master, rest) {
                    Ok(written) => rest = &rest[written..],
                    Err(Errno::AGAIN) => wait::pause(),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// What the program has written so far.
    #[must_use]
    pub fn written(&self) -> String {
        String::from_utf8_lossy(&lock(&self.written)).into_owned()
    }

    /// Forgets what the program has written so far.
    pub fn forget(&self) {
        lock(&self.written).clear();
    }

    /// Waits until the program has written a text. Words of a screen may come apart: cells that are blank before and
    /// after are not written again.
    ///
    /// # Errors
    /// When it does not in time, or ends before.
    pub fn wait_for(&mut self, text: &str) -> Result<()> {
        let found = wait::until_true(&format!("{text:?} on the terminal"), SOON, || {
            if self.written().contains(text) {
                return Ok(true);
            }
            match self.child.try_wait()? {
                // The reader may still be at it.
                Some(status) => {
                    wait::pause();
                    if self.written().contains(text) { Ok(true) } else { bail!("the program ended with {status}") }
                }
                None => Ok(false),
            }
        });
        found.with_context(|| format!("it wrote {:?}", self.written()))
    }

    /// Waits until the screen of `rstmon top`, drawn anew as Ctrl-L does, fulfils a condition. Any other frame has only
    /// the cells that have changed.
    ///
    /// # Errors
    /// When it does not in time; the last screen is in the message.
    pub fn wait_for_screen(&self, what: &str, is: impl Fn(&str) -> bool) -> Result<()> {
        let is_whole = |written: &str| written.split_once(CLEAR).is_some_and(|(_, frame)| frame.contains(FRAME_END));
        let found = wait::until_true(what, SOON, || {
            // Not before the program reads keys: the terminal would echo them.
            if self.is_cooked()? {
                return Ok(false);
            }
            self.forget();
            self.press(REDRAW)?;
            wait::until_true("a frame", SOON, || Ok(is_whole(&self.written())))?;
            Ok(is(&self.written()))
        });
        found.with_context(|| format!("it wrote {:?}", self.written()))
    }

    /// Whether a thread of the program is blocked in a write.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn is_blocked(&self) -> Result<bool> {
        let (started, first) = (Instant::now(), writes(self.pid())?);
        while !first.is_empty() && started.elapsed() < BLOCKED {
            wait::pause();
            if writes(self.pid())? != first {
                return Ok(false);
            }
        }
        Ok(!first.is_empty())
    }

    /// Whether the terminal has the settings that a shell needs.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn is_cooked(&self) -> Result<bool> {
        Ok(tcgetattr(&self.slave)?.local_modes.contains(SHELL_MODES))
    }

    /// Gives the terminal the settings of a shell, as a shell does when its job has stopped.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn cook(&self) -> Result<()> {
        let mut settings = tcgetattr(&self.slave)?;
        settings.local_modes |= SHELL_MODES;
        Ok(tcsetattr(&self.slave, OptionalActions::Now, &settings)?)
    }

    /// Sends the program a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// The state of the program: the letter in `/proc/PID/stat`, `T` if it is stopped.
    ///
    /// # Errors
    /// When it has been reaped.
    pub fn state(&self) -> Result<char> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).context("no state")
    }

    /// Waits for the end of the program.
    ///
    /// # Errors
    /// When it goes on; what it wrote is in the message.
    pub fn end(&mut self) -> Result<ExitStatus> {
        let ended = wait::until("the end of the program", SOON, || Ok(self.child.try_wait()?));
        ended.with_context(|| format!("it wrote {:?}", self.written()))
    }

    /// Takes the terminal away, as when a window is closed, and returns how the program ends.
    ///
    /// # Errors
    /// When it goes on.
    pub fn hang_up(mut self) -> Result<ExitStatus> {
        self.stop_reading();
        // The program's end is all that is left of the terminal: the last copy of the master closes it.
        let gone = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        self.master = Arc::new(gone);
        self.end()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.stop_reading();
    }
}

/// The writes that threads of a process are in, with their arguments.
fn writes(pid: u32) -> Result<Vec<String>> {
    let calls = threads::of(pid)?.into_keys().filter_map(|thread| {
        // A thread may have ended meanwhile.
        fs::read_to_string(format!("/proc/{pid}/task/{thread}/syscall")).ok()
    });
    Ok(calls.filter(|call| call.starts_with(&format!("{} ", libc::SYS_write))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_writes_reads_and_is_hung_up() {
        let mut terminal = Pty::start(Command::new("cat")).expect("cat");
        assert!(terminal.is_cooked().expect("settings"));
        terminal.press(b"hello\n").expect("typed");
        // Once as the echo, once by cat.
        terminal.wait_for("hello\r\nhello\r\n").expect("both");
        assert!(!terminal.hang_up().expect("an end").success(), "cat ends by SIGHUP");
    }
}
