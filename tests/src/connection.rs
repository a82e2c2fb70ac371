//! A connection between two processes, with which most scenarios begin.

use crate::{actor::Actor, scene::End, stage::Stage};
use anyhow::Result;
use std::net::{IpAddr, SocketAddr};

/// A server that listens in slot `l` and a connected client; each has its end of the connection in slot `c`.
#[derive(Debug)]
pub struct Connection {
    /// The process that listens and accepts.
    pub server: Actor,
    /// The process that connects.
    pub client: Actor,
    /// The server's address, as IPv4 if it is an IPv4-mapped IPv6 address.
    pub server_address: SocketAddr,
    /// The client's address.
    pub client_address: SocketAddr,
}

/// How to open a connection.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// The kind of both sockets, if it is not that of the stage.
    pub kind: Option<&'static str>,
    /// Limit of the accept queue.
    pub backlog: u32,
    /// Whether the server accepts the connection.
    pub accept: bool,
    /// Comm of the server.
    pub server: &'static str,
    /// Comm of the client.
    pub client: &'static str,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { kind: None, backlog: 16, accept: true, server: "web", client: "caller" }
    }
}

impl Connection {
    /// Connects two new processes.
    ///
    /// # Errors
    /// When a step fails.
    pub fn open(stage: &Stage) -> Result<Self> {
        Self::make(stage, Recipe::default())
    }

    /// Connects two new processes as `recipe` says.
    ///
    /// # Errors
    /// When a step fails.
    pub fn make(stage: &Stage, recipe: Recipe) -> Result<Self> {
        let mut server = stage.server_actor(recipe.server)?;
        let mut client = stage.client_actor(recipe.client)?;
        let service = listen(stage, &mut server, recipe.kind, recipe.backlog)?;
        let client_address = dial(stage, &mut client, recipe.kind, "c", service)?;
        if recipe.accept {
            server.ask("accept l c")?;
        }
        Ok(Self { server, client, server_address: service, client_address })
    }

    /// The server's end.
    #[must_use]
    pub fn server_end(&self) -> End {
        End::of(&self.server, self.server_address, self.client_address)
    }

    /// The client's end.
    #[must_use]
    pub fn client_end(&self) -> End {
        End::of(&self.client, self.client_address, self.server_address)
    }

    /// Makes the client write `bytes` and waits until they are unread and acknowledged at the server.
    ///
    /// # Errors
    /// When they do not arrive.
    pub fn client_writes(&mut self, bytes: u64) -> Result<()> {
        self.client.ask(&format!("send c {bytes}"))?;
        self.server.await_unread("c", bytes)?;
        self.client.await_acknowledged("c")
    }

    /// Makes the server write `bytes` and waits until they are unread and acknowledged at the client.
    ///
    /// # Errors
    /// When they do not arrive.
    pub(crate) fn server_writes(&mut self, bytes: u64) -> Result<()> {
        self.server.ask(&format!("send c {bytes}"))?;
        self.client.await_unread("c", bytes)?;
        self.server.await_acknowledged("c")
    }
}

/// Makes a process listen in slot `l`; returns the address that clients connect to.
///
/// # Errors
/// When a socket call fails.
pub fn listen(stage: &Stage, server: &mut Actor, kind: Option<&str>, backlog: u32) -> Result<SocketAddr> {
    server.ask(&format!("socket l {}", kind.unwrap_or(stage.server_socket())))?;
    if stage.server_socket() == "v6" {
        server.ask("set l v6only 0")?;
    }
    server.ask(&format!("bind l {}", stage.listen_address()))?;
    let bound: SocketAddr = server.ask(&format!("listen l {backlog}"))?.get("local")?;
    Ok(stage.server_address(bound.port()))
}

/// Makes a process connect in `slot`; returns its own address.
///
/// # Errors
/// When a socket call fails.
pub fn dial(stage: &Stage, client: &mut Actor, kind: Option<&str>, slot: &str, to: SocketAddr) -> Result<SocketAddr> {
    client.ask(&format!("socket {slot} {}", kind.unwrap_or(stage.client_socket())))?;
    let local: SocketAddr = client.ask(&format!("connect {slot} {to}"))?.get("local")?;
    Ok(plain(local))
}

/// The address, as IPv4 if it is an IPv4-mapped IPv6 address.
#[must_use]
pub fn plain(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(ip) => SocketAddr::new(ip.to_canonical(), address.port()),
        IpAddr::V4(_) => address,
    }
}
