//! Following a daemon's events for as long as somebody looks: over its restarts, with nothing told twice.

use crate::{
    model::Direction,
    serve::{
        Client, ClientError, EVENT_SCHEMA, Lines,
        event::{Endpoint, Event},
        filter::Filter,
    },
};
use futures_util::TryStreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, de::Error as _};
use std::{
    collections::{HashSet, VecDeque},
    time::{Duration, Instant},
};

/// How long to wait before a daemon that went away is looked for again.
const RETRY: Duration = Duration::from_millis(250);
/// Events come in order but for those that wait for their other end: far less than this apart.
const DISORDER: SignedDuration = SignedDuration::from_secs(1);
/// How long a daemon may take to tell what it remembers. After that nothing is taken for a repetition: a clock that was
/// set back must not hide what happens now.
const REPEATING: Duration = Duration::from_secs(10);
/// Events that are remembered to tell repeated ones, at most.
const RECENT: usize = 16 * 1024;

/// A line of the socket or of a recording.
#[derive(Debug)]
pub enum Line {
    /// A reset.
    Event(Box<Event>),
    /// Events that are missing at this place.
    Lost {
        /// How many.
        lost: u64,
    },
}

impl Line {
    /// Reads a line; the error is that of an event.
    pub fn parse(line: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Gap {
            lost: u64,
        }
        // Almost all are events: trying them first reads them once, unlike an untagged enum.
        match serde_json::from_slice::<Box<Event>>(line) {
            Ok(event) if event.schema == EVENT_SCHEMA => Ok(Self::Event(event)),
            Ok(event) => Err(serde_json::Error::custom(format_args!("schema {}", event.schema))),
            Err(error) => match serde_json::from_slice(line) {
                Ok(Gap { lost }) => Ok(Self::Lost { lost }),
                Err(_) => Err(error),
            },
        }
    }
}

/// What there is to tell.
#[derive(Debug)]
pub enum Told {
    /// The daemon is there (again).
    Attached,
    /// A reset.
    Event(Box<Event>),
    /// Events that this reader was too slow for.
    Lost(u64),
    /// The daemon is gone, or has cut this reader off; it is looked for until it is back.
    Gone(Option<ClientError>),
}

/// A daemon that is followed.
pub struct Follow {
    client: Client,
    filter: Filter,
    history: usize,
    lines: Option<Lines>,
    recent: Recent,
    /// When it was attached first.
    attached: Option<Timestamp>,
    /// That the daemon refuses was told.
    complained: bool,
}

impl Follow {
    /// Connects; begins with the last `history` events that the daemon remembers.
    pub async fn connect(client: Client, filter: Filter, history: usize) -> Result<Self, ClientError> {
        let mut follow = Self::later(client, filter, history);
        follow.lines = Some(follow.client.events(history, &follow.filter).await?);
        follow.attached = Some(Timestamp::now());
        Ok(follow)
    }

    /// The same, before there is a daemon: it begins with [`Told::Attached`].
    #[must_use]
    pub fn later(client: Client, filter: Filter, history: usize) -> Self {
        let (lines, recent) = (None, Recent::default());
        Self { client, filter, history, lines, recent, attached: None, complained: false }
    }

    /// Waits for what comes next. May be dropped while it waits, and called again.
    pub async fn next(&mut self) -> Told {
        loop {
            let Some(lines) = &mut self.lines else {
                if let Some(told) = self.reconnect().await {
                    return told;
                }
                continue;
            };
            match lines.try_next().await {
                Ok(Some(line)) => match Line::parse(line.as_bytes()) {
                    Ok(Line::Event(event)) => {
                        if self.recent.is_new(&event) {
                            return Told::Event(event);
                        }
                    }
                    Ok(Line::Lost { lost }) => return Told::Lost(lost),
                    Err(error) => tracing::debug!(%error, "the daemon says what this version does not know"),
                },
                Ok(None) => return self.gone(None),
                Err(error) => return self.gone(Some(error)),
            }
        }
    }

    fn gone(&mut self, error: Option<ClientError>) -> Told {
        self.lines = None;
        Told::Gone(error)
    }

