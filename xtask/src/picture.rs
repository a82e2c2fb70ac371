//! `cargo xtask picture`: the picture of `rstmon top` in the README, drawn by rstmon from a recording.

use crate::{process, say, workspace::Workspace};
use anstyle_svg::Term;
use anyhow::{Context as _, bail};
use std::{
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// Resets recorded on a real host with `rstmon tail --json`.
const RECORDING: &str = "docs/top/recording.json";
const PICTURE: &str = "docs/top/top.svg";
/// Size of the terminal, as arguments of tmux.
const COLUMNS: &str = "132";
const ROWS: &str = "28";
/// Several times what the replay takes: five minutes of events at 60 times the speed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Replays the recording in a terminal and writes the final screen as SVG.
pub(crate) fn draw(workspace: &Workspace) -> anyhow::Result<()> {
    process::run(workspace.cargo().args(["build", "--release", "--locked", "--package", "rstmon"]))?;
    let view = format!("'{}' top --replay {RECORDING} --speed 60", workspace.release_binary().display());
    let terminal = TmuxSession::open(&workspace.root, &view)?;
    let screen = terminal.wait("end of the recording")?;
    let picture = Term::new().render_svg(screen.trim_end());
    let path = workspace.root.join(PICTURE);
    fs::write(&path, &picture).with_context(|| format!("cannot write {}", path.display()))?;
    say::line(format_args!("{PICTURE}: {} KiB", picture.len().div_ceil(1024)));
    Ok(())
}

/// A detached tmux server that runs one program; the server is killed on drop.
struct TmuxSession {
    server: String,
}

impl TmuxSession {
    fn open(directory: &Path, program: &str) -> anyhow::Result<Self> {
        let terminal = Self { server: format!("rstmon-picture-{}", std::process::id()) };
        let size = ["-x", COLUMNS, "-y", ROWS];
        // Without the status line; with all colours, whatever terminal this task runs in.
        let mut tmux = terminal.tmux(&["-f", "/dev/null", "new-session", "-d"]);
        tmux.args(size).arg(program).env("TERM", "xterm-256color").env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
        process::run(tmux.current_dir(directory))?;
        process::run(&mut terminal.tmux(&["set", "-g", "status", "off"]))?;
        Ok(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.args(["-L", &self.server]).args(arguments);
        tmux
    }

    /// The screen with its colours, once it contains `text`.
    fn wait(&self, text: &str) -> anyhow::Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = process::output(&mut self.tmux(&["capture-pane", "-e", "-p"]))?;
            if screen.contains(text) {
                return Ok(screen);
            }
            if Instant::now() > deadline {
                bail!("{text:?} does not appear in the view:\n{screen}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for TmuxSession {
    fn drop(&mut self) {
        // The server may have ended already.
        let _ = self.tmux(&["kill-server"]).output();
    }
}
