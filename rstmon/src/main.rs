//! The command `rstmon`.

use clap::Parser as _;
use rstmon::command::{self, Cli};
use std::process::ExitCode;

fn main() -> ExitCode {
    match command::dispatch(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            #[expect(clippy::print_stderr, reason = "the one place where a failure is told")]
            {
                eprintln!("rstmon: {failure}");
            }
            failure.exit_code()
        }
    }
}
