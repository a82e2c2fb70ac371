//! `rstmon top`: the live view.
//!
//! `feed` sends updates (of a daemon, a probe in this process, a recording) to `state`, which `view` draws. `input`
//! translates keys into actions, which change the state. Only `feed` and `terminal` do I/O.

mod feed;
mod input;
mod once;
mod state;
mod terminal;
#[cfg(test)]
mod testing;
mod view;

use super::{Failure, cli::TopArguments, failure::UsageError};
use crate::{
    config::{Config, logging},
    event::{filter::Filter, span::TimeSpan},
    query::{self, duration, recordings::files_and_filter},
};
use crossterm::event::{self, Event};
use feed::Feed;
use input::{ViewAction, action};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use state::{ViewState, overlay::Movement, sort::Sort};
use std::{
    io::{self, IsTerminal as _},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, TryRecvError},
    },
    time::{Duration, Instant},
};
use terminal::TerminalScreen;
use tui_input::backend::crossterm::EventHandler as _;
use view::{ClickTarget, Regions, columns::columns, look::Look};

/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// Limit of the updates between two frames, so that a flood of updates cannot prevent drawing.
const UPDATES_A_FRAME: usize = 8192;
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
    let once = arguments.once || arguments.json;
    if !arguments.speed.is_finite() || arguments.speed < 0.0 {
        return Err(UsageError::Speed { factor: arguments.speed }.into());
    }
    if !once && (!io::stdin().is_terminal() || !io::stdout().is_terminal()) {
        return Err(UsageError::NoTerminal.into());
    }
    let config = Config::load(&arguments.source.config.overrides())?;
    let zone = query::zone(arguments.time.utc);
    let played = query::asked(texts, &recordings, &zone)?.span();
    let look = Look { zone, ..Look::of_environment(arguments.ascii) };
    if once {
        logging::start(&config.log);
        let feed = feed(arguments, &config, Replay { recordings, span: played, speed: 0.0 })?;
        let mut state = ViewState::new(feed.origin.clone(), arguments.group, filter);
        once::gather(&feed, &mut state, span)?;
        return once::print(&state, &look, arguments.json);
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
        return Feed::replay(recordings, span, speed, Filter::default());
    }
    if arguments.source.standalone {
        return Feed::alone(config);
    }
    match Feed::daemon(config) {
        Err(error) if error.is_no_daemon() && !arguments.source.requires_daemon() => Feed::alone(config),
        result => result,
    }
}

struct View {
    state: ViewState,
    feed: Feed,
    look: Look,
    regions: Regions,
    /// Whether to panic after the first frame.
    #[cfg(feature = "test-switches")]
    panics: bool,
}

enum AfterAction {
    Continue,
    Redraw,
    Suspend,
    Quit,
}

impl View {
    fn show(mut self) -> Result<(), Failure> {
        let ended = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&ended)).map_err(Failure::io("cannot handle signals"))?;
        }
        let mut screen = TerminalScreen::take()?;
        let events = terminal::events()?;
        let mut changed = true;
        let mut drawn = Instant::now();
        while !ended.load(Ordering::Relaxed) {
            changed |= self.take_updates();
            if changed {
                // The next frame is due a fixed time after the beginning of this one, however long drawing takes.
                drawn = Instant::now();
                self.draw(&mut screen)?;
                changed = false;
                #[cfg(feature = "test-switches")]
                assert!(!self.panics, "asked for by --panic");
            }
            if terminal::is_gone() {
                break;
            }
            // Keys take effect at once, updates at the next frame.
            let wait = (drawn + FRAME).saturating_duration_since(Instant::now());
            let first = match events.recv_timeout(wait) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                // The terminal cannot be read any more.
                Err(RecvTimeoutError::Disconnected) => break,
            };
            for event in first.into_iter().chain(std::iter::from_fn(|| events.try_recv().ok())) {
                changed |= matches!(event, Event::Resize(..));
                // Events such as a movement of the mouse cause no action.
                if let Some(action) = action(&event, self.state.prompt.is_some()) {
                    changed = true;
                    match self.act(&action) {
                        AfterAction::Continue => {}
                        AfterAction::Redraw => screen.clear()?,
                        AfterAction::Suspend => screen.suspend()?,
                        AfterAction::Quit => return Ok(()),
                    }
                }
            }
        }
        Ok(())
    }

    fn take_updates(&mut self) -> bool {
        for taken in 0..UPDATES_A_FRAME {
            match self.feed.take() {
                Ok(update) => self.state.absorb(update),
                Err(TryRecvError::Empty) => return taken > 0,
                Err(TryRecvError::Disconnected) => return self.state.feed_ended() || taken > 0,
            }
        }
        true
    }

    fn draw(&mut self, screen: &mut TerminalScreen) -> Result<(), Failure> {
        self.state.refresh();
        let Self { state, look, regions, .. } = self;
        screen.draw(|frame| *regions = view::draw(frame, state, look, regions))?;
        if let Some(page) = self.state.overlays.last_mut() {
            page.clamp(self.regions.most_scroll);
        }
        Ok(())
    }

    fn act(&mut self, action: &ViewAction) -> AfterAction {
        let state = &mut self.state;
        state.notice = None;
        match *action {
            ViewAction::Quit => return AfterAction::Quit,
            ViewAction::Suspend => return AfterAction::Suspend,
            ViewAction::Redraw => return AfterAction::Redraw,
            ViewAction::Help => state.help(),
            ViewAction::Move(how) => state.move_by(how, self.regions.page),
            ViewAction::Open => state.open(),
            ViewAction::Back => drop(state.overlays.pop()),
            ViewAction::Group(group) => state.group_by(group),
            ViewAction::NextGroup => state.group_by(state.group.next()),
            ViewAction::SortBeside(step) => {
                let shown: Vec<_> =
                    columns(self.regions.list.width, state.group).into_iter().map(|(it, _)| it).collect();
                state.sort_by(state.sort.beside(step, &shown));
            }
            ViewAction::Invert => state.sort_by(state.sort.inverted()),
            ViewAction::AskFilter => state.ask_for_filter(),
            ViewAction::TakeFilter => state.take_filter(),
            ViewAction::CloseFilter => state.prompt = None,
            ViewAction::Type(ref key) => {
                if let Some(prompt) = &mut state.prompt {
                    prompt.error = None;
                    prompt.input.handle_event(&event::Event::Key(*key));
                }
            }
            ViewAction::Pause => state.pause(),
            ViewAction::Zero => state.zero(),
            ViewAction::Freeze => state.freeze(),
            ViewAction::Click { column, row } => self.click(column, row),
        }
        AfterAction::Continue
    }

    fn click(&mut self, column: u16, row: u16) {
        let state = &mut self.state;
        match self.regions.at(column, row) {
            Some(ClickTarget::Heading(column)) if column == state.sort.column => state.sort_by(state.sort.inverted()),
            Some(ClickTarget::Heading(column)) => state.sort_by(Sort::by(column)),
            Some(ClickTarget::Pane) => state.open(),
            Some(ClickTarget::Line(at)) => {
                let before = state.chosen_line();
                let lines = at.cast_signed() - before.cast_signed();
                state.move_by(Movement::Lines(lines), self.regions.page);
                // A click on the selected line opens it.
                if lines == 0 {
                    state.open();
                }
            }
            None => {}
        }
    }
}
