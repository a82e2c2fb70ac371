//! A daemon that is followed: events as they happen, counts twice a second, over its restarts.

use super::{POLL, Teller, Unheard, Update};
use crate::{
    command::{
        Failure,
        follow::{Follow, Told},
        stream,
    },
    serve::{Client, filter::Filter},
};
use std::{path::Path, sync::Arc};
use tokio::time::{MissedTickBehavior, interval};

/// Connects once, so that it is known whether there is a daemon.
pub(super) fn connect(path: &Path) -> Result<impl FnOnce(Teller) -> Result<(), Unheard> + Send + use<>, Failure> {
    let runtime = stream::runtime()?;
    let client = Client::new(path);
    runtime.block_on(client.version())?;
    Ok(move |teller: Teller| {
        runtime.block_on(async {
            tokio::select! {
                end = follow(client.clone(), &teller) => end,
                end = poll(&client, &teller) => end,
            }
        })
    })
}

/// The view filters by itself, so that another filter needs no other connection.
async fn follow(client: Client, teller: &Teller) -> Result<(), Unheard> {
    let mut follow = Follow::later(client, Filter::default(), usize::MAX);
    loop {
        teller.tell(match follow.next().await {
            Told::Attached => Update::Up,
            Told::Event(event) => Update::Event(Arc::from(event)),
            Told::Lost(lost) => Update::Lost(lost),
            Told::Gone(None) => Update::Down("the daemon has stopped".to_owned()),
            Told::Gone(Some(error)) => Update::Down(error.to_string()),
        })?;
    }
}

async fn poll(client: &Client, teller: &Teller) -> Result<(), Unheard> {
    let mut tick = interval(POLL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        match client.snapshot().await {
            Ok(snapshot) => teller.tell(Update::Snapshot(Box::new(snapshot)))?,
            // The stream of events says so, too.
            Err(error) if error.is_no_connection() => {}
            Err(error) => teller.tell(Update::Note(error.to_string()))?,
        }
    }
}
