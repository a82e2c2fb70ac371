//! The conversation of a scenario about verdicts: requests, answers and pauses between the two ends of a connection.

use crate::{
    actor::{Actor, TcpState},
    connection::Connection,
    netns::NetworkPlace,
    protocol::Fields,
    scene::{Direction, Expected, Scene, Watch},
    sockets::{self, Orphan},
    stage::Stage,
    wait::{self, LATER, SOON},
};
use anyhow::Result;
use std::any::Any;

/// The thresholds that the scenarios about verdicts are made for: [`QUIET_MS`] is idle for a keep-alive, [`SILENT_MS`]
/// a long silence, [`STALE_MS`] later than a race.
pub const THRESHOLDS: &str = "[thresholds]
idle_seconds = 2.0
keepalive_idle_seconds = 0.8
race_window_seconds = 1.0
";

/// Length of a pause after which a connection is idle, but not silent for long, in milliseconds.
pub(crate) const QUIET_MS: u64 = 900;
/// Length of a long silence in milliseconds.
pub(crate) const SILENT_MS: u64 = 2100;
/// Time after a close when the race window, and the second of a farewell, are over, in milliseconds.
pub(crate) const STALE_MS: u64 = 1200;

/// Length of a request that was served.
pub(crate) const REQUEST: u64 = 100;
/// Length of an answer that was read.
pub(crate) const ANSWER: u64 = 200;
/// Length of late payload that is more than a farewell (64 bytes).
pub(crate) const LATE: u64 = 300;
/// Length of a TLS `close_notify`.
pub(crate) const FAREWELL: u64 = 31;

/// Which of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client, which opened the connection.
    Opener,
    /// The server, which accepted it.
    Acceptor,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Opener => Self::Acceptor,
            Self::Acceptor => Self::Opener,
        }
    }

    /// The fact of a verdict at this end.
    pub(crate) fn role(self) -> &'static str {
        match self {
            Self::Opener => "role=opened",
            Self::Acceptor => "role=accepted",
        }
    }
}

/// A connection whose two ends talk.
pub(crate) struct Talk<'a> {
    pub(crate) stage: &'a Stage,
    pub(crate) pair: Connection,
    watches: Vec<(Side, Watch)>,
    kept: Vec<Box<dyn Any + Send>>,
}

impl<'a> Talk<'a> {
    pub(crate) fn open(stage: &'a Stage) -> Result<Self> {
        let mut watches = vec![(Side::Acceptor, Watch::on(stage.server())?)];
        if stage.server().inode()? != stage.client().inode()? {
            watches.push((Side::Opener, Watch::on(stage.client())?));
        }
        Ok(Self { stage, pair: Connection::open(stage)?, watches, kept: Vec::new() })
    }

    pub(crate) fn actor(&mut self, side: Side) -> &mut Actor {
        match side {
            Side::Opener => &mut self.pair.client,
            Side::Acceptor => &mut self.pair.server,
        }
    }

    fn place(&self, side: Side) -> &NetworkPlace {
        match side {
            Side::Opener => self.stage.client(),
            Side::Acceptor => self.stage.server(),
        }
    }

    pub(crate) fn client(&mut self, command: &str) -> Result<Fields> {
        self.pair.client.ask(command)
    }

    pub(crate) fn server(&mut self, command: &str) -> Result<Fields> {
        self.pair.server.ask(command)
    }

    /// The client sends a request, which the server reads.
    pub(crate) fn request(&mut self, bytes: u64) -> Result<()> {
        self.pair.client_writes(bytes)?;
        self.server(&format!("recv c {bytes}")).map(drop)
    }

    /// The server sends an answer, which the client reads.
    pub(crate) fn answer(&mut self, bytes: u64) -> Result<()> {
        self.pair.server_writes(bytes)?;
        self.client(&format!("recv c {bytes}")).map(drop)
    }

    /// A request and its answer.
    pub(crate) fn exchange(&mut self) -> Result<()> {
        self.request(REQUEST)?;
        self.answer(ANSWER)
    }

    /// Waits until no payload has gone either way for so long, by the clocks of one end's socket.
    pub(crate) fn quiet_for(&mut self, side: Side, milliseconds: u64) -> Result<()> {
        let actor = self.actor(side);
        wait::until_true("silence", LATER, || {
            let look = actor.ask("look c")?;
            Ok(look.get::<u64>("last_received_ms")?.min(look.get("last_sent_ms")?) >= milliseconds)
        })
    }

    /// Waits until a connection is idle by the threshold for keep-alive.
    pub(crate) fn quiet(&mut self) -> Result<()> {
        self.quiet_for(Side::Opener, QUIET_MS)
    }

