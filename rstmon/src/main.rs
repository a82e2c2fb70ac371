//! The command `rstmon`.

use std::process::ExitCode;

fn main() -> ExitCode {
    rstmon::run()
}
