//! `rstmon why`: the diagnosis. Events from the daemon's memory, or watched for a while, become findings.

mod findings;
mod page;
mod report;
mod source;

use super::{Failure, cli::WhyArguments, config::Config, failure::UsageError, filter::Filter, logging, stream};
use jiff::SignedDuration;
use std::time::Duration;

/// Prints the diagnosis.
pub fn run(arguments: &WhyArguments) -> Result<(), Failure> {
    let filter = Filter::parse(&arguments.filter)?;
    let since = duration(&arguments.since)?;
    let watch_for = arguments.watch_for.as_deref().map(duration).transpose()?;
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
        serde_json::to_string_pretty(&report)
            .map_err(|error| Failure::Io { what: "cannot write JSON", source: error.into() })?
    } else {
        page::page(&report, stream::colour(), stream::width())
    };
    stream::print(&text)
}

/// `30s`, `10m`, `2h`, `1h 30m`.
fn duration(text: &str) -> Result<Duration, Failure> {
    let wrong = || UsageError::Duration { text: text.to_owned() };
    let duration: SignedDuration = text.parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(duration).map_err(|_| wrong())?;
    if duration.is_zero() { Err(wrong().into()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn durations_are_written_as_people_write_them() {
        for (text, seconds) in [("30s", 30), ("10m", 600), ("2h", 7200), ("1h 30m", 5400), ("1m30s", 90)] {
            assert_eq!(duration(text).ok(), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_told() {
        for text in ["", "soon", "-5m", "0s", "10"] {
            let error = duration(text).map_or_else(|error| error.to_string(), |found| format!("accepted as {found:?}"));
            assert_eq!(error, format!("{text:?} is no duration; write it like 30s, 10m or 2h"));
        }
    }
}