    /// Waits for so long from now on, by the clock of a living socket that receives nothing meanwhile.
    pub(crate) fn later(&mut self, side: Side, milliseconds: u64) -> Result<()> {
        let actor = self.actor(side);
        let start: u64 = actor.ask("look c")?.get("last_received_ms")?;
        wait::until_true("the time to pass", LATER, || {
            Ok(actor.ask("look c")?.get::<u64>("last_received_ms")? >= start + milliseconds)
        })
    }

    /// Closes the socket of one end, with nothing unread, and waits until only its mini socket is left.
    pub(crate) fn close(&mut self, side: Side) -> Result<()> {
        self.actor(side).ask("close c")?;
        self.closed(side)
    }

    /// Waits until only the mini socket of a closed end is left and the other end has its FIN. Until the
    /// acknowledgement, which may be delayed by 200 ms, arrives, the closed end would answer differently.
    pub(crate) fn closed(&mut self, side: Side) -> Result<()> {
        self.actor(side.other()).await_state("c", TcpState::CloseWait)?;
        self.leaves(side, Orphan::Mini)
    }

    /// Waits until the closed socket of an end has become what `orphan` says.
    pub(crate) fn leaves(&self, side: Side, orphan: Orphan) -> Result<()> {
        let (local, remote) = match side {
            Side::Opener => (self.pair.client_address, self.pair.server_address),
            Side::Acceptor => (self.pair.server_address, self.pair.client_address),
        };
        wait::until_true(&format!("the closed socket to be {orphan:?}"), SOON, || {
            Ok(sockets::orphan(self.place(side), local.port(), remote.port())? == orphan)
        })
    }

    /// Closes one end with `SO_LINGER` 0.
    pub(crate) fn abort(&mut self, side: Side) -> Result<()> {
        self.actor(side).ask("set c linger 0")?;
        self.actor(side).ask("close c").map(drop)
    }

    /// One end writes to a connection that the other has closed.
    pub(crate) fn late(&mut self, from: Side, bytes: u64) -> Result<()> {
        self.actor(from).ask(&format!("send c {bytes}")).map(drop)
    }

    /// A reset that one end's kernel sends.
    pub(crate) fn sent(&self, side: Side, reason: &'static str, state: &'static str) -> Expected {
        let end = match side {
            Side::Opener => self.pair.client_end(),
            Side::Acceptor => self.pair.server_end(),
        };
        Expected::sent(&end, reason, state)
    }

    /// The answer of the mini socket that is left of a closed end.
    pub(crate) fn sent_by_mini(&self, side: Side) -> Expected {
        self.sent(side, "tcp_timewait_socket", "time_wait")
    }

    /// The answer of a kernel that has no socket of the connection any more.
    pub(crate) fn sent_by_none(&self, side: Side) -> Expected {
        Expected { state: None, ..self.sent(side, "no_socket", "") }
    }

    /// A reset that one end receives.
    pub(crate) fn received(&self, side: Side, state: &'static str) -> Expected {
        let end = match side {
            Side::Opener => self.pair.client_end(),
            Side::Acceptor => self.pair.server_end(),
        };
        Expected::received(&end, state)
    }

    /// Sends a segment in the name of the end `from`.
    pub(crate) fn forge(&mut self, from: Side, flags: &str, seq: u32, ack: u32, payload: u64) -> Result<()> {
        self.forge_with(from, flags, seq, ack, payload, None)
    }

    /// The same with a value of the timestamps option.
    pub(crate) fn forge_with(
        &mut self,
        from: Side,
        flags: &str,
        seq: u32,
        ack: u32,
        payload: u64,
        stamp: Option<u32>,
    ) -> Result<()> {
        let (client, server) = (self.pair.client_address, self.pair.server_address);
        let (source, target) = if from == Side::Opener { (client, server) } else { (server, client) };
        let stamp = stamp.map_or_else(String::new, |stamp| format!(" {stamp}"));
        self.actor(from).ask(&format!("inject {source} {target} {flags} {seq} {ack} {payload}{stamp}")).map(drop)
    }

    /// Keeps something until the end of the scene.
    pub(crate) fn keep(&mut self, thing: impl Any + Send) {
        self.kept.push(Box::new(thing));
    }

    /// The scene: these resets, and no other.
    pub(crate) fn ends(self, resets: Vec<Expected>) -> Scene {
        let server = self.pair.server_address;
        let alone = self.watches.len() == 1;
        let mut scene = Scene::new(resets);
        for (side, watch) in self.watches {
            let here = |reset: &&Expected| {
                reset.direction == Direction::Sent && (alone || (reset.local == server) == (side == Side::Acceptor))
            };
            let sent = scene.resets.iter().filter(here).count() as u64;
            scene = scene.grew(watch, &[("OutRsts", sent)]);
        }
        scene.keep(self.pair).keep(self.kept)
    }
}
