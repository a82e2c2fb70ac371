//! `rstmon causes`: prints the catalogue of causes.

use super::{Failure, UsageError, cli::CausesArguments};
use crate::{
    explain::{Cause, render},
    host::terminal,
};

pub(super) fn run(arguments: &CausesArguments) -> Result<(), Failure> {
    let (colour, width) = (terminal::colour(), terminal::width());
    let cause: Option<Cause> = arguments.id.as_deref().map(Cause::named).transpose().map_err(UsageError::Cause)?;
    let text = if arguments.markdown {
        render::markdown()
    } else if arguments.output.is_json() {
        let json = match cause {
            Some(cause) => serde_json::to_string_pretty(cause.entry()),
            None => render::json(),
        };
        json.map_err(Failure::json)?
    } else {
        match cause {
            Some(cause) => render::page(cause, colour, width),
            None => render::list(colour, width),
        }
    };
    Ok(terminal::print(&text)?)
}
