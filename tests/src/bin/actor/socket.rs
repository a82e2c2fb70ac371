//! Commands on sockets: one system call each, so that a test controls the exact order of events.

use crate::{
    ActorState, During as _, Failed,
    options::{self, Queue},
};
use anyhow::{Context as _, Result, bail};
use rstmon_tests::protocol::Fields;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, ioctl_fionbio},
    net::{self, AddressFamily, RecvFlags, SendFlags, Shutdown, SocketFlags, SocketType, ipproto},
    process::{Resource, Rlimit, getrlimit, setrlimit},
};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::fd::OwnedFd,
};

/// Address of the sockets of `listeners` and `hold`.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Descriptors that `listeners` and `hold` may use.
const MOST_DESCRIPTORS: u64 = 16_384;
/// Data of one write.
const CHUNK: [u8; 16 * 1024] = [b'x'; 16 * 1024];

impl ActorState {
    /// Executes a command whose first operand is a slot.
    pub(crate) fn socket_command(&mut self, words: &[&str]) -> Result<Fields> {
        let done = Fields::default();
        match *words {
            ["socket", slot, kind] => {
                let fd = open(kind)?;
                self.slots.insert(slot.to_owned(), fd);
                Ok(done)
            }
            ["set", slot, ref option @ ..] => options::set(self.slot(slot)?, option).map(|()| done),
            ["bind", slot, address] => {
                net::bind(self.slot(slot)?, &address.parse::<SocketAddr>()?).during("bind")?;
                ends(self.slot(slot)?)
            }
            ["listen", slot, backlog] => {
                net::listen(self.slot(slot)?, backlog.parse()?).during("listen")?;
                ends(self.slot(slot)?)
            }
            ["connect", slot, address] => {
                net::connect(self.slot(slot)?, &address.parse::<SocketAddr>()?).during("connect")?;
                ends(self.slot(slot)?)
            }
            ["dial", slot, address] => dial(self.slot(slot)?, address.parse()?),
            ["sequences", slot] => {
                let (sent, received) = options::sequences(self.slot(slot)?)?;
                Ok(done.with("sent", sent).with("received", received))
            }
            // The value of the timestamps option that a connection would send now.
            ["clock", slot] => Ok(done.with("clock", options::timestamp(self.slot(slot)?)?)),
            ["start-at", slot, sequence] => {
                Ok(options::initial_sequence(self.slot(slot)?, sequence.parse()?).map(|()| done)?)
            }
            ["disconnect", slot] => Ok(net::connect_unspec(self.slot(slot)?).during("connect").map(|()| done)?),
            ["accept", listener, slot] => {
                let accepted = net::accept_with(self.slot(listener)?, SocketFlags::CLOEXEC).during("accept")?;
                let found = ends(&accepted)?;
                self.slots.insert(slot.to_owned(), accepted);
                Ok(found)
            }
            ["get", slot, path] => {
                // With a header as clients have it: more than the 64 bytes of a farewell.
                let agent = "User-Agent: actor (a client of end-to-end tests)";
                let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n{agent}\r\n\r\n");
                net::send(self.slot(slot)?, request.as_bytes(), SendFlags::NOSIGNAL).during("send")?;
                Ok(done)
            }
            // Text without blanks: an underscore stands for a blank, a bar for the end of a line.
            ["say", slot, text] => say(self.slot(slot)?, text, 0),
            // The same, with so many bytes behind it in one system call.
            ["say", slot, text, bytes] => say(self.slot(slot)?, text, bytes.parse()?),
            // HAProxy does so at its timeouts.
            ["shutdown-and-abort", slot] => {
                let fd = self.slots.remove(slot).with_context(|| format!("slot {slot} is empty"))?;
                net::shutdown(&fd, Shutdown::Write).during("shutdown")?;
                options::set(&fd, &["linger", "0"]).map(|()| done)
            }
            ["send", slot, bytes] => send(self.slot(slot)?, bytes.parse()?),
            ["burst", slot, bytes] => burst(self.slot(slot)?, bytes.parse()?),
            // At once, so that the peer cannot have acknowledged the data before the close.
            ["send-and-close", slot, bytes] => {
                let fd = self.slots.remove(slot).with_context(|| format!("slot {slot} is empty"))?;
                send(&fd, bytes.parse()?)
            }
            ["fill", slot] => fill(self.slot(slot)?),
            ["recv", slot, bytes] => receive(self.slot(slot)?, bytes.parse()?),
            ["shutdown", slot] => {
                Ok(net::shutdown(self.slot(slot)?, Shutdown::Write).during("shutdown").map(|()| done)?)
            }
            ["close", slot] => {
                drop(self.slots.remove(slot).with_context(|| format!("slot {slot} is empty"))?);
                Ok(done)
            }
            ["ready", slot] => ready(self.slot(slot)?),
            ["look", slot] => look(self.slot(slot)?),
            ["flood", address, count] => flood(address.parse()?, count.parse()?),
            _ => bail!("unknown command"),
        }
    }
}

