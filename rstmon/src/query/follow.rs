//! Follows a daemon's events across its restarts, and returns each event once.

use crate::{
    event::{Event, EventIdentity, filter::Filter, line::StreamLine},
    serve::{Client, ClientError, Lines, Past},
    sink::history::HistoryExtent,
};
use futures_util::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

/// The time between two attempts to reach a daemon that went away.
const RETRY: Duration = Duration::from_millis(250);
/// Events come in order, except received ones that waited for the sent event of the same RST; those are late by far
/// less than this.
const DISORDER: SignedDuration = SignedDuration::from_secs(1);
/// How long a daemon may take to repeat the events in its memory. Later events always count as new, so that none is
/// hidden after a clock was set back.
const REPEATING: Duration = Duration::from_secs(10);
/// Limit of the events that are remembered to recognise repeated ones.
const RECENT: usize = 16 * 1024;

#[derive(Debug)]
pub(crate) enum FollowEvent {
    /// The stream from the daemon has begun, or has begun again.
    Attached,
    Event(Box<Event>),
    /// Number of events that are missing because this reader was too slow.
    Lost(u64),
    /// The daemon is gone, or has cut this reader off. The follower keeps trying to connect.
    Gone(Option<ClientError>),
}

pub(crate) struct EventFollower {
    client: Client,
    filter: Filter,
    past: Past,
    lines: Option<Lines>,
    recent: Recent,
    /// When the stream first began.
    attached: Option<Timestamp>,
    /// Whether the current refusal has been reported.
    reported_refusal: bool,
}

impl EventFollower {
    /// Connects, and begins with the events of `past` in the daemon's memory.
    pub(crate) async fn connect(client: Client, filter: Filter, past: Past) -> Result<Self, ClientError> {
        let mut follow = Self::later(client, filter, past);
        follow.lines = Some(follow.client.events(past, &follow.filter).await?);
        follow.attached = Some(Timestamp::now());
        Ok(follow)
    }

    /// As [`connect`](Self::connect), but leaves connecting to [`next`](Self::next), which reports it as
    /// [`FollowEvent::Attached`]. The daemon need not run yet.
    #[must_use]
    pub(crate) fn later(client: Client, filter: Filter, past: Past) -> Self {
        let (lines, recent) = (None, Recent::default());
        Self { client, filter, past, lines, recent, attached: None, reported_refusal: false }
    }

    /// Which events the connected daemon remembers; `None` if it does not say.
    #[must_use]
    pub(crate) fn extent(&self) -> Option<HistoryExtent> {
        self.lines.as_ref()?.extent
    }

    /// Waits for the next event. Cancel safe.
    pub(crate) async fn next(&mut self) -> FollowEvent {
        loop {
            let Some(lines) = &mut self.lines else {
                if let Some(event) = self.reconnect().await {
                    return event;
                }
                continue;
            };
            match lines.try_next().await {
                Ok(Some(line)) => match StreamLine::parse(line.as_bytes()) {
                    Ok(StreamLine::Event(event)) => {
                        if self.recent.is_new(&event) {
                            return FollowEvent::Event(event);
                        }
                    }
                    Ok(StreamLine::Lost(lost)) => return FollowEvent::Lost(lost),
                    Err(error) => tracing::debug!(%error, "the daemon sent a line that this version does not know"),
                },
                Ok(None) => return self.gone(None),
                Err(error) => return self.gone(Some(error)),
            }
        }
    }

    fn gone(&mut self, error: Option<ClientError>) -> FollowEvent {
        self.lines = None;
        FollowEvent::Gone(error)
    }

    async fn reconnect(&mut self) -> Option<FollowEvent> {
        if self.attached.is_some() {
            // A daemon that ends each stream at once is asked again as seldom as one that is not there.
            tokio::time::sleep(RETRY).await;
        }
        // Events since the stream broke are in the daemon's memory, so a resumed stream asks for all of it.
        let last = if self.attached.is_some() { usize::MAX } else { self.past.last };
        match self.client.events(Past { last, ..self.past }, &self.filter).await {
            Ok(lines) => {
                self.lines = Some(lines);
                self.reported_refusal = false;
                match self.attached {
                    Some(attached) => self.recent.resume(attached),
                    None => self.attached = Some(Timestamp::now()),
                }
                return Some(FollowEvent::Attached);
            }
            // A daemon that runs and refuses this reader is reported once.
            Err(error) if !error.is_no_connection() && !self.reported_refusal => {
                self.reported_refusal = true;
                return Some(FollowEvent::Gone(Some(error)));
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
        None
    }
}

/// The last events, to recognise those that a resumed stream repeats.
#[derive(Debug, Default)]
struct Recent {
    newest: Option<Timestamp>,
    last: VecDeque<EventIdentity>,
    resumed: Option<Resumed>,
}

/// The state of the broken stream, kept until the resumed one is past its events.
#[derive(Debug)]
struct Resumed {
    /// Events older than this were returned before, or were not requested.
    since: Timestamp,
    /// Events newer than this cannot have been returned before.
    until: Timestamp,
    /// The events between both times that were returned.
    returned: HashSet<EventIdentity>,
    /// Events after this moment count as new.
    deadline: Instant,
}

impl Recent {
    /// From now on, events may be repeated. Events before `attached` were not requested.
    fn resume(&mut self, attached: Timestamp) {
        let since = self.newest.and_then(|newest| newest.checked_sub(DISORDER).ok());
        self.resumed = Some(Resumed {
            since: since.unwrap_or(attached),
            until: self.newest.unwrap_or(attached).checked_add(DISORDER).unwrap_or(Timestamp::MAX),
            returned: self.last.iter().copied().collect(),
            deadline: Instant::now() + REPEATING,
        });
    }

    fn is_new(&mut self, event: &Event) -> bool {
        let identity = event.identity();
        if let Some(Resumed { since, until, returned, deadline }) = &self.resumed {
            if event.time > *until || Instant::now() > *deadline {
                self.resumed = None;
            } else if event.time < *since || returned.contains(&identity) {
                return false;
            }
        }
        self.newest = self.newest.max(Some(event.time));
        self.last.push_back(identity);
        if self.last.len() > RECENT {
            self.last.pop_front();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Recent};
    use crate::event::testing::event_with;
    use serde_json::json;

    fn event(time: &str, port: u16) -> Event {
        event_with(json!({"time": time, "remote": {"port": port}}))
    }

    #[test]
    fn a_resumed_stream_repeats_nothing_and_misses_nothing() {
        let mut recent = Recent::default();
        let returned = [event("2026-11-21T03:00:00Z", 1), event("2026-11-21T03:00:05Z", 2)];
        assert!(returned.iter().all(|event| recent.is_new(event)));
        recent.resume(returned[0].time);
        assert!(!returned.iter().any(|event| recent.is_new(event)), "both were returned before");
        assert!(recent.is_new(&event("2026-11-21T03:00:04.5Z", 3)), "it had waited for its other end");
        assert!(!recent.is_new(&event("2026-11-21T03:00:03Z", 4)), "it is from before");
        assert!(recent.is_new(&event("2026-11-21T03:00:06Z", 5)));
    }

    #[test]
    fn a_stream_without_events_yet_resumes_where_it_began() {
        let mut recent = Recent::default();
        recent.resume("2026-11-21T03:00:00Z".parse().expect("a time"));
        assert!(!recent.is_new(&event("2026-11-21T02:59:59Z", 1)), "it is from before");
        assert!(recent.is_new(&event("2026-11-21T03:00:00.5Z", 2)));
    }
}
