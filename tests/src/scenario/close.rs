//! A normal close that causes a reset because received data was not read.

use super::abort::UNREAD;
use crate::{
    connection::Connection,
    scene::{Expected, ExpectedNumber, Scene, Watch},
    stage::Stage,
};
use anyhow::Result;

/// A server closes without having read what the client sent.
///
/// # Errors
/// When a step fails.
pub fn with_unread_data(stage: &Stage) -> Result<Scene> {
    let (server_watch, client_watch) = (Watch::on(stage.server())?, Watch::on(stage.client())?);
    let one_namespace = stage.server().inode()? == stage.client().inode()?;
    let mut pair = Connection::open(stage)?;
    pair.client_writes(UNREAD)?;
    pair.server.ask("close c")?;
    let scene = Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_abort_on_close", "established")
            .because("closed_with_unread_data", "certain")
            .with("unread_bytes", ExpectedNumber::Exactly(UNREAD))
            .with("received_bytes", ExpectedNumber::Exactly(UNREAD)),
        Expected::received(&pair.client_end(), "established")
            .because("request_reset", "likely")
            .with("sent_bytes", ExpectedNumber::Exactly(UNREAD)),
    ]);
    let errno = pair.client.refused("recv c 1")?;
    let both = u64::from(one_namespace);
    let server = [("OutRsts", 1), ("TCPAbortOnClose", 1), ("EstabResets", 1 + both)];
    let client = [("OutRsts", both), ("TCPAbortOnClose", both), ("EstabResets", 1 + both)];
    Ok(scene.grew(server_watch, &server).grew(client_watch, &client).saw(libc::ECONNRESET, errno).keep(pair))
}

/// The same while the client is in the middle of a long write: it has unsent data when the reset arrives.
///
/// # Errors
/// When a step fails.
pub(crate) fn with_unread_data_while_peer_writes(stage: &Stage) -> Result<Scene> {
    let watch = Watch::on(stage.server())?;
    let mut pair = Connection::open(stage)?;
    pair.client.ask("fill c")?;
    pair.server.ask("close c")?;
    Ok(Scene::new(vec![
        Expected::sent(&pair.server_end(), "tcp_abort_on_close", "established")
            .because("closed_with_unread_data", "certain")
            .with("unread_bytes", ExpectedNumber::AtLeast(1)),
        Expected::received(&pair.client_end(), "established")
            .because("request_reset", "likely")
            .with("unsent_bytes", ExpectedNumber::AtLeast(1)),
    ])
    .grew(watch, &[("OutRsts", 1), ("TCPAbortOnClose", 1), ("EstabResets", 2)])
    .saw(libc::ECONNRESET, pair.client.refused("send c 1")?)
    .keep(pair))
}