pub(crate) fn open(kind: &str) -> Result<OwnedFd, Failed> {
    let (family, protocol) = match kind {
        "v6" => (AddressFamily::INET6, None),
        "mptcp" => (AddressFamily::INET, Some(ipproto::MPTCP)),
        _ => (AddressFamily::INET, None),
    };
    net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, protocol).during("socket")
}

/// The addresses of a socket: its own, and its peer's if it has one.
fn ends(fd: &OwnedFd) -> Result<Fields> {
    let local = SocketAddr::try_from(net::getsockname(fd).during("getsockname")?)?;
    let found = Fields::default().with("local", local);
    match net::getpeername(fd) {
        Ok(Some(peer)) => Ok(found.with("peer", SocketAddr::try_from(peer)?)),
        Ok(None) | Err(_) => Ok(found),
    }
}

fn send(fd: &OwnedFd, bytes: usize) -> Result<Fields> {
    let mut sent = 0;
    while sent < bytes {
        let chunk = &CHUNK[..CHUNK.len().min(bytes - sent)];
        sent += net::send(fd, chunk, SendFlags::NOSIGNAL).during("send")?;
    }
    Ok(Fields::default().with("sent", sent))
}

/// Writes with one system call. The process owns the socket meanwhile, so that the kernel sends every segment before it
/// looks at what the first one was answered with.
fn burst(fd: &OwnedFd, bytes: usize) -> Result<Fields> {
    let sent = net::send(fd, &vec![b'x'; bytes], SendFlags::NOSIGNAL).during("send")?;
    Ok(Fields::default().with("sent", sent))
}

fn say(fd: &OwnedFd, text: &str, bytes: usize) -> Result<Fields> {
    let mut said = text.replace('_', " ").replace('|', "\r\n").into_bytes();
    said.resize(said.len() + bytes, b'x');
    let sent = net::send(fd, &said, SendFlags::NOSIGNAL).during("send")?;
    Ok(Fields::default().with("sent", sent))
}

/// Begins to connect without waiting for the end of the handshake.
fn dial(fd: &OwnedFd, address: SocketAddr) -> Result<Fields> {
    ioctl_fionbio(fd, true).during("ioctl")?;
    match net::connect(fd, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => ends(fd),
        Err(errno) => Err(Failed("connect", errno).into()),
    }
}

/// Writes until the peer's window and the send buffer are full.
fn fill(fd: &OwnedFd) -> Result<Fields> {
    let mut sent = 0;
    loop {
        match net::send(fd, &CHUNK, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(bytes) => sent += bytes,
            Err(Errno::WOULDBLOCK) => return Ok(Fields::default().with("sent", sent)),
            Err(errno) => return Err(Failed("send", errno).into()),
        }
    }
}

/// Reads exactly `bytes`, or up to the end of stream.
fn receive(fd: &OwnedFd, bytes: usize) -> Result<Fields> {
    let mut buffer = vec![0u8; bytes];
    let mut received = 0;
    while received < bytes {
        match net::recv(fd, &mut buffer[received..], RecvFlags::empty()).during("recv")?.1 {
            0 => break,
            more => received += more,
        }
    }
    Ok(Fields::default().with("received", received))
}

