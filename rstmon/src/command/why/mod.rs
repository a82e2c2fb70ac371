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
    query::{self, duration, recordings::files_and_filter},
};
use jiff::Timestamp;
use page::PageLayout;
use source::ObservedResets;
use std::time::Duration;

/// How far back to look unless a time is given.
const SINCE: Duration = Duration::from_mins(10);

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
    let (recordings, words) = files_and_filter(&arguments.replay, &arguments.filter);
    let filter = Filter::parse(&words)?;
    let texts = arguments.time.texts();
    // A mistake in a time is reported before anything is read.
    texts.depend_on_now().map_err(UsageError::from)?;
    let watch_for = arguments.watch_for.as_deref().map(duration::parse).transpose().map_err(UsageError::from)?;
    let config = Config::load(&arguments.source.config.overrides())?;
    logging::start(&config.log, LogWay::Direct);
    let zone = query::zone(arguments.time.utc);
    // Before the times are read, so that `--until now` is the present.
    let now = Timestamp::now();
    let seen = match watch_for {
        _ if !recordings.is_empty() => source::replay(&recordings, query::asked(texts, &recordings, &zone)?.span())?,
        Some(span) => watch(arguments, &config, span)?,
        // Alone there is no past to look at: watch for as long as asked.
        None if arguments.source.standalone => {
            source::watch(&config, texts.since.map_or(Ok(SINCE), duration::parse).map_err(|_| UsageError::NoPast)?)?
        }
        None => {
            let span = query::asked(texts, &[], &zone)?.or_last(SINCE, now);
            source::remember(&config, span, span.until >= now)?
        }
    };
    let report = report::WhyReport::new(seen, &filter);
    let text = if arguments.output.is_json() {
        serde_json::to_string_pretty(&report).map_err(Failure::json)?
    } else {
        let (colour, width, explain) = (terminal::colour(), terminal::width(), arguments.explain);
        page::page(&report, PageLayout { zone: &zone, colour, width, explain })
    };
    Ok(terminal::print(&text)?)
}
