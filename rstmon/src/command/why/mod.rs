//! `rstmon why`: the diagnosis. Events from the daemon's memory, or watched for a while, become findings.
//!
//! `source` gets events -> `stories` makes one story of the two ends of a RST, and filters -> `findings` groups stories,
//! `noise` sets aside what needs nobody -> `report` is the whole as data (`--json`) -> `page` is it for a person.

mod duration;
mod findings;
mod noise;
mod page;
mod report;
mod source;
mod stories;
#[cfg(test)]
mod testing;

use super::{Failure, cli::WhyArguments, config::Config, filter::Filter, logging, stream};
use jiff::tz::TimeZone;

/// Prints the diagnosis.
pub fn run(arguments: &WhyArguments) -> Result<(), Failure> {
    let filter = Filter::parse(&arguments.filter)?;
    let since = duration::parse(&arguments.since)?;
    let watch_for = arguments.watch_for.as_deref().map(duration::parse).transpose()?;
    let config = Config::load(&arguments.source.config)?;
    logging::start(&config.log);
    let seen = match watch_for {
        Some(span) => source::watch(&config, span)?,
        // Alone there is no past to look at: watch for as long as asked.
        None if arguments.source.standalone => source::watch(&config, since)?,
        None => source::remember(&config, since)?,
    };
    let report = report::Report::new(seen, &filter);
    let text = if arguments.json {
        serde_json::to_string_pretty(&report).map_err(Failure::json)?
    } else {
        page::page(&report, &TimeZone::system(), stream::colour(), stream::width())
    };
    stream::print(&text)
}
