//! A recording, told again in the order and at the pace of its events.

use super::{POLL, Teller, Unheard, Update, recorded::Recorded};
use crate::{
    command::{Failure, follow::Line, recording::Recording},
    serve::{event::Event, filter::Filter},
};
use jiff::{SignedDuration, Timestamp};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Reads up to the first event, so that a file that is no recording is told of at once.
pub(super) fn read(
    mut recording: Recording,
    speed: f64,
    filter: Filter,
) -> Result<impl FnOnce(Teller) -> Result<(), Unheard> + Send + use<>, Failure> {
    let first = next(&mut recording, &filter)?;
    Ok(move |teller: Teller| {
        let mut player =
            Player { recorded: Recorded::default(), begun: Instant::now(), told: Instant::now(), speed, teller };
        player.teller.tell(Update::Up)?;
        let mut line: Result<_, Failure> = Ok(first);
        let failed = loop {
            match line {
                Ok(Some(Line::Event(event))) => player.play(Arc::from(event))?,
                Ok(Some(Line::Lost { lost })) => player.recorded.lose(lost),
                Ok(None) => break None,
                Err(error) => break Some(Update::Note(error.to_string())),
            }
            line = next(&mut recording, &filter);
        };
        player.snapshot(Timestamp::MIN)?;
        for note in failed.into_iter().chain(recording.complaint().map(Update::Note)) {
            player.teller.tell(note)?;
        }
        player.teller.tell(Update::Ended)
    })
}

/// The next line that matters to somebody who looks through a filter.
fn next(recording: &mut Recording, filter: &Filter) -> Result<Option<Line>, Failure> {
    loop {
        match recording.next_line()? {
            Some(Line::Event(event)) if !filter.matches(&*event) => {}
            line => return Ok(line),
        }
    }
}

struct Player {
    recorded: Recorded,
    begun: Instant,
    /// When the last snapshot was told.
    told: Instant,
    speed: f64,
    teller: Teller,
}

impl Player {
    fn play(&mut self, event: Arc<Event>) -> Result<(), Unheard> {
        if let (Some(first), true) = (self.recorded.first(), self.speed > 0.0) {
            let due = event.time.duration_since(first).as_secs_f64() / self.speed;
            let due = self.begun + Duration::try_from_secs_f64(due.max(0.0)).unwrap_or(Duration::MAX / 4);
            while let Some(wait) = due.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
                std::thread::sleep(wait.min(POLL));
                self.snapshot_of_now(first)?;
            }
        }
        self.recorded.push(&event);
        self.teller.tell(Update::Event(event))?;
        // At once, the counts are told in the end; otherwise now and then, also while events come fast.
        match self.recorded.first() {
            Some(first) if self.speed > 0.0 => self.snapshot_of_now(first),
            _ => Ok(()),
        }
    }

    /// The recording's clock runs while nothing happens in it.
    fn snapshot_of_now(&mut self, first: Timestamp) -> Result<(), Unheard> {
        if self.told.elapsed() < POLL {
            return Ok(());
        }
        let passed = SignedDuration::try_from_secs_f64(self.begun.elapsed().as_secs_f64() * self.speed);
        let now = passed.ok().and_then(|passed| first.checked_add(passed).ok()).unwrap_or(Timestamp::MAX);
        self.snapshot(now)
    }

    fn snapshot(&mut self, now: Timestamp) -> Result<(), Unheard> {
        self.told = Instant::now();
        match self.recorded.snapshot(now) {
            Some(snapshot) => self.teller.tell(Update::Snapshot(Box::new(snapshot))),
            None => Ok(()),
        }
    }
}
