//! Which side a connection waits for: shared by the stream's deadlines, the admission control and the routes.

use crate::sync::lock;
use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

#[derive(Debug)]
pub(crate) struct ConnectionState {
    /// Absent while the server owes the client an answer.
    waiting_for_client: Mutex<Option<ClientWait>>,
    cut_off: AtomicBool,
}

/// The server waits for the client to send, or to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientWait {
    pub(crate) since: Instant,
    /// Every request was answered, and every answer was read.
    pub(crate) idle: bool,
}

impl Default for ConnectionState {
    /// A client that has just connected and has to send a request.
    fn default() -> Self {
        let waiting_for_client = Mutex::new(Some(ClientWait { since: Instant::now(), idle: false }));
        Self { waiting_for_client, cut_off: AtomicBool::new(false) }
    }
}

impl ConnectionState {
    /// A request's header is complete: from now on the client waits for the server.
    pub(crate) fn wait_for_server(&self) {
        *lock(&self.waiting_for_client) = None;
    }

    /// From now on the server waits for the client.
    pub(crate) fn wait_for_client(&self, idle: bool) {
        *lock(&self.waiting_for_client) = Some(ClientWait { since: Instant::now(), idle });
    }

    /// `None` while the client waits for the server.
    pub(crate) fn client_wait(&self) -> Option<ClientWait> {
        *lock(&self.waiting_for_client)
    }

    /// The client did not read its answer in time: the connection ends.
    pub(crate) fn cut_off(&self) {
        self.cut_off.store(true, Ordering::Relaxed);
    }

    /// Whether the connection ends because of [`Self::cut_off`]. A response body is only dropped and has no other way
    /// to find out why.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.cut_off.load(Ordering::Relaxed)
    }
}
