//! A session of the view: waits for keys, signals, updates and the terminal at once, and draws when something has
//! changed. While nothing changes, it sleeps.

use super::{
    feed::Feed,
    input::{ViewAction, action},
    signals::{ViewSignal, ViewSignals},
    state::{ViewState, overlay::Movement, sort::Sort},
    terminal::{self, TerminalScreen},
    view::{self, ClickTarget, Regions, columns::columns, look::Look},
    wake::ViewWaker,
};
use crate::command::Failure;
use crossterm::event::Event;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};
use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};

/// The shortest time between two frames.
const FRAME: Duration = Duration::from_millis(100);
/// Limit of the updates between two frames, so that a flood of updates cannot prevent drawing.
const UPDATES_A_FRAME: usize = 8192;

pub(super) struct View {
    pub(super) state: ViewState,
    pub(super) feed: Feed,
    pub(super) look: Look,
    pub(super) regions: Regions,
    /// Whether to panic after the first frame.
    #[cfg(feature = "test-switches")]
    pub(super) panics: bool,
}

/// What the session waits for besides the updates.
struct Wakeups<'a> {
    signals: &'a ViewSignals,
    /// Woken by keys and by frames that have reached the terminal.
    waker: Arc<ViewWaker>,
    keys: Receiver<Event>,
}

enum AfterAction {
    Continue,
    Redraw,
    Suspend,
    Quit,
}

#[derive(Clone, Copy, Debug, Default)]
struct TakenUpdates {
    updates: usize,
    /// Whether what is shown may have changed.
    changed: bool,
}

/// What a batch of keys has done.
enum AfterKeys {
    Unchanged,
    Changed,
    Quit,
}

impl View {
    pub(super) fn show(mut self) -> Result<(), Failure> {
        // Dropped last, when the terminal has been given back.
        let signals = ViewSignals::catch().map_err(Failure::io("cannot handle signals"))?;
        let waker = Arc::new(ViewWaker::new().map_err(Failure::io("cannot make an eventfd"))?);
        let mut screen = TerminalScreen::take(Arc::clone(&waker))?;
        let keys = terminal::events(Arc::clone(&waker))?;
        let wakeups = Wakeups { signals: &signals, waker, keys };
        let (mut changed, mut next_frame) = (true, Instant::now());
        loop {
            match wakeups.signals.take() {
                Some(ViewSignal::End) => return Ok(()),
                Some(ViewSignal::Default(signal)) => {
                    drop(screen);
                    return signal_hook::low_level::emulate_default_handler(signal)
                        .map_err(Failure::io("cannot end by a signal"));
                }
                Some(ViewSignal::Suspend) => TerminalScreen::suspend()?,
                Some(ViewSignal::Resume) => {
                    screen.resume()?;
                    changed = true;
                }
                None => {}
            }
            match self.take_keys(&wakeups.keys, &mut screen)? {
                AfterKeys::Quit => return Ok(()),
                // Keys take effect at once, updates at the next frame.
                AfterKeys::Changed => (changed, next_frame) = (true, Instant::now()),
                AfterKeys::Unchanged => {}
            }
            if !screen.is_there()? {
                return Ok(());
            }
            let now = Instant::now();
            if now >= next_frame {
                let taken = self.take_updates();
                changed |= taken.changed;
                let draws = changed && screen.is_ready();
                if draws {
                    self.draw(&mut screen)?;
                    changed = false;
                    #[cfg(feature = "test-switches")]
                    assert!(!self.panics, "asked for by --panic");
                }
                if taken.updates > 0 || draws {
                    // A fixed time after the beginning of this frame, however long drawing takes.
                    next_frame = now + FRAME;
                }
            }
            if !self.wait(&wakeups, next_frame)? {
                return Ok(());
            }
        }
    }

    /// Waits for something to do. Returns false if the terminal is gone, so that no key can arrive any more.
    fn wait(&self, Wakeups { signals, waker, keys: _ }: &Wakeups<'_>, next_frame: Instant) -> Result<bool, Failure> {
        let (stdin, updates) = (io::stdin(), self.feed.waker());
        let until_frame = next_frame.saturating_duration_since(Instant::now());
        let mut polled = [
            // HUP, ERR and NVAL are always reported.
            PollFd::new(&stdin, PollFlags::empty()),
            PollFd::new(*signals, PollFlags::IN),
            PollFd::new(waker.as_ref(), PollFlags::IN),
            PollFd::new(updates, PollFlags::IN),
        ];
        // Until the next frame, updates may wait; without a limit they would wake this thread for each of them.
        let (polled, limit) = if until_frame.is_zero() {
            (&mut polled[..], None)
        } else {
            (&mut polled[..3], Timespec::try_from(until_frame).ok())
        };
        match poll(polled, limit.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Failure::io("cannot wait for the terminal")(error.into())),
        }
        waker.reset();
        Ok(!polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL))
    }

    /// Does what the keys ask for that have arrived.
    fn take_keys(&mut self, keys: &Receiver<Event>, screen: &mut TerminalScreen) -> Result<AfterKeys, Failure> {
        let mut after = AfterKeys::Unchanged;
        loop {
            let event = match keys.try_recv() {
                Ok(event) => event,
                Err(TryRecvError::Empty) => return Ok(after),
                // The terminal cannot be read any more.
                Err(TryRecvError::Disconnected) => return Ok(AfterKeys::Quit),
            };
            if matches!(event, Event::Resize(..)) {
                after = AfterKeys::Changed;
            }
            // Events such as a movement of the mouse cause no action.
            let Some(action) = action(&event, self.state.prompt.is_some()) else { continue };
            after = AfterKeys::Changed;
            match self.act(&action) {
                AfterAction::Continue => {}
                AfterAction::Redraw => screen.clear()?,
                AfterAction::Suspend => TerminalScreen::suspend()?,
                AfterAction::Quit => return Ok(AfterKeys::Quit),
            }
        }
    }

    /// Takes the updates that have arrived.
    fn take_updates(&mut self) -> TakenUpdates {
        self.feed.waker().reset();
        let mut taken = TakenUpdates::default();
        while taken.updates < UPDATES_A_FRAME {
            match self.feed.take() {
                Ok(update) => {
                    taken.updates += 1;
                    taken.changed |= self.state.absorb(update);
                }
                Err(TryRecvError::Empty) => return taken,
                Err(TryRecvError::Disconnected) => {
                    taken.changed |= self.state.feed_ended();
                    return taken;
                }
            }
        }
        // There may be more.
        self.feed.waker().wake();
        taken
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
                    prompt.press(*key);
                }
            }
            ViewAction::Paste(ref text) => state.paste(text),
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
