//! `rstmon top`: the live view.
//!
//! `feed` tells (a daemon, this process, a recording) -> `state` holds what is shown and how -> `view` draws it; `input`
//! makes keys into actions, which change the state. Only `feed` and `terminal` touch the world.

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
    event::filter::Filter,
    query::duration,
};
use crossterm::event::{self, Event};
use feed::Feed;
use input::{Action, action};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use state::{State, screen::Moved, sort::Sort};
use std::{
    io::{self, IsTerminal as _},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, TryRecvError},
    },
    time::{Duration, Instant},
};
use terminal::Screen;
use tui_input::backend::crossterm::EventHandler as _;
use view::{Regions, Target, columns::columns, look::Look};

/// Ten frames a second, at most.
const FRAME: Duration = Duration::from_millis(100);
/// Updates taken in before the next frame: more than the queue holds, so that a flood cannot stop the drawing.
const UPDATES_A_FRAME: usize = 8192;
/// How long `--once` watches by default.
const ONCE: Duration = Duration::from_secs(1);

/// Shows the view until it is left, or prints it once.
pub(super) fn run(arguments: &TopArguments) -> Result<(), Failure> {
    let filter = Filter::parse(&arguments.filter)?;
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
    let look = Look::of_environment(arguments.ascii);
    if once {
        logging::start(&config.log);
        let feed = feed(arguments, &config, 0.0)?;
        let mut state = State::new(feed.origin.clone(), arguments.group, filter);
        once::gather(&feed, &mut state, span)?;
        return once::print(&state, &look, arguments.json);
    }
    // No log: the terminal belongs to the view, which shows what matters.
    let feed = feed(arguments, &config, arguments.speed)?;
    let state = State::new(feed.origin.clone(), arguments.group, filter);
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

fn feed(arguments: &TopArguments, config: &Config, speed: f64) -> Result<Feed, Failure> {
    if let Some(path) = &arguments.replay {
        return Feed::replay(path.clone(), speed, Filter::default());
    }
    if arguments.source.standalone {
        return Feed::alone(config);
    }
    match Feed::daemon(config) {
        Err(error) if error.is_no_daemon() && !arguments.source.requires_daemon() => Feed::alone(config),
        result => result,
    }
}

/// The running view.
struct View {
    state: State,
    feed: Feed,
    look: Look,
    regions: Regions,
    /// Whether to panic after the first frame.
    #[cfg(feature = "test-switches")]
    panics: bool,
}

/// Whether the view goes on.
enum Then {
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
        let mut screen = Screen::take()?;
        let events = terminal::events()?;
        let mut changed = true;
        let mut drawn = Instant::now();
        while !ended.load(Ordering::Relaxed) {
            changed |= self.take_updates();
            if changed {
                // The next frame is due from where this one began, however long drawing takes.
                drawn = Instant::now();
                self.draw(&mut screen)?;
                changed = false;
                #[cfg(feature = "test-switches")]
                assert!(!self.panics, "asked for by --panic");
            }
            if terminal::is_gone() {
                break;
            }
            // Keys are answered at once, updates at the next frame.
            let wait = (drawn + FRAME).saturating_duration_since(Instant::now());
            let first = match events.recv_timeout(wait) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                // The terminal cannot be read any more.
                Err(RecvTimeoutError::Disconnected) => break,
            };
            for event in first.into_iter().chain(std::iter::from_fn(|| events.try_recv().ok())) {
                changed |= matches!(event, Event::Resize(..));
                // A mouse that only moves asks for nothing.
                if let Some(action) = action(&event, self.state.prompt.is_some()) {
                    changed = true;
                    match self.act(&action) {
                        Then::Continue => {}
                        Then::Redraw => screen.clear()?,
                        Then::Suspend => screen.suspend()?,
                        Then::Quit => return Ok(()),
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
                Err(TryRecvError::Disconnected) => return self.state.feed_died() || taken > 0,
            }
        }
        true
    }

    fn draw(&mut self, screen: &mut Screen) -> Result<(), Failure> {
        self.state.refresh();
        let Self { state, look, regions, .. } = self;
        screen.draw(|frame| *regions = view::draw(frame, state, look, regions))?;
        if let Some(page) = self.state.screens.last_mut() {
            page.clamp(self.regions.most_scroll);
        }
        Ok(())
    }

    fn act(&mut self, action: &Action) -> Then {
        let state = &mut self.state;
        state.notice = None;
        match *action {
            Action::Quit => return Then::Quit,
            Action::Suspend => return Then::Suspend,
            Action::Redraw => return Then::Redraw,
            Action::Help => state.help(),
            Action::Move(how) => state.move_by(how, self.regions.page),
            Action::Open => state.open(),
            Action::Back => drop(state.screens.pop()),
            Action::Group(group) => state.group_by(group),
            Action::NextGroup => state.group_by(state.group.next()),
            Action::SortBeside(step) => {
                let shown: Vec<_> =
                    columns(self.regions.list.width, state.group).into_iter().map(|(it, _)| it).collect();
                state.sort_by(state.sort.beside(step, &shown));
            }
            Action::Invert => state.sort_by(state.sort.inverted()),
            Action::AskFilter => state.ask_for_filter(),
            Action::TakeFilter => state.take_filter(),
            Action::CloseFilter => state.prompt = None,
            Action::Type(ref key) => {
                if let Some(prompt) = &mut state.prompt {
                    prompt.error = None;
                    prompt.input.handle_event(&event::Event::Key(*key));
                }
            }
            Action::Pause => state.pause(),
            Action::Zero => state.zero(),
            Action::Freeze => state.freeze(),
            Action::Click { column, row } => self.click(column, row),
        }
        Then::Continue
    }

    fn click(&mut self, column: u16, row: u16) {
        let state = &mut self.state;
        match self.regions.at(column, row) {
            Some(Target::Heading(column)) if column == state.sort.column => state.sort_by(state.sort.inverted()),
            Some(Target::Heading(column)) => state.sort_by(Sort::by(column)),
            Some(Target::Pane) => state.open(),
            Some(Target::Line(at)) => {
                let before = state.chosen_line();
                let lines = at.cast_signed() - before.cast_signed();
                state.move_by(Moved::Lines(lines), self.regions.page);
                // A click on what is chosen already opens it.
                if lines == 0 {
                    state.open();
                }
            }
            None => {}
        }
    }
}
