//! The command line: one file or folder for each command.

mod causes;
mod cli;
mod doctor;
mod failure;
mod generate;
mod history;
mod run;
mod suggest;
mod tail;
mod top;
mod why;

use crate::host::terminal::{self, last_note, print_help};
use clap::Parser as _;
use cli::CommandLine;
use failure::{Failure, UsageError};
use std::process::ExitCode;

/// Runs the command that this process's command line names. If it fails, the reason is printed on standard error.
#[must_use]
pub fn run() -> ExitCode {
    let result = match CommandLine::try_parse() {
        Ok(command_line) => dispatch(command_line),
        Err(error) if error.use_stderr() => suggest::with_nearest_command(error).exit(),
        Err(help) => print_help(&help).map_err(Failure::from),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            last_note(&failure.to_string());
            failure.exit_code()
        }
    }
}

/// [`terminal::end_with_reader`], as commands need it.
fn end_with_reader() -> Result<(), Failure> {
    terminal::end_with_reader().map_err(Failure::io("cannot start a thread"))
}

fn dispatch(cli: CommandLine) -> Result<(), Failure> {
    match cli.command {
        cli::Command::Run(arguments) => run::run(&arguments),
        cli::Command::Top(arguments) => top::run(&arguments),
        cli::Command::Tail(arguments) => tail::run(&arguments),
        cli::Command::Why(arguments) => why::run(&arguments),
        cli::Command::History(arguments) => history::run(&arguments),
        cli::Command::Doctor(arguments) => doctor::run(&arguments),
        cli::Command::Causes(arguments) => causes::run(&arguments),
        cli::Command::Completions(arguments) => generate::completions(&arguments),
        cli::Command::Man(arguments) => generate::man(&arguments),
    }
}
