//! The feed of a recording: its events in their order and with their intervals.

use super::{FeedSender, POLL, Update, ViewClosed, recorded::Recorded};
use crate::{
    command::Failure,
    event::{Event, line::StreamLine, recording::RecordingError, span::TimeSpan},
    query::recordings::Recordings,
};
use jiff::{SignedDuration, Timestamp};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Reads up to the first event, so that the command fails at once if there is none.
pub(super) fn read(
    mut recordings: Recordings,
    speed: f64,
) -> Result<impl FnOnce(FeedSender) -> Result<(), ViewClosed> + Send + use<>, Failure> {
    let first = recordings.next_line()?;
    if let (None, Some(TimeSpan { since, until })) = (&first, recordings.extent()) {
        return Err(RecordingError::NotInSpan { since, until }.into());
    }
    Ok(move |sender: FeedSender| {
        let mut player =
            Player { recorded: Recorded::default(), begun: Instant::now(), shown: Instant::now(), speed, sender };
        player.sender.send(Update::Up)?;
        let mut line: Result<_, RecordingError> = Ok(first);
        let failed = loop {
            match line {
                Ok(Some(StreamLine::Event(event))) => player.play(Arc::from(event))?,
                Ok(Some(StreamLine::Lost(lost))) => player.recorded.lose(lost),
                Ok(None) => break None,
                Err(error) => break Some(Update::Note(error.to_string())),
            }
            line = recordings.next_line();
        };
        player.snapshot(Timestamp::MIN)?;
        for note in failed.into_iter().chain(recordings.complaints().iter().cloned().map(Update::Note)) {
            player.sender.send(note)?;
        }
        player.sender.send(Update::Ended)
    })
}

struct Player {
    recorded: Recorded,
    begun: Instant,
    /// When the last snapshot was sent.
    shown: Instant,
    speed: f64,
    sender: FeedSender,
}

impl Player {
    fn play(&mut self, event: Arc<Event>) -> Result<(), ViewClosed> {
        if let (Some(first), true) = (self.recorded.first(), self.speed > 0.0) {
            let due = event.time.duration_since(first).as_secs_f64() / self.speed;
            let due = self.begun + Duration::try_from_secs_f64(due.max(0.0)).unwrap_or(Duration::MAX / 4);
            while let Some(wait) = due.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
                std::thread::sleep(wait.min(POLL));
                self.snapshot_of_now(first)?;
            }
        }
        self.recorded.push(&event);
        self.sender.send(Update::Event(event))?;
        // At speed 0 the counts are sent once, at the end; otherwise every `POLL`, even while events come fast.
        match self.recorded.first() {
            Some(first) if self.speed > 0.0 => self.snapshot_of_now(first),
            _ => Ok(()),
        }
    }

    /// Sends the counts of the present time of the replay, at most once in each `POLL`.
    fn snapshot_of_now(&mut self, first: Timestamp) -> Result<(), ViewClosed> {
        if self.shown.elapsed() < POLL {
            return Ok(());
        }
        let passed = SignedDuration::try_from_secs_f64(self.begun.elapsed().as_secs_f64() * self.speed);
        let now = passed.ok().and_then(|passed| first.checked_add(passed).ok()).unwrap_or(Timestamp::MAX);
        self.snapshot(now)
    }

    fn snapshot(&mut self, now: Timestamp) -> Result<(), ViewClosed> {
        self.shown = Instant::now();
        match self.recorded.snapshot(now) {
            Some(snapshot) => self.sender.send(Update::Snapshot(Box::new(snapshot))),
            None => Ok(()),
        }
    }
}
