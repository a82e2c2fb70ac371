//! A terminal for one test: a shell under tmux, driven by keys, whose screen is read.

use crate::wait;
use anyhow::{Context as _, Result, ensure};
use std::{
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// The prompt of the shell.
const PROMPT: &str = "ready>";

/// A shell in a terminal; both are ended on drop.
#[derive(Debug)]
pub struct Terminal {
    server: String,
}

/// The modes of the terminal, as its program set them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Modes {
    /// Whether the alternate screen is shown.
    pub alternate: bool,
    /// Whether the cursor is visible.
    pub cursor: bool,
    /// Whether mouse events go to the program.
    pub mouse: bool,
}

impl Modes {
    /// The modes under a shell.
    pub const SHELL: Self = Self { alternate: false, cursor: true, mouse: false };
}

impl Terminal {
    /// Opens a terminal of this size with a UTF-8 locale.
    ///
    /// # Errors
    /// When tmux cannot be started; `cargo xtask setup` installs it.
    pub fn open(columns: u16, rows: u16) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let terminal = Self { server: format!("rstmon-test-{}-{number}", std::process::id()) };
        let size = [columns.to_string(), rows.to_string()];
        let shell = format!("PS1='{PROMPT} ' LANG=C.UTF-8 LC_ALL=C.UTF-8 exec sh");
        terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-x", &size[0], "-y", &size[1], &shell])?;
        terminal.wait("the shell", wait::SOON, |screen| screen.contains(PROMPT))?;
        Ok(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Result<Output> {
        let output = Command::new("tmux").args(["-L", &self.server]).args(arguments).output();
        let output = output.context("cannot start tmux; `cargo xtask setup` installs it")?;
        ensure!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output)
    }

    /// Presses keys, as tmux names them: `Enter`, `Down`, `C-c`, or a letter.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        self.tmux(&[&["send-keys", "-t", "0"], keys].concat()).map(drop)
    }

    /// Types a text literally, then Enter.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn enter(&self, text: &str) -> Result<()> {
        self.tmux(&["send-keys", "-t", "0", "-l", text])?;
        self.press(&["Enter"])
    }

    /// The text of the screen, one line for each row.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn screen(&self) -> Result<String> {
        let output = self.tmux(&["capture-pane", "-p", "-t", "0"])?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Waits until the screen fulfils a condition, and returns it.
    ///
    /// # Errors
    /// When it does not in time; the screen is in the message.
    pub fn wait(&self, what: &str, deadline: Duration, is: impl Fn(&str) -> bool) -> Result<String> {
        let mut last = String::new();
        let seen = wait::until(what, deadline, || {
            last = self.screen()?;
            Ok(is(&last).then(|| last.clone()))
        });
        seen.with_context(|| format!("the screen was:\n{last}"))
    }

    /// The current modes of the terminal.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn modes(&self) -> Result<Modes> {
        let format = "#{alternate_on} #{cursor_flag} #{mouse_any_flag}";
        let output = self.tmux(&["display-message", "-p", "-t", "0", format])?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let flags: Vec<bool> = text.split_whitespace().map(|flag| flag == "1").collect();
        let [alternate, cursor, mouse] = flags[..] else { anyhow::bail!("tmux answered {text:?}") };
        Ok(Modes { alternate, cursor, mouse })
    }

    /// The id of the process that runs in the shell.
    ///
    /// # Errors
    /// When there is not exactly one.
    pub fn child(&self) -> Result<u32> {
        let output = self.tmux(&["display-message", "-p", "-t", "0", "#{pane_pid}"])?;
        let shell = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"))?;
        children.trim().parse().with_context(|| format!("the shell's children are {children:?}"))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}
