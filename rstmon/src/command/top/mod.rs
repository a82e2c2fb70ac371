//! `rstmon top`: the live view.
//!
//! `feed` sends updates (of a daemon, a probe in this process, a recording) to `state`, which `view` draws. `input`
//! translates keys into actions, which change the state. `session` waits for all of them. Only `feed` and `terminal` do
//! I/O.

mod feed;
mod input;
mod once;
mod session;
mod signals;
mod state;
mod terminal;
#[cfg(test)]
mod testing;
mod view;
mod wake;

use super::{Failure, cli::TopArguments, end_with_reader, failure::UsageError};
use crate::{
    config::{
        Config,
        logging::{self, LogWay},
    },
    event::{filter::Filter, span::TimeSpan},
    host,
    query::{self, duration, recordings::files_and_filter},
};
use feed::Feed;
use session::View;
use state::ViewState;
use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    time::Duration,
};
use view::{Regions, look::Look};

/// How long `--once` watches by default.
const ONCE: Duration = Duration::from_secs(1);

/// Shows the view until the user quits, or prints it once.
pub(super) fn run(arguments: &TopArguments) -> Result<(), Failure> {
    let (recordings, words) = files_and_filter(&arguments.replay, &arguments.filter);
    let filter = Filter::parse(&words)?;
    let texts = arguments.time.texts();
    texts.depend_on_now().map_err(UsageError::from)?;
    if recordings.is_empty() && !texts.is_empty() {
        return Err(UsageError::NoReplay.into());
    }
    let span =
        arguments.watch_for.as_deref().map(duration::parse).transpose().map_err(UsageError::from)?.unwrap_or(ONCE);
    let once = arguments.once || arguments.output.is_json();
    if !arguments.speed.is_finite() || arguments.speed < 0.0 {
        return Err(UsageError::Speed { factor: arguments.speed }.into());
    }
    if !once && (!io::stdin().is_terminal() || !io::stdout().is_terminal()) {
        return Err(UsageError::NoTerminal.into());
    }
    if !once && host::terminal::is_dumb() {
        return Err(UsageError::DumbTerminal.into());
    }
    let config = Config::load(&arguments.source.config.overrides())?;
    let zone = query::zone(arguments.time.utc);
    let played = query::asked(texts, &recordings, &zone)?.span();
    let look = Look::of_environment(arguments.ascii, zone);
    if once {
        logging::start(&config.log, LogWay::Direct);
        let feed = feed(arguments, &config, Replay { recordings, span: played, speed: 0.0 })?;
        end_with_reader()?;
        let mut state = ViewState::new(feed.origin.clone(), arguments.group, filter);
        once::gather(&feed, &mut state, span)?;
        return once::print(&state, &look, arguments.output.is_json());
    }
    // Logging is not started, because it would write over the view.
    let feed = feed(arguments, &config, Replay { recordings, span: played, speed: arguments.speed })?;
    let state = ViewState::new(feed.origin.clone(), arguments.group, filter);
    let view = View {
        state,
        feed,
        look,
        regions: Regions::default(),
        #[cfg(feature = "test-switches")]
        panics: arguments.panic,
    };
    view.show()
}

/// Recordings to play; none for a view of this host.
struct Replay {
    recordings: Vec<PathBuf>,
    span: TimeSpan,
    /// As a multiple of the recorded speed; 0 = all at once.
    speed: f64,
}

fn feed(arguments: &TopArguments, config: &Config, replay: Replay) -> Result<Feed, Failure> {
    let Replay { recordings, span, speed } = replay;
    if !recordings.is_empty() {
        return Feed::replay(recordings, span, speed);
    }
    if arguments.source.standalone {
        return Feed::alone(config);
    }
    match Feed::daemon(config) {
        Err(error) if error.is_no_daemon() && !arguments.source.requires_daemon() => Feed::alone(config),
        result => result,
    }
}
