//! The command line: one file or folder a command.

mod accounts;
pub mod causes;
pub mod cli;
pub mod config;
pub mod confine;
pub mod doctor;
mod duration;
pub mod failure;
pub mod follow;
pub mod generate;
pub mod line;
pub mod logging;
pub mod monitor;
pub mod pulse;
pub mod recording;
pub mod run;
pub mod stream;
pub mod tail;
pub mod top;
pub mod why;

pub use cli::Cli;
pub use failure::Failure;

/// Runs the command that was asked for.
pub fn dispatch(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        cli::Command::Run(arguments) => run::run(&arguments),
        cli::Command::Top(arguments) => top::run(&arguments),
        cli::Command::Tail(arguments) => tail::run(&arguments),
        cli::Command::Why(arguments) => why::run(&arguments),
        cli::Command::Doctor(arguments) => doctor::run(&arguments),
        cli::Command::Causes(arguments) => causes::run(&arguments),
        cli::Command::Completions(arguments) => generate::completions(&arguments),
        cli::Command::Man(arguments) => generate::man(&arguments),
    }
}
