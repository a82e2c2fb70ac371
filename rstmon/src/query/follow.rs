//! Following a daemon's events: over its restarts, without a repetition.

use crate::{
    event::{Endpoint, Event, filter::Filter, line::StreamLine},
    model::Direction,
    serve::{Client, ClientError, Lines},
};
use futures_util::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

/// The time between two attempts to reach a daemon that went away.
const RETRY: Duration = Duration::from_millis(250);
/// Events come in order, except those that waited for their other end: they are late by far less than this.
const DISORDER: SignedDuration = SignedDuration::from_secs(1);
/// How long a daemon may take to repeat what it remembers. Later events are never taken for a repetition: after a clock
/// was set back, new events must not be hidden.
const REPEATING: Duration = Duration::from_secs(10);
/// Events that are remembered to recognise repeated ones, at most.
const RECENT: usize = 16 * 1024;

/// What happens to a stream that is followed.
#[derive(Debug)]
pub(crate) enum FollowEvent {
    /// The stream from the daemon has begun, or has begun again.
    Attached,
    /// A reset.
    Event(Box<Event>),
    /// So many events are missing because this reader was too slow.
    Lost(u64),
    /// The daemon is gone, or has cut this reader off. Connecting is tried again until it works.
    Gone(Option<ClientError>),
}

/// A daemon that is followed.
pub(crate) struct Follow {
    client: Client,
    filter: Filter,
    history: usize,
    lines: Option<Lines>,
    recent: Recent,
    /// When the stream first began.
    attached: Option<Timestamp>,
    /// Whether the current refusal has been reported.
    reported_refusal: bool,
}

impl Follow {
    /// Connects; begins with the last `history` events that the daemon remembers.
    pub(crate) async fn connect(client: Client, filter: Filter, history: usize) -> Result<Self, ClientError> {
        let mut follow = Self::later(client, filter, history);
        follow.lines = Some(follow.client.events(history, &follow.filter).await?);
        follow.attached = Some(Timestamp::now());
        Ok(follow)
    }

    /// The same, before there is a daemon: the first event is [`FollowEvent::Attached`].
    #[must_use]
    pub(crate) fn later(client: Client, filter: Filter, history: usize) -> Self {
        let (lines, recent) = (None, Recent::default());
        Self { client, filter, history, lines, recent, attached: None, reported_refusal: false }
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
                    Err(error) => tracing::debug!(%error, "the daemon says what this version does not know"),
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
        // Events of the meantime are in the daemon's memory: ask for all of it, however much was asked for at first.
        let history = if self.attached.is_some() { usize::MAX } else { self.history };
        match self.client.events(history, &self.filter).await {
            Ok(lines) => {
                self.lines = Some(lines);
                self.reported_refusal = false;
                match self.attached {
                    Some(attached) => self.recent.resume(attached),
                    None => self.attached = Some(Timestamp::now()),
                }
                return Some(FollowEvent::Attached);
            }
            // The daemon is there and refuses this reader: that is reported once.
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

/// An event's identity: no two resets share a nanosecond, a direction and both ends.
type Identity = (Timestamp, Direction, Endpoint, Endpoint);

/// The last events, to recognise those that a resumed stream repeats.
#[derive(Debug, Default)]
struct Recent {
    newest: Option<Timestamp>,
    last: VecDeque<Identity>,
    resumed: Option<Resumed>,
}

/// What is known of the stream that broke, until the new one is beyond it.
#[derive(Debug)]
struct Resumed {
    /// Events older than this were returned before, or were not asked for.
    since: Timestamp,
    /// Events newer than this cannot have been returned before.
    until: Timestamp,
    /// The events between that were returned.
    returned: HashSet<Identity>,
    /// When the comparison ends, whatever comes.
    deadline: Instant,
}

impl Recent {
    /// From here on, events may be repeated; events before `attached` were not asked for.
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
        let identity = (event.time, event.direction, event.local, event.remote);
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
