//! Resets of all sorts, at random addresses and ports, as fast as one process makes them: it has both ends.
//!
//! Closed ports are below the ephemeral range, so that none of them can be a storm's listener. The error of the
//! receiving socket is checked for every reset: what is reported as received has been received.

use crate::{
    During as _, options,
    socket::{listening, open},
};
use anyhow::{Result, bail};
use rstmon_tests::{protocol::Fields, random::SplitMix};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{self, SendFlags, SocketFlags, sockopt},
};
use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
};

/// Closed ports: without listeners, and outside of the range that the kernel chooses from.
const CLOSED_PORTS: std::ops::Range<u16> = 1024..32_000;
/// How long a reset may take to arrive, in seconds: on loopback it takes long on a very busy machine only.
const PATIENCE_SECONDS: i64 = 20;

/// How a connection of the storm ends: one reset sent, one received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StormReset {
    /// To a closed port.
    Refused,
    /// Closed with `SO_LINGER` 0.
    Aborted,
    /// Closed with data unread.
    Unread,
    /// The peer wrote after the close.
    Late,
}

impl StormReset {
    /// Six in ten are refused.
    fn draw(random: &mut SplitMix) -> Self {
        match random.below(10) {
            0 | 1 => Self::Aborted,
            2 => Self::Unread,
            3 => Self::Late,
            _ => Self::Refused,
        }
    }
}

/// A large range of local addresses.
#[derive(Clone, Copy, Debug)]
enum Net {
    /// Addresses of `127.0.0.0/8`.
    V4,
    /// Addresses of `2001:db8::/32`, which the stress suite has made local.
    V6,
}

impl Net {
    fn address(self, random: &mut SplitMix) -> IpAddr {
        let number = random.number().to_be_bytes();
        match self {
            // Neither the network's nor its broadcast address.
            Self::V4 => IpAddr::V4(Ipv4Addr::new(127, number[0], number[1], number[2].clamp(1, 254))),
            Self::V6 => {
                let piece = |at: usize| u16::from_be_bytes([number[at], number[at + 1]]);
                IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, piece(0), piece(2), 0, 0, piece(4), piece(6) | 1))
            }
        }
    }

    fn socket(self) -> &'static str {
        match self {
            Self::V4 => "v4",
            Self::V6 => "v6",
        }
    }

    fn any(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

pub(crate) struct Storm {
    net: Net,
    listener: OwnedFd,
    port: u16,
    random: SplitMix,
    addresses: HashSet<IpAddr>,
    ports: HashSet<u16>,
    kinds: [u64; 4],
}

/// `storm v4|v6 COUNT SEED`
pub(crate) fn storm(net: &str, count: u64, seed: u64) -> Result<Fields> {
    let mut storm = Storm::new(net, seed)?;
    storm.provoke(count)?;
    Ok(storm.report())
}

impl Storm {
    /// A storm in the namespace that this thread is in now.
    pub(crate) fn new(net: &str, seed: u64) -> Result<Self> {
        let net = match net {
            "v4" => Net::V4,
            "v6" => Net::V6,
            _ => bail!("network {net}"),
        };
        let (listener, address) = listening(net.any(), 16)?;
        let port = address.port();
        let (addresses, ports) = (HashSet::new(), HashSet::new());
        Ok(Self { net, listener, port, random: SplitMix(seed), addresses, ports, kinds: [0; 4] })
    }

    /// Provokes `count` resets, all of which have been received when this returns.
    pub(crate) fn provoke(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let kind = StormReset::draw(&mut self.random);
            match kind {
                StormReset::Refused => self.refused()?,
                StormReset::Aborted => {
                    let (client, server) = self.connect()?;
                    options::set(&client, &["linger", "0"])?;
                    drop(client);
                    was_reset(&server)?;
                }
                StormReset::Unread => {
                    let (client, server) = self.connect()?;
                    say(&client)?;
                    arrived(&server)?;
                    drop(server);
                    was_reset(&client)?;
                }
                StormReset::Late => {
                    let (client, server) = self.connect()?;
                    drop(server);
                    // The end of stream.
                    arrived(&client)?;
                    say(&client)?;
                    was_reset(&client)?;
                }
            }
            self.kinds[kind as usize] += 1;
        }
        Ok(())
    }

    /// Counts of everything so far.
    pub(crate) fn report(&self) -> Fields {
        let [refused, aborted, unread, late] = self.kinds;
        Fields::default()
            .with("received", self.kinds.iter().sum::<u64>())
            .with("refused", refused)
            .with("aborted", aborted)
            .with("unread", unread)
            .with("late", late)
            .with("addresses", self.addresses.len())
            .with("ports", self.ports.len())
    }

    fn refused(&mut self) -> Result<()> {
        let port = CLOSED_PORTS.start + u16::try_from(self.random.below(CLOSED_PORTS.len()))?;
        self.ports.insert(port);
        let (client, to) = (self.client()?, self.peer(port));
        match net::connect(&client, &to) {
            Err(Errno::CONNREFUSED) => Ok(()),
            other => bail!("connect to {to}, a closed port: {other:?}"),
        }
    }

    fn connect(&mut self) -> Result<(OwnedFd, OwnedFd)> {
        let (client, to) = (self.client()?, self.peer(self.port));
        net::connect(&client, &to).during("connect")?;
        let server = net::accept_with(&self.listener, SocketFlags::CLOEXEC).during("accept")?;
        Ok((client, server))
    }

    fn peer(&mut self, port: u16) -> SocketAddr {
        let address = self.net.address(&mut self.random);
        self.addresses.insert(address);
        SocketAddr::new(address, port)
    }

    /// A client socket, for IPv4 bound to a random address.
    fn client(&mut self) -> Result<OwnedFd> {
        let client = open(self.net.socket())?;
        if matches!(self.net, Net::V4) {
            let address = self.net.address(&mut self.random);
            self.addresses.insert(address);
            options::set(&client, &["no-port", "1"])?;
            net::bind(&client, &SocketAddr::new(address, 0)).during("bind")?;
        }
        Ok(client)
    }
}

/// Writes a byte.
pub(crate) fn say(fd: &OwnedFd) -> Result<()> {
    net::send(fd, b"x", SendFlags::NOSIGNAL).during("send")?;
    Ok(())
}

/// Waits for data or the end of the stream.
pub(crate) fn arrived(fd: &OwnedFd) -> Result<()> {
    wait(fd, PollFlags::IN)
}

/// Waits for the end of the connection, and checks that it was a reset.
pub(crate) fn was_reset(fd: &OwnedFd) -> Result<()> {
    wait(fd, PollFlags::empty())?;
    match sockopt::socket_error(fd).during("getsockopt")? {
        Err(Errno::CONNRESET | Errno::PIPE) => Ok(()),
        other => bail!("expected a reset, found {other:?}"),
    }
}

/// Waits for `events`, and always for errors and the end of both directions.
fn wait(fd: &OwnedFd, events: PollFlags) -> Result<()> {
    let mut polled = [PollFd::new(fd, events)];
    let patience = Timespec { tv_sec: PATIENCE_SECONDS, tv_nsec: 0 };
    loop {
        match poll(&mut polled, Some(&patience)) {
            Ok(0) => bail!("nothing came within {PATIENCE_SECONDS} s"),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(crate::Failed("poll", errno).into()),
        }
    }
}