/// Whether a listener has a connection to accept.
fn ready(fd: &OwnedFd) -> Result<Fields> {
    let mut polled = [PollFd::new(fd, PollFlags::IN)];
    let count = poll(&mut polled, Some(&Timespec::default())).during("poll")?;
    Ok(Fields::default().with("ready", count > 0))
}

/// State and queues of a connection, from the kernel.
fn look(fd: &OwnedFd) -> Result<Fields> {
    let info = options::tcp_info(fd)?;
    Ok(Fields::default()
        .with("unread", options::queued(fd, Queue::Receive)?)
        .with("unacked", options::queued(fd, Queue::Send)?)
        .with("state", info.tcpi_state)
        .with("last_received_ms", info.tcpi_last_data_recv)
        .with("last_sent_ms", info.tcpi_last_data_sent)
        .with("probes", info.tcpi_probes))
}

/// A listener at a port that the kernel chooses, and its address.
pub(crate) fn listening(ip: IpAddr, backlog: i32) -> Result<(OwnedFd, SocketAddr)> {
    let listener = open(if ip.is_ipv4() { "v4" } else { "v6" })?;
    net::bind(&listener, &SocketAddr::new(ip, 0)).during("bind")?;
    net::listen(&listener, backlog).during("listen")?;
    let address = SocketAddr::try_from(net::getsockname(&listener).during("getsockname")?)?;
    Ok((listener, address))
}

/// Listens on `count` ports that the kernel chooses, after closing `kept`.
pub(crate) fn listeners(count: usize, kept: &mut Vec<OwnedFd>) -> Result<Fields> {
    kept.clear();
    allow_many()?;
    for _ in 0..count {
        kept.push(listening(LOOPBACK, 1)?.0);
    }
    Ok(Fields::default().with("listeners", kept.len()))
}

/// Opens `count` connections to itself, after closing `kept`.
pub(crate) fn hold(count: usize, kept: &mut Vec<OwnedFd>) -> Result<Fields> {
    kept.clear();
    allow_many()?;
    let (listener, address) = listening(LOOPBACK, 16)?;
    for _ in 0..count {
        let client = open("v4")?;
        net::connect(&client, &address).during("connect")?;
        kept.push(net::accept_with(&listener, SocketFlags::CLOEXEC).during("accept")?);
        kept.push(client);
    }
    Ok(Fields::default().with("connections", count))
}

/// Resets each connection of `kept` from its accepting end.
pub(crate) fn abort_held(kept: &mut Vec<OwnedFd>) -> Result<Fields> {
    let held: Vec<OwnedFd> = std::mem::take(kept);
    for server in held.iter().step_by(2) {
        options::set(server, &["linger", "0"])?;
    }
    Ok(Fields::default().with("connections", held.len() / 2))
}

/// Raises `RLIMIT_NOFILE` to [`MOST_DESCRIPTORS`]. Where the hard limit is lower, that takes `CAP_SYS_RESOURCE`.
fn allow_many() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = |limit: Option<u64>| limit.map(|limit| limit.max(MOST_DESCRIPTORS));
    let many = Rlimit { current: raised(limit.maximum), maximum: raised(limit.maximum) };
    setrlimit(Resource::Nofile, many).during("setrlimit")?;
    Ok(())
}

/// Connects to a closed port `count` times, as fast as possible, and counts the answers.
fn flood(address: SocketAddr, count: u64) -> Result<Fields> {
    let kind = if address.is_ipv4() { "v4" } else { "v6" };
    let (mut refused, mut other) = (0u64, 0u64);
    for _ in 0..count {
        match net::connect(open(kind)?, &address) {
            Err(Errno::CONNREFUSED) => refused += 1,
            _ => other += 1,
        }
    }
    Ok(Fields::default().with("refused", refused).with("other", other))
}
