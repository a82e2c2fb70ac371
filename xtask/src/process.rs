//! Runs other programs; errors name the program and how it ended.

use std::{
    io,
    process::{Command, ExitStatus, Stdio},
};

/// A program could not be started, failed, or printed no text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("cannot start `{command}`")]
    Start {
        command: String,
        #[source]
        source: io::Error,
    },
    /// The program failed. `stderr` is what it wrote, if that was captured; otherwise it is on the terminal.
    #[error("`{command}` failed ({status}){}", indented(.stderr))]
    Failed { command: String, status: ExitStatus, stderr: String },
    #[error("`{command}` printed something that is not UTF-8")]
    NotText { command: String },
}

fn indented(stderr: &str) -> String {
    if stderr.trim().is_empty() { String::new() } else { format!(":\n{}", stderr.trim_end()) }
}

/// Runs `command` on this terminal and waits for its success.
pub(crate) fn run(command: &mut Command) -> Result<(), CommandError> {
    let status = command.status().map_err(|source| CommandError::Start { command: describe(command), source })?;
    succeeded(command, status, "")
}

/// Runs `command` and returns what it printed to standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, CommandError> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|source| CommandError::Start { command: describe(command), source })?;
    succeeded(command, output.status, &String::from_utf8_lossy(&output.stderr))?;
    String::from_utf8(output.stdout).map_err(|_| CommandError::NotText { command: describe(command) })
}

/// `Ok` for a successful status, else an error that says how `command` ended.
pub(crate) fn succeeded(command: &Command, status: ExitStatus, stderr: &str) -> Result<(), CommandError> {
    if status.success() {
        Ok(())
    } else {
        Err(CommandError::Failed { command: describe(command), status, stderr: stderr.to_owned() })
    }
}

/// `command` as it would be typed, without its environment.
pub(crate) fn describe(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_is_standard_output() {
        assert_eq!(output(&mut shell("echo out; echo err >&2")).expect("success"), "out\n");
    }

    #[test]
    fn a_failure_names_the_command_its_status_and_its_stderr() {
        let error = output(&mut shell("echo no luck >&2; exit 3")).expect_err("exit 3").to_string();
        for expected in ["sh -c echo no luck", "exit status: 3", "no luck\n".trim()] {
            assert!(error.contains(expected), "expected `{expected}` in `{error}`");
        }
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let error = run(&mut Command::new("rstmon-no-such-program")).expect_err("no such program");
        assert!(matches!(error, CommandError::Start { .. }), "found {error:?}");
        assert!(error.to_string().contains("rstmon-no-such-program"));
    }
}
