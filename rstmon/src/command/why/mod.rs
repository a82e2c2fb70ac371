//! `rstmon why`: the diagnosis. Events from the daemon's memory, watched for a while, or from a recording, become
//! findings.
//!
//! `source` gets events -> `joined` pairs the two events of a RST, and filters -> `noise` sets aside resets that need
//! no action, `findings` groups the others, `counted` knows their exact numbers -> `report` holds all of it as data
//! (`--json`) -> `page` lays it out as text.

mod counted;
mod findings;
mod joined;
mod noise;
mod page;
mod report;
mod source;
#[cfg(test)]
mod testing;

use super::{Failure, UsageError, cli::WhyArguments};
use crate::{
    config::{
        Config,
        logging::{self, LogWay},
    },
    event::filter::Filter,
    host::terminal,
    query::duration,
};
use jiff::tz::TimeZone;
use page::PageLayout;
use source::ObservedResets;
use std::time::Duration;

/// Watches through the daemon where one answers, as `tail` does.
fn watch(arguments: &WhyArguments, config: &Config, span: Duration) -> Result<ObservedResets, Failure> {
    if !arguments.source.standalone {
        match source::follow(config, span) {
            Err(error) if error.is_no_daemon() && !arguments.source.requires_daemon() => {}
            result => return result,
        }
    }
    source::watch(config, span)
}

/// Prints the diagnosis.
pub(super) fn run(arguments: &WhyArguments) -> Result<(), Failure> {
    let filter = Filter::parse(&arguments.filter)?;
    let since = duration::parse(&arguments.since).map_err(UsageError::from)?;
    let watch_for = arguments.watch_for.as_deref().map(duration::parse).transpose().map_err(UsageError::from)?;
    let config = Config::load(&arguments.source.config.overrides())?;
    logging::start(&config.log, LogWay::Direct);
    let seen = match (&arguments.replay, watch_for) {
        (Some(path), _) => source::replay(path)?,
        (None, Some(span)) => watch(arguments, &config, span)?,
        // Alone there is no past to look at: watch for as long as asked.
        (None, None) if arguments.source.standalone => source::watch(&config, since)?,
        (None, None) => source::remember(&config, since)?,
    };
    let report = report::WhyReport::new(seen, &filter);
    let text = if arguments.output.is_json() {
        serde_json::to_string_pretty(&report).map_err(Failure::json)?
    } else {
        let (colour, width, explain) = (terminal::colour(), terminal::width(), arguments.explain);
        page::page(&report, PageLayout { zone: &TimeZone::system(), colour, width, explain })
    };
    Ok(terminal::print(&text)?)
}