    async fn reconnect(&mut self) -> Option<Told> {
        // What happened meanwhile is in the daemon's memory, whatever was wanted of the past at the beginning.
        let history = if self.attached.is_some() { usize::MAX } else { self.history };
        match self.client.events(history, &self.filter).await {
            Ok(lines) => {
                self.lines = Some(lines);
                self.complained = false;
                match self.attached {
                    Some(attached) => self.recent.resume(attached),
                    None => self.attached = Some(Timestamp::now()),
                }
                return Some(Told::Attached);
            }
            // It is there, and will not have this reader: that is news, once.
            Err(error) if !error.is_no_connection() && !self.complained => {
                self.complained = true;
                return Some(Told::Gone(Some(error)));
            }
            Err(_) => {}
        }
        tokio::time::sleep(RETRY).await;
        None
    }
}

/// An event's identity: no two resets share a nanosecond, a direction and both ends.
type Identity = (Timestamp, Direction, Endpoint, Endpoint);

/// The last events, to tell those that a resumed stream repeats.
#[derive(Debug, Default)]
struct Recent {
    newest: Option<Timestamp>,
    last: VecDeque<Identity>,
    resumed: Option<Resumed>,
}

/// What is known of the stream that broke, until the new one is beyond it.
#[derive(Debug)]
struct Resumed {
    /// Events older than this were told, or were not wanted.
    since: Timestamp,
    /// Events newer than this cannot have been told.
    until: Timestamp,
    /// Those between that were.
    told: HashSet<Identity>,
    /// When it is no longer worth asking.
    over: Instant,
}

impl Recent {
    /// From here on, what was told before may be repeated; what happened before `attached` was not wanted.
    fn resume(&mut self, attached: Timestamp) {
        let since = self.newest.and_then(|newest| newest.checked_sub(DISORDER).ok());
        self.resumed = Some(Resumed {
            since: since.unwrap_or(attached),
            until: self.newest.unwrap_or(attached).checked_add(DISORDER).unwrap_or(Timestamp::MAX),
            told: self.last.iter().copied().collect(),
            over: Instant::now() + REPEATING,
        });
    }

    fn is_new(&mut self, event: &Event) -> bool {
        let identity = (event.time, event.direction, event.local, event.remote);
        if let Some(Resumed { since, until, told, over }) = &self.resumed {
            if event.time > *until || Instant::now() > *over {
                self.resumed = None;
            } else if event.time < *since || told.contains(&identity) {
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
    use super::{Event, Line, Recent};

    fn event(time: &str, port: u16) -> Event {
        let end = serde_json::json!({"address": "127.0.0.1", "port": port});
        let event = serde_json::json!({
            "schema": 1, "time": time, "direction": "sent", "reason": "tcp_state", "socket": "full", "local": end,
            "remote": end, "owner": null, "evidence": {}, "cause": "linger_abort", "confidence": "certain",
            "severity": "notice", "sentence": "",
        });
        serde_json::from_value(event).expect("a valid event")
    }

    #[test]
    fn a_resumed_stream_repeats_nothing_and_misses_nothing() {
        let mut recent = Recent::default();
        let told = [event("2026-11-21T03:00:00Z", 1), event("2026-11-21T03:00:05Z", 2)];
        assert!(told.iter().all(|event| recent.is_new(event)));
        recent.resume(told[0].time);
        assert!(!told.iter().any(|event| recent.is_new(event)), "both were told before");
        assert!(recent.is_new(&event("2026-11-21T03:00:04.5Z", 3)), "it had waited for its other end");
        assert!(!recent.is_new(&event("2026-11-21T03:00:03Z", 4)), "it is from before");
        assert!(recent.is_new(&event("2026-11-21T03:00:06Z", 5)));
    }

    #[test]
    fn who_was_told_nothing_yet_learns_what_happened_since() {
        let mut recent = Recent::default();
        recent.resume("2026-11-21T03:00:00Z".parse().expect("a time"));
        assert!(!recent.is_new(&event("2026-11-21T02:59:59Z", 1)), "it is from before");
        assert!(recent.is_new(&event("2026-11-21T03:00:00.5Z", 2)));
    }

    #[test]
    fn lines_are_told_apart() {
        let line = serde_json::to_vec(&event("2026-11-21T03:00:00Z", 1)).expect("JSON");
        assert!(matches!(Line::parse(&line), Ok(Line::Event(_))));
        assert!(matches!(Line::parse(br#"{"schema":1,"lost":3}"#), Ok(Line::Lost { lost: 3 })));
        assert!(Line::parse(br#"{"schema":1}"#).is_err());
        let other = String::from_utf8_lossy(&line).replace("\"schema\":1", "\"schema\":2");
        assert!(Line::parse(other.as_bytes()).is_err(), "what another schema means is not known");
    }
}
