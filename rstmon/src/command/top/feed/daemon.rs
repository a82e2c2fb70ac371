//! The feed of a daemon: events as they happen and counts twice a second, across its restarts.

use super::{FeedSender, POLL, Update, ViewClosed};
use crate::{
    command::Failure,
    event::filter::Filter,
    query::{
        self,
        follow::{EventFollower, FollowEvent},
    },
    serve::{Client, Past},
};
use jiff::Timestamp;
use std::{path::Path, sync::Arc};
use tokio::time::{MissedTickBehavior, interval};

/// Connects once, so that the command fails at once if no daemon runs.
pub(super) fn connect(
    path: &Path,
) -> Result<impl FnOnce(FeedSender) -> Result<(), ViewClosed> + Send + use<>, Failure> {
    let runtime = query::runtime()?;
    let client = Client::new(path);
    runtime.block_on(client.version())?;
    Ok(move |sender: FeedSender| {
        runtime.block_on(async {
            tokio::select! {
                end = follow(client.clone(), &sender) => end,
                end = poll(&client, &sender) => end,
            }
        })
    })
}

/// Follows the events without a filter. The view filters them itself, so that changing its filter needs no new
/// connection.
async fn follow(client: Client, sender: &FeedSender) -> Result<(), ViewClosed> {
    let mut follow = EventFollower::later(client, Filter::default(), Past { last: usize::MAX, since: Timestamp::MIN });
    loop {
        sender.send(match follow.next().await {
            FollowEvent::Attached => Update::Up,
            FollowEvent::Event(event) => Update::Event(Arc::from(event)),
            FollowEvent::Lost(lost) => Update::Lost(lost),
            FollowEvent::Gone(None) => Update::Down("the daemon has stopped".to_owned()),
            FollowEvent::Gone(Some(error)) => Update::Down(error.to_string()),
        })?;
    }
}

async fn poll(client: &Client, sender: &FeedSender) -> Result<(), ViewClosed> {
    let mut tick = interval(POLL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut has_answered, mut is_down) = (false, false);
    loop {
        tick.tick().await;
        match client.snapshot().await {
            Ok(snapshot) => {
                has_answered = true;
                if std::mem::take(&mut is_down) {
                    sender.send(Update::Up)?;
                }
                sender.send_counts(snapshot)?;
            }
            // The end of a stream of events that has begun is reported by `follow`.
            Err(error) if error.is_no_connection() && has_answered => {}
            // A stream that never began has no end, nor has that of a stopped daemon, which keeps its connections.
            Err(error) if error.is_no_connection() || error.is_no_answer() => {
                if !std::mem::replace(&mut is_down, true) {
                    sender.send(Update::Down(error.to_string()))?;
                }
            }
            Err(error) => sender.send(Update::Note(error.to_string()))?,
        }
    }
}
